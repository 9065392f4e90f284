"""The report page: what it holds, and that it needs nothing from outside."""

import json
import re
import shutil
import subprocess
import tomllib
from html.parser import HTMLParser
from itertools import product

import pytest
from matplotlib.layout_engine import ConstrainedLayoutEngine

from dataflows.registry import create
from simulator.network_simulation import simulate
from simulator.observers.timeline import Timeline
from simulator.plots import data
from simulator.plots.graph_picture import graph_svg
from simulator.plots.report_page import report_page, settings_toml
from simulator.reports.energy_report import KEYS as ENERGY_KEYS
from tests.simulator.energy.counted_machine import CountedDcnn
from workloads.catalog import load_workload
from workloads.errors import InputError

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
REFERENCES = {"src", "href", "xlink:href", "srcset", "data", "action", "poster", "background"}


class Page(HTMLParser):
    """Collects references, ids, tags and the text of cells."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.references: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.rows: list[list[str]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.references += [value for name, value in attrs if name in REFERENCES]
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in ("meta", "br", "img", "input", "link"):
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data):
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1].append(data)


@pytest.fixture(scope="module")
def run():
    timeline = Timeline()
    workload = load_workload("blazepose").select("op0[12]*")
    (scnn,) = simulate([create("scnn", {})], workload, observers=(timeline,))
    (dcnn,) = simulate([create("dcnn", {})], workload)
    return scnn, dcnn, json.loads(timeline.to_json(scnn))


@pytest.fixture(scope="module")
def text(run) -> str:
    scnn, dcnn, timeline = run
    return report_page([scnn.to_dict(), dcnn.to_dict()], timeline)


def test_the_page_needs_nothing_from_outside(text):
    page = Page(text)
    assert page.open == [], "every element is closed"
    assert all(reference.startswith(("#", "data:image/png;base64,")) for reference in page.references)
    assert not {"script", "link", "img", "iframe", "object", "embed", "base"} & set(page.tags)
    assert "@import" not in text
    assert text.count("url(") == text.count("url(#")
    outside = text.replace("http://www.w3.org/2000/svg", "").replace("http://www.w3.org/1999/xlink", "")
    assert "http" not in outside, "besides the names of SVG's two name spaces"


def test_ids_are_unique_and_references_lead_to_them(text):
    page = Page(text)
    assert len(page.ids) == len(set(page.ids))
    assert {name[1:] for name in page.references if name.startswith("#")} <= set(page.ids)


def test_the_page_can_be_walked_through_and_fits_a_phone(text):
    page = Page(text)
    assert {"#totals", "#figures", "#layers-of-machines", "#configuration"} <= set(page.references)
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in text
    # Every figure has words for who cannot see it; the network's graph is text itself.
    assert text.count('<svg role="img" aria-label="') == text.count("<figure ")


def test_the_page_holds_tables_figures_configuration_and_digest(text, run):
    scnn, dcnn, _ = run
    rows = Page(text).rows
    cycles = {(row[0], row[1]) for row in rows if len(row) > 1}
    for report in (scnn, dcnn):
        assert (report.machine, f"{report.total.cycles:,}") in cycles
        assert ("total", f"{report.total.cycles:,}") in cycles
        assert all((layer.name, f"{layer.cycles:,}") in cycles for layer in report.layers)
        assert report.digest in text
    for kind in ("causes", "layers", "utilization", "roofline", "imbalance", "heatmap", "pareto", "bandwidth", "gantt"):
        assert f'<figure id="{kind}"><svg' in text
    assert "weights_per_vector = 4" in text


def test_the_page_says_how_large_machines_are_and_what_their_speedups_consist_of(text, run):
    scnn, dcnn, _ = run
    rows = Page(text).rows
    assert ["accelerator", "multipliers", "clock GHz", "on-chip KiB", "GB/s", "bits"] in rows
    assert ["scnn", "1,024", "1", "1,280.0", "50", "16"] in rows
    for report in (scnn, dcnn):
        factors = [f"{factor:.2f}" for factor in report.total.speedup_factors.values()]
        assert [report.machine, f"{report.total.speedup:.2f}", *factors] in rows
    (header,) = [row for row in rows if row[:2] == ["accelerator", "cycles"]]
    assert {"empty lanes", "most lost to"} <= set(header)


def test_the_page_draws_how_the_layers_hang_together_once(text, run):
    graph = load_workload("blazepose").graph
    assert run[0].to_dict()["workload"]["graph"] == graph.rows()
    assert text.count(f"<details><summary>73 layers, {len(graph.nodes) - 73} other nodes</summary>") == 1
    assert graph_svg(graph) in text
    assert not any(row[:1] == ["graph"] for row in Page(text).rows)


def test_a_report_without_a_graph_or_with_a_broken_one(run):
    data = json.loads(json.dumps(run[0].to_dict()))
    data["workload"]["graph"] = [["x", "layer", ["y"], [1]]]
    with pytest.raises(InputError, match=r"^graph of 'blazepose': node 'x' reads 'y', which does not stand before it$"):
        report_page([data])
    del data["workload"]["graph"]
    assert "<h2>Network</h2>" not in report_page([data])


def test_reports_of_before_these_figures_still_make_a_page(run):
    data = json.loads(json.dumps(run[0].to_dict()))
    del data["size"], data["equal"], data["area"]
    for row in (*data["layers"], data["total"]):
        for key in ("speedup_factors", "empty_lanes", *ENERGY_KEYS):
            del row[key]
    rows = Page(report_page([data])).rows
    assert not any("x skipped" in row or "multipliers" in row for row in rows)
    assert ("scnn", f"{run[0].total.cycles:,}") in {tuple(row[:2]) for row in rows}


def test_the_page_names_the_size_that_machines_were_brought_to(cli, tmp_path):
    few = ("--layers", "op01*", "--equal", "multipliers=512,bits=8")
    cli("run", "blazepose", "--on", "dcnn", *few, "--json", tmp_path / "r.json")
    (report,) = [json.loads((tmp_path / "r.json").read_text())]
    assert report["equal"] == {"multipliers": 512, "bits": 8}
    assert ["brought to the size", "multipliers=512,bits=8"] in Page(report_page([report])).rows
    plain = json.loads(cli("run", "blazepose", "--on", "dcnn", *few[:2], "--json", "-").out)
    assert plain["equal"] == {}
    assert plain["digest"] != report["digest"]


def test_figures_that_say_nothing_are_left_out():
    (ideal,) = simulate([create("ideal", {})], load_workload("blazepose").select("op01*"))
    text = report_page([ideal.to_dict()])
    assert '<figure id="causes">' in text
    assert "roofline" not in text


def test_the_page_draws_where_the_energy_went():
    (report,) = simulate([CountedDcnn()], load_workload("blazepose").select("op01*"))
    data = json.loads(json.dumps(report.to_dict()))
    figures = re.findall(r'<figure id="([\w-]+)"', report_page([data, data | {"seed": 1}]))
    energies = ["energy", "energy-components", "pareto-energy"]
    assert [name for name in figures if "energy" in name] == energies, "layers are drawn where machines differ"
    alone = re.findall(r'<figure id="([\w-]+)"', report_page([data]))
    assert [name for name in alone if "energy" in name] == [
        "energy", "energy-components", "energy-layers", "energy-roofline",
    ]  # fmt: skip


def test_the_configuration_reads_back_as_it_was(run):
    scnn, _, _ = run
    settings = {key: value for key, value in scnn.to_dict()["accelerator"].items() if key != "name"}
    assert tomllib.loads(settings_toml(settings)) == settings
    assert tomllib.loads(settings_toml({"a": "inf", "b": {"c": True, "d": {}}})) == {
        "a": float("inf"),
        "b": {"c": True, "d": {}},
    }


def test_texts_are_escaped(run):
    data = json.loads(json.dumps(run[1].to_dict()))
    data["workload"]["title"] = "<script>alert(1)</script>"
    data["layers"][0]["notes"] = ["a < b & c"]
    text = report_page([data])
    assert "<script>" not in text
    assert "a &lt; b &amp; c" in text


def test_notebooks_show_tables(run):
    scnn, _, _ = run
    rows = Page(scnn._repr_html_()).rows
    assert [row[0] for row in rows] == ["scnn", *(layer.name for layer in scnn.layers), "total"]
    assert Page(scnn.layers[0]._repr_html_()).rows[1][1] == f"{scnn.layers[0].cycles:,}"


@pytest.mark.slow
def test_the_command_writes_the_same_page_every_time(cli, tmp_path, run):
    (tmp_path / "r.json").write_text(json.dumps(run[0].to_dict()))
    pages = []
    for name in ("a.html", "b.html"):
        assert cli("report", tmp_path / "r.json", "-o", tmp_path / name).code == 0
        pages.append((tmp_path / name).read_bytes())
    assert pages[0] == pages[1]


def test_the_command_refuses_rows(cli, tmp_path):
    (tmp_path / "r.csv").write_text("accelerator,name\nscnn,total\n")
    result = cli("report", tmp_path / "r.csv", "-o", tmp_path / "a.html")
    assert result.code == 2
    assert "needs the JSON report of 'run' or 'compare'" in result.err


def test_a_browser_opens_the_page_and_draws_every_figure(tmp_path, text):
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip("no Chromium on this machine")
    file = tmp_path / "report.html"
    file.write_text(text.replace("</body>", f"<script>{_MEASURE}</script></body>"), encoding="utf-8")
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    done = subprocess.run(
        [*command, "--dump-dom", file.as_uri()], capture_output=True, text=True, timeout=90, check=True
    )
    found = json.loads(done.stdout.split("measured:")[1].split(":end")[0])
    assert found["requests"] == [], "nothing was fetched"
    assert len(found["figures"]) == text.count("<figure ")
    assert all(width > 200 and height > 100 for width, height in found["figures"])
    assert found["rows"] == len(Page(text).rows)


_MEASURE = """
const box = svg => { const b = svg.getBoundingClientRect(); return [b.width, b.height]; };
const found = {
  requests: performance.getEntriesByType('resource').map(e => e.name),
  figures: [...document.querySelectorAll('figure > svg')].map(box),
  rows: document.querySelectorAll('tr').length,
};
document.title = 'measured:' + JSON.stringify(found) + ':end';
"""


def test_a_store_of_a_study_shows_what_varies_in_columns_and_curves(cli, tmp_path):
    store, page = tmp_path / "s.sqlite", tmp_path / "p.html"
    axes = ("--vary", "queue_depth=0,4", "--vary", "density=0.2,0.8", "--seeds", "2")
    swept = cli(
        "sweep", "examples/tiny.toml", "--on", "scnn,dcnn", *axes, "--no-energy", "--store", store, "--jobs", "1"
    )
    assert swept.code == 0
    assert cli("report", store, "-o", page).code == 0
    text = page.read_text()
    rows = Page(text).rows
    assert "<h1>tiny on scnn, dcnn: 12 points of a study</h1>" in text  # dcnn has no queues: 4 points
    header = next(row for row in rows if "cycles" in row)
    assert header[:5] == ["accelerator", "queue_depth", "density", "seed", "cycles"]
    points = [row[:4] for row in rows if len(row) == len(header) and row[0] in ("scnn", "dcnn")]
    depths = {"scnn": ["0", "4"], "dcnn": ["-"]}
    expected = [
        [name, depth, density, seed]
        for name in ("scnn", "dcnn")
        for depth, density, seed in product(depths[name], ("0.2", "0.8"), "01")
    ]
    assert sorted(points) == sorted(expected)
    for figure in ("causes", "speedup", "sweep-queue_depth-time_us", "sweep-density-utilization"):
        assert f'id="{figure}"' in text
    assert text.index('id="sweep-queue_depth-') < text.index('id="sweep-density-')  # as the study has them
    assert text.count("<details") == 2 + 1  # layers of a point a machine, and the network


def test_figures_stay_readable_in_a_narrow_window_and_in_the_dark(text):
    drawn = re.findall(r'<svg role="img"[^>]*?style="min-width: (\d+)px"[^>]*?width="([\d.]+)pt"', text)
    assert len(drawn) == text.count('<svg role="img"') > 0
    for least, points in drawn:
        assert int(least) == pytest.approx(0.65 * float(points) * 4 / 3, abs=1)
    assert "@media (prefers-color-scheme: dark)" in text


def test_the_page_tells_which_figure_it_draws(run):
    told = []
    report_page([run[0].to_dict()], told=lambda done, total, now: told.append((done, total, now)))
    assert [done for done, *_ in told] == list(range(told[0][1]))
    assert told[0][2] == "causes"


def test_rows_are_made_once_and_figures_laid_out_once(run, monkeypatch):
    made, laid_out = [], []
    rows_of_report, execute = data._report_rows, ConstrainedLayoutEngine.execute
    monkeypatch.setattr(data, "_report_rows", lambda report: made.append(report) or rows_of_report(report))
    monkeypatch.setattr(
        ConstrainedLayoutEngine, "execute", lambda one, figure: laid_out.append(figure) or execute(one, figure)
    )
    page = report_page([one.to_dict() for one in run[:2]])
    assert len(made) == 2
    figures = page.count("<figcaption>")
    # Titles that may not fit ask for a layout of their own before.
    assert figures > 3
    assert figures <= len(laid_out) <= 2 * figures
