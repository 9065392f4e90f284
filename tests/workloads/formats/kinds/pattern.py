"""Kernels that share few patterns."""

import numpy as np
from hypothesis import strategies as st

from tests.workloads.formats.writing import number, width_of

SETTINGS = st.fixed_dictionaries(
    {"n": st.integers(1, 9), "patterns": st.sampled_from([300, 512]), "pointer_bits": st.integers(12, 32)}
)
KERNELS = [(3, 3)]
EXAMPLE = (
    "pattern:n=2,patterns=2,pointer_bits=4,value_bits=4",
    [[[0, 5, 0, 0, 7, 0, 0, 0, 0], [0] * 9, [0, 0, 0, 0, 9, 0, 0, 0, 0]]],
    {"values": "0101 0111  0000 1001", "codes": "0 0", "channels": "00 10", "pointers": "0000 0010", "table": ""},
)


def bit_strings(chosen, tensor):
    kernels = {tuple(place for place in range(9) if kernel[place]) for filter_ in tensor for kernel in filter_}
    kernels.discard(())
    library = []
    for wanted in sorted(kernels, key=lambda places: (-len(places), sum(2**p for p in places))):
        if not any(set(wanted) <= set(known) for known in library):
            free = [place for place in range(9) if place not in wanted]
            library.append(sorted([*wanted, *free[: chosen.n - len(wanted)]]))
    values = codes = channels = ""
    pointers, stored = number(0, chosen.pointer_bits), 0
    for filter_ in tensor:
        for c, kernel in enumerate(filter_):
            wanted = {place for place in range(9) if kernel[place]}
            if not wanted:
                continue
            code = [wanted <= set(known) for known in library].index(True)
            codes += number(code, width_of(chosen.patterns))
            channels += number(c, width_of(len(filter_)))
            for place in library[code]:
                values += number(kernel[place], chosen.value_bits)
            stored += 1
        pointers += number(stored, chosen.pointer_bits)
    return {"values": values, "codes": codes, "channels": channels, "pointers": pointers, "table": ""}


def keep(values, chosen):
    """At most n non-zeros of every kernel stay."""
    for kernel in values.reshape(-1, 9):
        kernel[np.flatnonzero(kernel)[chosen.n :]] = 0
