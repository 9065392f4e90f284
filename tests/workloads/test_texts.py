"""Hostile TOML, JSON and YAML: one line, at once."""

import time
import tomllib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads.catalog import load_workload
from workloads.errors import InputError
from workloads.texts import parse_json, parse_toml, parse_yaml, read_json, read_toml, toml_text

yaml = pytest.importorskip("yaml")


def toml(text):
    return parse_toml(text, "f")


def json_of(text):
    return parse_json(text.encode(), "f", "JSON")


def yaml_of(text):
    return parse_yaml(text, "f", yaml)


DEEP = 100_000
CASES = {
    "toml lists": (toml, "a = " + "[" * DEEP + "]" * DEEP, "nested"),
    "toml 200 lists": (toml, "a = " + "[" * 200 + "]" * 200, "nested more than 100 levels deep"),
    "toml tables": (toml, "a = " + "{a=" * 5000 + "1" + "}" * 5000, "nested"),
    "toml dotted key": (toml, ".".join("a" * 50_000) + " = 1", "a key has more than 100 parts"),
    "toml dotted header": (toml, "[" + ".".join("a" * 50_000) + "]", "a key has more than 100 parts"),
    "toml quoted parts": (toml, ".".join(['"a b"'] * 50_000) + " = 1", "a key has more than 100 parts"),
    "toml inline dotted": (toml, "x = {" + " . ".join("a" * 50_000) + " = 1}", "a key has more than 100 parts"),
    "toml deep keys": (
        toml,
        "".join(f"k{i}{'.a' * 98} = 1\n" for i in range(5000)),
        "more than 1,000 keys have more than 8",
    ),
    "toml deep headers": (toml, "".join(f"[k{i}{'.a' * 98}]\n" for i in range(5000)), "more than 1,000 keys"),
    "toml deep inline": (
        toml,
        "a = {" + ",".join(f"k{i}{'.a' * 9}=1" for i in range(5000)) + "}",
        "more than 1,000 keys",
    ),
    "toml digits": (toml, "a = " + "9" * 4301, "not valid TOML: Exceeds the limit"),
    "toml large": (toml, "a = [1, 9223372036854775808]", "is too large: at most 9223372036854775807"),
    "toml 10**400": (toml, f"a = {10**400}", "digits is too large"),
    "json lists": (json_of, "[" * DEEP + "]" * DEEP, "nested"),
    "json tables": (json_of, '{"a":' * DEEP + "1" + "}" * DEEP, "nested"),
    "json digits": (json_of, "9" * 4301, "not JSON: Exceeds the limit"),
    "json large": (json_of, f'{{"a": {-(10**19)}}}', "is too large"),
    "json surrogate": (json_of, '["\\ud800"]', "half of a character"),
    "json surrogate in a key": (json_of, '{"\\udfff": 1}', "half of a character"),
    "yaml lists": (yaml_of, "[" * DEEP, "nest"),
    "yaml 200 lists": (yaml_of, "[" * 200, "nested more than 100 levels deep"),
    "yaml lists of lists": (yaml_of, "- " * DEEP, "nested more than 100 levels deep"),
    "yaml many": (yaml_of, "[" + "1," * 300_000 + "]", "holds more than 100,000 values"),
    "yaml many maps": (yaml_of, "- {}\n" * 300_000, "holds more than 100,000 values"),
    "yaml long in base 60": (yaml_of, "a: 1" + ":59" * 300_000, "a number of 900,001 digits and colons, at most 4,300"),
    "yaml tagged in base 60": (yaml_of, "a: !!int '" + ":1" * 300_000 + "'", "a number of 600,000 digits and colons"),
    "yaml base 60": (yaml_of, "a: 1" + ":1" * 400 + ".5", "not YAML .*: int too large to convert to float"),
    "yaml tables": (yaml_of, "\n".join(" " * i + "a:" for i in range(300)), "nested more than 100 levels deep"),
    "yaml digits": (yaml_of, "9" * 4301, "not YAML .*: Exceeds the limit"),
    "yaml large": (yaml_of, "a: 99999999999999999999", "is too large"),
    "yaml key": (yaml_of, "? [a, [b]]\n: 1", "not YAML"),
    "yaml code": (yaml_of, "!!python/object/apply:os.system ['id']", "not YAML"),
    "yaml itself": (yaml_of, "&a [*a]", "nested more than 100 levels deep"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_hostile_text_is_one_line_at_once(case):
    parse, text, line = CASES[case]
    start = time.monotonic()
    with pytest.raises(InputError, match=line) as caught:
        parse(text)
    assert time.monotonic() - start < 5
    assert str(caught.value).startswith("f: ")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


class InPython:
    """The package without its reader in C."""

    def __getattr__(self, name):
        if name == "CSafeLoader":
            raise AttributeError(name)
        return getattr(yaml, name)


@pytest.mark.parametrize("package", [yaml, InPython()])
@pytest.mark.parametrize(
    ("first", "further"),
    [
        ("[1, 1]", "[*a{0}, *a{0}]"),
        ("{b: 1}", "{{b: *a{0}, c: *a{0}}}"),
        ("{b: 1}", "{{<<: [*a{0}, *a{0}]}}"),
        ("{b: 1}", "{{<<: *a{0}, <<: *a{0}}}"),
    ],
)
def test_yaml_that_multiplies_is_refused(package, first, further):
    text = f"a0: &a0 {first}\n" + "".join(f"a{i}: &a{i} {further.format(i - 1)}\n" for i in range(1, 60))
    with pytest.raises(InputError, match="holds more than 100,000 values"):
        parse_yaml(text, "f", package)


@pytest.mark.parametrize("package", [yaml, InPython()])
def test_yaml_counts_what_aliases_stand_for(package, monkeypatch):
    # The map, its two keys, the list and its 96 numbers, and once more the list by its alias.
    text = f"a: &a [{'1, ' * 96}]\nb: *a\n"
    monkeypatch.setattr("workloads.texts._MOST_OF_YAML", 197)
    assert parse_yaml(text, "f", package)["b"] == [1] * 96
    monkeypatch.setattr("workloads.texts._MOST_OF_YAML", 196)
    with pytest.raises(InputError, match="holds more than 196 values"):
        parse_yaml(text, "f", package)


def test_yaml_merges_still_merge():
    assert yaml_of("a: &a {b: 1, c: 2}\nd: {<<: *a, c: 3}\n")["d"] == {"b": 1, "c": 3}


def test_ordinary_texts_pass():
    assert toml(".".join("a" * 99) + " = 1")
    assert len(toml("".join(f"k{i}{'.a' * 98} = 1\n" for i in range(1000)))) == 1000
    assert len(toml("".join(f"k{i}{'.a' * 7} = 1\n" for i in range(1001)))) == 1001
    text = "a = '" + "x." * 60 + "'\nb = '''\n" + "Words. And more. " * 200 + "'''\n"
    assert len(toml(text)) == 2
    assert json_of('{"\\u00e9": [9223372036854775807, 1e400, "\\ud83d\\ude00"]}')
    assert yaml_of("a: &x [1, 2]\nb: *x\n") == {"a": [1, 2], "b": [1, 2]}


def test_devices_and_other_bytes_are_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("workloads.files.TEXT_LIMIT_BYTES", 1000)
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    for path, line in (
        (tmp_path / "bytes", "UTF-8|utf-8"),
        (tmp_path, "is a directory"),
        (tmp_path / "no", "no such file"),
    ):
        for read in (read_toml, lambda one: read_json(one, "JSON")):
            with pytest.raises(InputError, match=line) as caught:
                read(path)
            assert str(caught.value).startswith(f"{path}: ")


@given(
    st.text()
    | st.binary().map(lambda data: data.decode("latin-1"))
    | st.text("[]{}\"'=.:,&*!-# \n\t\\u0d9ae1", max_size=200)
)
def test_any_text_is_read_or_refused_in_one_line(text):
    for parse in (toml, json_of, yaml_of):
        try:
            parse(text) if parse is not json_of else parse_json(text.encode(errors="surrogatepass"), "f", "JSON")
        except InputError as error:
            lines = str(error).splitlines()
        else:
            lines = ["read"]
        assert len(lines) == 1


PLAIN = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs", "Cc"]))
)
TABLES = st.recursive(
    st.dictionaries(st.from_regex(r"[A-Za-z0-9_-]+", fullmatch=True), PLAIN | st.lists(PLAIN.filter(lambda v: v is not None))),
    lambda inner: st.dictionaries(st.from_regex(r"[a-z]+", fullmatch=True), PLAIN | inner),
    max_leaves=8,
)  # fmt: skip


def without_none(values):
    if isinstance(values, dict):
        return {key: without_none(value) for key, value in values.items() if value is not None}
    return values


@given(TABLES)
def test_written_toml_reads_back_as_it_was(values):
    assert tomllib.loads(toml_text(values)) == without_none(values)


def test_comments_stand_above_keys_and_tables():
    values = {"dram": {"channels": 2, "override": {"nRCD": 16}, "latency_ns": 60.0}, "clock_hz": 1}
    comments = {"clock_hz": "Hz", "dram.channels": "how many", "dram.override": "by name"}
    assert toml_text(values, comments).splitlines() == [
        "# Hz", "clock_hz = 1", "", "[dram]", "# how many", "channels = 2", "latency_ns = 60.0", "",
        "# by name", "[dram.override]", "nRCD = 16",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("n.csv", "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides"),
        ("n.csv", "name,C,H,W,K,R,S,stride,pad,w_density,x_density"),
        ("n.csv", "x" * 200_000),
        ("layers.csv", "name,C,H,W,K,R,S,stride,pad"),
        ("model.csv", "a,conv,1,0"),
    ],
    ids=["topology", "densities", "no table", "own data", "tensors"],
)
def test_a_cell_that_is_too_long_is_one_line(tmp_path, name, head):
    (tmp_path / name).write_text(f"{head}\n{'x' * 200_000},8,8,3,3,2,4,1,0.5,0.5\n")
    if name == "layers.csv":
        np.savez(tmp_path / "net.npz", **{"x:a": np.ones(3)})
    if name == "model.csv":
        np.save(tmp_path / "wgt-a.npy", np.ones((2, 3)))
    with pytest.raises(InputError) as caught:
        load_workload(str(tmp_path / name if name == "n.csv" else tmp_path))
    assert str(caught.value) == f"{tmp_path / name}: not CSV: field larger than field limit (131072)"
