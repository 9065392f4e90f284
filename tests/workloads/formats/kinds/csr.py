"""Rows: non-zeros with their columns, and where rows end."""

from hypothesis import strategies as st

from tests.workloads.formats.writing import compressed, rows_of

SETTINGS = st.fixed_dictionaries({"pointer_bits": st.integers(12, 32)})
EXAMPLE = (
    "csr:pointer_bits=4,value_bits=4",
    [[5, 0, 0, 7], [0, 0, 0, 0], [0, 9, 0, 0]],
    {"values": "0101 0111 1001", "indices": "00 11 01", "pointers": "0000 0010 0010 0011"},
)


def bit_strings(chosen, tensor):
    return compressed(chosen, rows_of(tensor))
