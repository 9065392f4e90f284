"""Names, options, error texts, lists and the table of formats."""

import re

import numpy as np
import pytest

from workloads.errors import InputError
from workloads.formats import Format, FormatRow, available_formats, formats, parse, table

MASK = np.ones((2, 8, 3, 3), np.bool_)


@pytest.mark.parametrize("name", formats())
def test_a_format_is_read_as_it_is_written(name):
    assert parse(str(parse(name))) == parse(name)


def test_options_are_read_by_key():
    chosen = parse("relative:index_bits=5,scan=rows,value_bits=8")
    assert str(chosen) == "relative:value_bits=8,decode_entries_per_cycle=1,index_bits=5,scan=rows,pointer_bits=32"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bitmaps", "unknown format 'bitmaps': did you mean 'bitmap'?"),
        (
            "zzz",
            f"unknown format 'zzz': known: {', '.join(formats())}",
        ),
        ("relative:index_bit=4", "format 'relative': unknown key 'index_bit': did you mean 'index_bits'?"),
        (
            "relative:index_bits=17",
            "format 'relative': index_bits = 17: must be a whole number between 1 and 16",
        ),
        (
            "relative:index_bits=four",
            "format 'relative': index_bits = 'four': must be a whole number between 1 and 16",
        ),
        (
            "relative:scan=cols",
            "format 'relative': scan = 'cols': must be one of tensor, rows, columns; did you mean 'columns'?",
        ),
        ("csr:value_bits", "format 'csr': 'value_bits' must have the form KEY=VALUE"),
        ("csr:value_bits=8,value_bits=9", "format 'csr': key 'value_bits' is given twice"),
        ("nm:n=5,m=4", "format 'nm': n = 5: must be at most m = 4"),
    ],
)
def test_what_cannot_be_read_is_named(text, message):
    with pytest.raises(InputError) as error:
        parse(text)
    assert str(error.value) == message


@pytest.mark.parametrize("value", [True, 4.0, "4"])
def test_a_value_of_the_wrong_type_is_refused(value):
    with pytest.raises(InputError, match=r"format 'dense': value_bits = .*: must be a whole number"):
        formats()["dense"](value_bits=value)


@pytest.mark.parametrize(
    ("text", "array", "message"),
    [
        ("nm", MASK, "format 'nm': a group of 4 channels holds 4 non-zeros, at most 2 fit"),
        ("pattern", MASK, "format 'pattern': a kernel holds 9 non-zeros, a pattern has 4"),
        ("pattern", MASK[..., :1], "format 'pattern': kernel positions = 3, patterns need 9 (3x3)"),
        (
            "pattern:n=1,patterns=8",
            np.eye(9, dtype=np.bool_).reshape(1, 9, 3, 3),
            "format 'pattern': kernels need 9 patterns, the decoder holds 8",
        ),
        (
            "csr:pointer_bits=4",
            np.ones((4, 4)),
            "format 'csr': pointer_bits = 4 counts to 15, but 16 entries are stored",
        ),
        (
            "relative:scan=rows,pointer_bits=4",
            np.ones((4, 4)),
            "format 'relative': pointer_bits = 4 counts to 15, but 16 entries are stored",
        ),
        ("dense", np.zeros((0, 3)), "an array of shape (0, 3) holds nothing to store"),
        ("dense", np.array(3), "an array of shape () holds nothing to store"),
        ("dense", np.array(["a"]), "an array of type <U1 cannot be stored, it must hold numbers or a mask"),
    ],
)
def test_a_tensor_that_does_not_fit_is_refused_with_the_reason(text, array, message):
    if array.dtype.kind == "U" or array.size == 0 or array.ndim == 0:
        with pytest.raises(InputError) as error:
            table(array)
        assert str(error.value) == message
    for use in (parse(text).encode, parse(text).bits, parse(text).tile_bits):
        with pytest.raises(InputError) as error:
            use(array)
        assert str(error.value) == message


@pytest.mark.parametrize("bounds", [[0, 1], [0, 1, 1, 2], [1, 2], [0, 2, 1], [0.0, 2.0], [], [[0, 2]]])
def test_bounds_must_rise_from_nothing_to_all(bounds):
    with pytest.raises(InputError) as error:
        parse("csr").tile_bits(MASK, bounds)
    assert str(error.value) == "row_bounds must be whole numbers that rise from 0 to 2"


def test_a_format_decodes_only_its_own():
    encoded = parse("bitmap:window=8").encode(MASK)
    with pytest.raises(InputError, match=r"format 'bitmap': cannot decode what 'bitmap:.*window=8' has stored"):
        parse("bitmap").decode(encoded)


def test_two_formats_cannot_have_one_name():
    with pytest.raises(TypeError, match="two formats are called 'csr'"):
        type("Csr", (Format,), {"name": "csr"})


def test_the_list_names_every_format_and_option():
    entries = {entry.name: entry for entry in available_formats()}
    assert list(entries) == sorted(entries) == list(formats())
    assert "index_bits=4: bits of a run of zeros (1 to 16)" in entries["relative"].parameters
    assert "scan=tensor: where lists run (tensor, rows, columns)" in entries["relative"].parameters
    assert all(entry.description for entry in entries.values())


OPTIONS = {  # key=default (allowed); every format has value_bits=16 (1 to 64) and decodes up to 4096 entries a cycle
    "bitmap": (1, "window=64 (1 to 65536)"),
    "block": (1, "filters=8 (1 to 4096)", "channels=8 (1 to 4096)"),
    "csc": (1, "pointer_bits=32 (1 to 64)"),
    "csr": (1, "pointer_bits=32 (1 to 64)"),
    "dense": (0,),
    "nm": (0, "n=2 (1 to 1024)", "m=4 (1 to 1024)"),
    "pattern": (1, "n=4 (1 to 9)", "patterns=8 (1 to 512)", "pointer_bits=32 (1 to 64)"),
    "relative": (1, "index_bits=4 (1 to 16)", "scan=tensor (tensor, rows, columns)", "pointer_bits=32 (1 to 64)"),
    "shape": (1,),
    "step": (16, "index_bits=8 (1 to 16)", "window=256 (1 to 65536)"),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_defaults_and_limits_are_those_that_files_and_documents_rely_on(name):
    """A default that changes changes every number of a study that does not give the option."""
    (entry,) = (one for one in available_formats() if one.name == name)
    rate, *own = OPTIONS[name]
    found = [re.sub(r": .* (\(.*?\))$", r" \1", parameter) for parameter in entry.parameters]
    assert found == ["value_bits=16 (1 to 64)", f"decode_entries_per_cycle={rate} (0 to 4096)", *own]


def test_the_best_format_is_looked_for_among_these_settings():
    """n:m of the literature, and fields of one to eight bits."""
    tried = {name: [str(one) for one in known.variants(16)] for name, known in formats().items()}
    head = "value_bits=16,decode_entries_per_cycle"
    groups = [(1, 2), (2, 4), (1, 4), (2, 8), (4, 16), (1, 16)]
    assert tried.pop("nm") == [f"nm:{head}=0,n={n},m={m}" for n, m in groups]
    assert tried.pop("relative") == [f"relative:{head}=1,index_bits={k},pointer_bits=32" for k in range(1, 9)]
    assert tried.pop("step") == [f"step:{head}=16,index_bits={k},window=256" for k in range(1, 9)]
    assert {name: len(settings) for name, settings in tried.items()} == dict.fromkeys(tried, 1)


def test_the_table_shows_what_each_format_makes_of_a_tensor():
    mask = np.zeros((4, 8), np.bool_)
    mask[0, 0] = True
    rows = {row.format.name: row for row in table(mask, 8)}
    assert list(rows) == list(formats())
    assert rows["dense"] == FormatRow(parse("dense:value_bits=8"), 256, 8.0, 1.0)
    assert rows["bitmap"] == FormatRow(parse("bitmap:value_bits=8"), 40, 1.25, 40 / 256)
    assert rows["pattern"].bits is rows["pattern"].share_of_dense is None
    assert rows["pattern"].refusal == "format 'pattern': kernel positions = 1, patterns need 9 (3x3)"


def test_the_table_takes_chosen_formats_and_values():
    (row,) = table(np.array([[0.0, 2.5]]), chosen=[parse("csr:value_bits=32,pointer_bits=8")])
    assert row.bits == 33 + 16
