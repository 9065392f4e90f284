"""Columns that any row uses."""

from hypothesis import strategies as st

from tests.workloads.formats.writing import columns_of, number, width_of

SETTINGS = st.just({})
EXAMPLE = (
    "shape:value_bits=4",
    [[5, 0, 0, 7], [0, 0, 0, 0], [0, 9, 0, 0]],
    {"values": "0101 0000 0000  0000 0000 1001  0111 0000 0000", "indices": "00 01 11"},
)


def bit_strings(chosen, tensor):
    values = indices = ""
    columns = columns_of(tensor)
    for place, column in enumerate(columns):
        if any(column):
            indices += number(place, width_of(len(columns)))
            for value in column:
                values += number(value, chosen.value_bits)
    return {"values": values, "indices": indices}
