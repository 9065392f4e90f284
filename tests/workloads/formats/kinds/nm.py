"""n of every m channels with their places."""

import numpy as np
from hypothesis import strategies as st

from tests.workloads.formats.writing import number, width_of

SETTINGS = st.sampled_from([{"n": 1, "m": 1}, {"n": 1, "m": 2}, {"n": 2, "m": 4}, {"n": 3, "m": 5}, {"n": 2, "m": 8}])
EXAMPLE = (
    "nm:n=1,m=2,value_bits=4",
    [[5, 0, 0, 7], [0, 0, 0, 0], [0, 9, 0, 0]],
    {"values": "0101 0111  0000 0000  1001 0000", "indices": "0 1  0 0  1 0"},
)


def bit_strings(chosen, tensor):
    values = indices = ""
    for filter_ in tensor:
        for start in range(0, len(filter_), chosen.m):
            for position in range(len(filter_[0])):
                group = [channel[position] for channel in filter_[start : start + chosen.m]]
                group += [0] * (chosen.m - len(group))
                kept = [place for place in range(chosen.m) if group[place]]
                for place in range(chosen.m):
                    if len(kept) < chosen.n and place not in kept:
                        kept.append(place)
                for place in sorted(kept):
                    values += number(group[place], chosen.value_bits)
                    indices += number(place, width_of(chosen.m))
    return {"values": values, "indices": indices}


def keep(values, chosen):
    """At most n non-zeros of every m channels stay."""
    tensor = values.reshape(*values.shape[:2], -1)
    for k in range(tensor.shape[0]):
        for x in range(tensor.shape[2]):
            for start in range(0, tensor.shape[1], chosen.m):
                held = np.flatnonzero(tensor[k, start : start + chosen.m, x])
                tensor[k, start + held[chosen.n :], x] = 0
