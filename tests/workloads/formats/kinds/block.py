"""Blocks of rows and columns that hold a non-zero."""

from hypothesis import strategies as st

from tests.workloads.formats.writing import number

SETTINGS = st.fixed_dictionaries({"filters": st.integers(1, 5), "channels": st.integers(1, 5)})
EXAMPLE = (
    "block:filters=2,channels=2,value_bits=4",
    [[5, 0, 0, 7], [0, 0, 0, 0], [0, 9, 0, 0]],
    {"values": "0101 0000 0000 0000  0000 0111 0000 0000  0000 1001", "enable": "1 1 1 0"},
)


def bit_strings(chosen, tensor):
    values = enable = ""
    for top in range(0, len(tensor), chosen.filters):
        for left in range(0, len(tensor[0]), chosen.channels):
            kernels = [
                kernel
                for filter_ in tensor[top : top + chosen.filters]
                for kernel in filter_[left : left + chosen.channels]
            ]
            enabled = any(value for kernel in kernels for value in kernel)
            enable += "1" if enabled else "0"
            if enabled:
                values += "".join(number(v, chosen.value_bits) for kernel in kernels for v in kernel)
    return {"values": values, "enable": enable}
