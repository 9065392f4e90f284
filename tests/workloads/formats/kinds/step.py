"""Non-zeros with their distance from the last one of their window."""

from hypothesis import strategies as st

from tests.workloads.formats.writing import number, rows_of, width_of

SETTINGS = st.fixed_dictionaries({"index_bits": st.integers(1, 6), "window": st.integers(1, 70)})
EXAMPLE = (
    "step:index_bits=2,window=4,value_bits=4",
    [[5, 0, 0, 7], [0, 0, 0, 0], [0, 9, 0, 0]],
    {"values": "0101 0111 1001", "indices": "00 11 01", "counts": "010 000 001"},
)


def bit_strings(chosen, tensor):
    farthest = 2**chosen.index_bits - 1
    values = indices = counts = ""
    for row in rows_of(tensor):
        for start in range(0, len(row), chosen.window):
            stored = at = 0  # `at`: where the window's last entry stands
            for place, value in enumerate(row[start : start + chosen.window]):
                if not value:
                    continue
                while place - at > farthest:
                    at += farthest
                    values += number(0, chosen.value_bits)
                    indices += number(farthest, chosen.index_bits)
                    stored += 1
                values += number(value, chosen.value_bits)
                indices += number(place - at, chosen.index_bits)
                at = place
                stored += 1
            counts += number(stored, width_of(chosen.window + 1))
    return {"values": values, "indices": indices, "counts": counts}
