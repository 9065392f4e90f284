"""Columns: non-zeros with their rows, and where columns end."""

from hypothesis import strategies as st

from tests.workloads.formats.writing import columns_of, compressed

SETTINGS = st.fixed_dictionaries({"pointer_bits": st.integers(12, 32)})
EXAMPLE = (
    "csc:pointer_bits=4,value_bits=4",
    [[5, 0, 0, 7], [0, 0, 0, 0], [0, 9, 0, 0]],
    {"values": "0101 1001 0111", "indices": "00 10 00", "pointers": "0000 0001 0010 0010 0011"},
)


def bit_strings(chosen, tensor):
    return compressed(chosen, columns_of(tensor))
