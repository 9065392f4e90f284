"""Names that look like something else: they are shown as they are, everywhere, or refused in one line."""

import csv
import io
import json
import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.plots.files import read_results
from simulator.reports.files import read_reports, to_csv
from workloads.catalog import load_workload
from workloads.errors import InputError
from workloads.importers import import_model
from workloads.layer import Layer
from workloads.names import plain_name, require_name, shown

NAMES = ["[/]", "[bold]x[/bold]", "[link=https://example.org]x[/link]", "conv[a-z3]", ":smile:", r"$\frac{1}{", "$x$", "10$", "=1+1", "+a", "-a", "@a", "'=a", "<b>&amp;", "{now}", "%s", "名前"]  # fmt: skip
UNPRINTABLE = ["a\x1b[31mb", "a\0b", "a\nb", "a\tb", "a\x7f", "a\u202eb", "x" * 201, "\x07"]


def network(tmp_path, name):
    path = tmp_path / "net.toml"
    text = (
        json.dumps(name, ensure_ascii=False) if name.isprintable() else json.dumps(name).replace("\\u007f", "\\u007F")
    )
    path.write_text(
        f"name = {text}\n[[layers]]\nname = {text}\nin_channels = 2\nout_channels = 2\ninput_size = [4, 4]\nkernel_size = 3\n"
    )
    return path


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_shown_as_it_is(cli, tmp_path, name):
    path, json_file = network(tmp_path, name), tmp_path / "r.json"
    table = cli("run", path, "--on", "ideal")
    assert (table.code, table.err) == (0, "")
    assert f"{name} on ideal" in table.out
    assert len(re.findall(rf"^{re.escape(name)} +[\d,]+ ", table.out, re.MULTILINE)) == 1
    assert name in cli("compare", path, "--on", "ideal,dcnn").out
    assert name in cli("inspect", path, "--on", "none").out
    rows = cli("run", path, "--on", "ideal", "--csv", "-").out
    cell = next(csv.DictReader(io.StringIO(rows)))["name"]
    assert cell == (f"'{name}" if name.lstrip("'")[0] in "=+-@" else name)
    assert cli("run", path, "--on", "ideal", "--json", json_file).code == 0
    assert json.loads(json_file.read_text())["layers"][0]["name"] == name


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_pictures_and_pages_show_a_name_as_it_is(cli, tmp_path, name):
    if not name.isascii():
        pytest.skip("the figures' font has no such letters")
    json_file, picture, page = tmp_path / "r.json", tmp_path / "p.svg", tmp_path / "p.html"
    assert cli("run", network(tmp_path, name), "--on", "scnn", "--json", json_file).code == 0
    result = cli("plot", json_file, "--kind", "layers", "-o", picture)
    assert (result.code, result.err) == (0, f"wrote {picture}\n")
    drawn = "".join(ET.fromstring(picture.read_text()).itertext())
    assert name in drawn
    if name == "$x$":
        assert cli("report", json_file, "-o", page).code == 0
        assert name in page.read_text()


@pytest.mark.parametrize("name", UNPRINTABLE)
def test_a_name_that_cannot_be_printed_is_refused_without_printing_it(cli, tmp_path, name):
    result = cli("run", network(tmp_path, name), "--on", "ideal")
    assert result.code == 2
    assert "must be a non-empty text of at most 200 printable characters" in result.err
    assert all(line.isprintable() for line in result.err.splitlines())
    with pytest.raises(InputError, match="name must be at most 200 printable characters") as caught:
        Layer.dense(name, in_features=1, out_features=1)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("title", [*(name for name in UNPRINTABLE if not set("\n\0") & set(name)), "\udcff"])
def test_a_title_that_cannot_be_printed_is_refused(cli, tmp_path, title):
    result = cli("plot", tmp_path / "r.json", "-o", tmp_path / "p.png", "--title", title)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("prunesim: --title ")
    assert result.err.endswith(": must be at most 200 printable characters, in one line or several\n")
    assert result.err[:-1].isprintable()


@pytest.mark.parametrize(
    ("title", "told"),
    [("", 0), ("a\nb", 0), ("word " * 40, 0), ("x" * 200, 1), ("x\n" * 100, 1), ("名前", 2)],
    ids=["none", "two lines", "words", "a word", "lines", "letters that the font lacks"],
)
def test_a_title_that_does_not_fit_is_told_in_a_line(cli, tmp_path, title, told):
    assert cli("run", network(tmp_path, "n"), "--on", "ideal", "--json", tmp_path / "r.json").code == 0
    result = cli("plot", tmp_path / "r.json", "-o", tmp_path / "p.png", "--column", "--title", title)
    *warned, wrote = result.err.splitlines()
    assert (result.code, wrote) == (0, f"wrote {tmp_path / 'p.png'}")
    assert [line.partition(": ")[0] for line in warned] == ["warning"] * told


def test_messages_do_not_steer_the_terminal(cli):
    result = cli("run", "a\x1b[31m\x07b", "--on", "ideal")
    assert (result.code, "\x1b" in result.err, "\\x1b[31m" in result.err) == (2, False, True)


def test_imported_names_are_made_printable(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("Layer,M,N,K,\na\x1b[1mb,1,2,3,\n" + "y" * 5000 + ",1,2,3,\n")
    names = [layer.name for layer in import_model(path).workload.layers]
    assert names[0] == "a\ufffd[1mb"
    assert len(names[1]) == 200
    assert names[1].startswith("yyy")
    (tmp_path / "\x1b.toml").write_text(network(tmp_path, "a").read_text().partition("\n")[2])
    workload = load_workload(str(tmp_path / "\x1b.toml"))
    assert workload.name == "\ufffd"
    assert workload.origin.isprintable()


def test_reports_that_come_back_are_made_printable_and_short(cli, tmp_path):
    path = tmp_path / "r.json"
    assert cli("run", network(tmp_path, "a"), "--on", "ideal", "--json", path).code == 0
    data = json.loads(path.read_text())
    data["layers"][0]["name"], data["workload"]["title"] = "a\x1bb\0", "z" * 10**6
    path.write_text(json.dumps(data))
    (report,) = read_reports(path)
    assert report["layers"][0]["name"] == "a\ufffdb\ufffd"
    assert len(report["workload"]["title"]) == 1000
    assert cli("report", path, "-o", tmp_path / "p.html").code == 0
    assert len((tmp_path / "p.html").read_text()) < 10**6


def test_formulas_come_back_from_a_csv_as_the_names_they_were(tmp_path):
    path = tmp_path / "r.csv"
    names = ["=1", "+1", "-1x", "@a", "'=1", "'a", "a"]
    path.write_text(to_csv([{"accelerator": "scnn", "name": name, "cycles": -1} for name in names]))
    assert [row["cycles"] for row in csv.DictReader(io.StringIO(path.read_text()))] == ["-1"] * 7
    assert [row["name"] for row in read_results(path)] == names


@given(st.text(st.characters()))
def test_any_text_becomes_a_name(text):
    name = plain_name(text) or "x"
    require_name("layer", name)
    assert plain_name(name) == name
    assert shown(text).isprintable()
    assert plain_name(text + "x" * 300) != plain_name(text + "x" * 301)
