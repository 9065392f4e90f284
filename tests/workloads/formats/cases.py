"""Random formats, and tensors that they can hold."""

import numpy as np
from hypothesis import strategies as st

from tests.workloads.formats.bit_strings import TWINS
from workloads.formats import parse

VALUE_BITS = 9
DENSITIES = st.sampled_from([0.0, 0.02, 0.1, 0.3, 0.6, 0.9, 1.0])
KERNELS = [(), (1, 1), (1, 3), (3, 3), (2, 3, 1)]


@st.composite
def formats_of(draw, name):
    settings = {"value_bits": VALUE_BITS, **draw(TWINS[name].SETTINGS)}
    return parse(f"{name}:" + ",".join(f"{key}={value}" for key, value in settings.items()))


@st.composite
def tensors_for(draw, chosen):
    """Whole numbers below 2^VALUE_BITS with the structure that the format needs; some rows and columns are empty."""
    twin = TWINS[chosen.name]
    shape = (
        draw(st.integers(1, 7)),
        draw(st.integers(1, 12)),
        *draw(st.sampled_from(getattr(twin, "KERNELS", KERNELS))),
    )
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = random.integers(1, 2**VALUE_BITS, shape)
    values[random.random(shape) >= draw(DENSITIES)] = 0
    if draw(st.booleans()):
        values[random.random(shape[0]) < 0.4] = 0
        values[:, random.random(shape[1]) < 0.4] = 0
    if hasattr(twin, "keep"):
        twin.keep(values, chosen)
    return values
