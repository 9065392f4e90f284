"""Non-zeros with the run of zeros before each."""

from hypothesis import strategies as st

from tests.workloads.formats.writing import columns_of, number, rows_of

SETTINGS = st.fixed_dictionaries(
    {
        "index_bits": st.integers(1, 6),
        "scan": st.sampled_from(["tensor", "rows", "columns"]),
        "pointer_bits": st.integers(12, 32),
    }
)
EXAMPLE = (
    "relative:index_bits=2,value_bits=4",
    [[5, 0, 0, 7], [0, 0, 0, 0], [0, 9, 0, 0]],
    {"values": "0101 0111 0000 1001", "indices": "00 10 11 01"},
)


def bit_strings(chosen, tensor):
    if chosen.scan == "tensor":
        lists = [[value for row in rows_of(tensor) for value in row]]
    else:
        lists = rows_of(tensor) if chosen.scan == "rows" else columns_of(tensor)
    values = indices = ""
    pointers, stored = number(0, chosen.pointer_bits), 0
    for one in lists:
        pending_values = pending_indices = ""  # fillers are written once a non-zero follows
        pending = run = 0
        for value in one:
            if value:
                values += pending_values + number(value, chosen.value_bits)
                indices += pending_indices + number(run, chosen.index_bits)
                stored += pending + 1
                pending_values = pending_indices = ""
                pending = run = 0
                continue
            if run == 2**chosen.index_bits - 1:  # this zero is stored
                pending_values += number(0, chosen.value_bits)
                pending_indices += number(run, chosen.index_bits)
                pending += 1
                run = 0
            else:
                run += 1
        pointers += number(stored, chosen.pointer_bits)
    found = {"values": values, "indices": indices}
    return found if chosen.scan == "tensor" else {**found, "pointers": pointers}
