"""Every format against its slow twin, which writes the stored tensor bit by bit; round trips; sizes tile by tile."""

from contextlib import suppress
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.workloads.formats.bit_strings import TWINS, bit_strings
from tests.workloads.formats.cases import formats_of, tensors_for
from tests.workloads.formats.writing import number
from workloads.errors import InputError
from workloads.formats import best_format, formats, parse

NAMES = sorted(formats())
every_format = pytest.mark.parametrize("name", NAMES)


def matrix(tensor):
    return tensor.reshape(*tensor.shape[:2], -1)


def written(chosen, tensor):
    """{field: bits} of what the format encodes."""
    return {
        field: "".join(number(int(entry), stream.width_bits) for entry in stream.entries if stream.width_bits)
        for field, stream in chosen.encode(tensor).streams.items()
    }


@every_format
def test_the_example_worked_out_by_hand(name):
    text, tensor, fields = TWINS[name].EXAMPLE
    chosen, array = parse(text), np.array(tensor)
    expected = {field: bits.replace(" ", "") for field, bits in fields.items()}
    assert written(chosen, array) == expected
    assert bit_strings(chosen, matrix(array)) == expected


@pytest.mark.twin
@every_format
@given(data=st.data())
def test_streams_and_bits_equal_the_string_that_the_twin_writes(name, data):
    chosen = data.draw(formats_of(name))
    tensor = data.draw(tensors_for(chosen))
    expected = bit_strings(chosen, matrix(tensor))
    encoded = chosen.encode(tensor)
    assert written(chosen, tensor) == expected
    lengths = {field: len(text) for field, text in expected.items()}
    assert encoded.stream_bits == lengths
    assert encoded.bits == chosen.bits(tensor) == chosen.bits(tensor != 0) == sum(lengths.values())
    sizes = chosen.sizes(tensor)
    assert {field: int(bits[0, 0]) for field, bits in sizes.stream_bits.items()} == lengths
    stored = len(expected["values"]) // chosen.value_bits
    assert encoded.entries == int(sizes.entries[0, 0]) == stored
    assert encoded.fillers == int(sizes.fillers[0, 0]) == stored - np.count_nonzero(tensor)


@every_format
@given(data=st.data())
def test_a_tensor_comes_back_as_it_was(name, data):
    chosen = data.draw(formats_of(name))
    tensor = data.draw(tensors_for(chosen))
    kind = data.draw(st.sampled_from([np.bool_, np.int16, np.float32, np.float64]))
    stored = (tensor != 0) if kind is np.bool_ else tensor.astype(kind)
    given_order = np.asfortranarray(stored) if data.draw(st.booleans()) else stored
    back = chosen.decode(chosen.encode(given_order))
    assert back.dtype == kind
    assert np.array_equal(back, stored)


@st.composite
def bounds(draw, size):
    inner = draw(st.sets(st.integers(1, size - 1))) if size > 1 else set()
    return [0, *sorted(inner), size]


@pytest.mark.twin
@every_format
@given(data=st.data())
def test_a_tile_is_stored_as_if_it_were_alone(name, data):
    chosen = data.draw(formats_of(name))
    tensor = data.draw(tensors_for(chosen))
    rows, channels = data.draw(bounds(tensor.shape[0])), data.draw(bounds(tensor.shape[1]))
    parts = [[tensor[top:bottom, left:right] for left, right in pairwise(channels)] for top, bottom in pairwise(rows)]
    try:
        alone = [[chosen.sizes(part) for part in line] for line in parts]
    except InputError:  # groups of N:M that start at a tile's first channel may hold more
        assert name == "nm"
        with pytest.raises(InputError, match="a group of"):
            chosen.sizes(tensor, rows, channels)
        return
    sizes = chosen.sizes(tensor, rows, channels)
    for field in ("bits", "entries", "nonzeros", "fillers", "index_entries"):
        expected = [[int(getattr(one, field)[0, 0]) for one in line] for line in alone]
        assert getattr(sizes, field).tolist() == expected
    assert sizes.bits.dtype == np.int64
    assert chosen.tile_bits(tensor, rows, channels).tolist() == sizes.bits.tolist()


@every_format
def test_many_equal_tiles_are_counted_in_batches(name, monkeypatch):
    monkeypatch.setattr("workloads.formats.tiles._BATCH", 100)
    chosen, random = parse(name), np.random.default_rng(1)
    mask = random.random((13, 11, 9)) < (0.2 if name != "pattern" else 0.0)
    mask[:, 1::2] &= name != "nm"
    mask = mask.reshape(13, 11, 3, 3)
    found = chosen.tile_bits(mask, [*range(0, 13, 2), 13], [*range(0, 11, 4), 11])
    expected = [[chosen.bits(mask[k : k + 2, c : c + 4]) for c in range(0, 11, 4)] for k in range(0, 13, 2)]
    assert found.tolist() == expected


@pytest.mark.parametrize("text", ["relative", "relative:scan=rows", "relative:scan=columns", "step:index_bits=2"])
@given(data=st.data())
def test_long_lists_are_counted_in_pieces(text, data):
    chosen = parse(text)
    tensor = data.draw(tensors_for(chosen))
    whole = chosen.bits(tensor)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("workloads.formats.kinds.gaps._CHUNK", data.draw(st.integers(1, 30)))
        assert chosen.bits(tensor) == whole


@every_format
@given(data=st.data())
def test_variants_that_are_looked_at_together_take_what_each_takes_alone(name, data):
    mask = data.draw(tensors_for(parse(name))) != 0
    alone = []
    for variant in formats()[name].variants(8):
        with suppress(InputError):
            alone.append((variant, variant.bits(mask)))
    with pytest.MonkeyPatch.context() as patch:
        # As many elements at a time as a list has, fewer and more.
        patch.setattr("workloads.formats.kinds.gaps._CHUNK", data.draw(st.integers(1, 30)))
        patch.setattr("workloads.formats.kinds.nm._CHUNK", data.draw(st.integers(1, 30)))
        together = list(formats()[name].variant_bits(mask, 8))
    assert together == alone


@given(data=st.data())
def test_the_best_format_needs_no_more_bits_than_any_other(data):
    tensor = data.draw(tensors_for(parse(data.draw(st.sampled_from(["dense", "pattern:n=4", "nm"])))))
    best = best_format(tensor, 8)
    for name, chosen in formats().items():
        try:
            assert best.bits(tensor) <= chosen(value_bits=8).bits(tensor)
        except InputError:
            assert name in {"nm", "pattern"}
