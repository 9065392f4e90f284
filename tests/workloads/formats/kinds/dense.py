"""Every value."""

from hypothesis import strategies as st

from tests.workloads.formats.writing import number, rows_of

SETTINGS = st.just({})
EXAMPLE = (
    "dense:value_bits=4",
    [[5, 0, 0, 7], [0, 0, 0, 0], [0, 9, 0, 0]],
    {"values": "0101 0000 0000 0111  0000 0000 0000 0000  0000 1001 0000 0000"},
)


def bit_strings(chosen, tensor):
    return {"values": "".join(number(v, chosen.value_bits) for row in rows_of(tensor) for v in row)}
