"""A bit for each element and the non-zeros."""

from hypothesis import strategies as st

from tests.workloads.formats.writing import number, rows_of

SETTINGS = st.fixed_dictionaries({"window": st.integers(1, 70)})
EXAMPLE = (
    "bitmap:value_bits=4",
    [[5, 0, 0, 7], [0, 0, 0, 0], [0, 9, 0, 0]],
    {"bitmap": "1001 0000 0100", "values": "0101 0111 1001"},
)


def bit_strings(chosen, tensor):
    bits = values = ""
    for row in rows_of(tensor):
        for value in row:
            bits += "1" if value else "0"
            if value:
                values += number(value, chosen.value_bits)
    return {"bitmap": bits, "values": values}
