"""Random formats, and tensors that they can hold."""

import numpy as np
from hypothesis import strategies as st

from workloads.formats import parse

VALUE_BITS = 9
DENSITIES = st.sampled_from([0.0, 0.02, 0.1, 0.3, 0.6, 0.9, 1.0])
KERNELS = st.sampled_from([(), (1, 1), (1, 3), (3, 3), (2, 3, 1)])


def _settings(**options):
    return st.fixed_dictionaries(options)


SETTINGS = {
    "dense": _settings(),
    "bitmap": _settings(window=st.integers(1, 70)),
    "csr": _settings(pointer_bits=st.integers(12, 32)),
    "csc": _settings(pointer_bits=st.integers(12, 32)),
    "relative": _settings(
        index_bits=st.integers(1, 6),
        scan=st.sampled_from(["tensor", "rows", "columns"]),
        pointer_bits=st.integers(12, 32),
    ),
    "step": _settings(index_bits=st.integers(1, 6), window=st.integers(1, 70)),
    "nm": st.sampled_from([{"n": 1, "m": 1}, {"n": 1, "m": 2}, {"n": 2, "m": 4}, {"n": 3, "m": 5}, {"n": 2, "m": 8}]),
    "shape": _settings(),
    "block": _settings(filters=st.integers(1, 5), channels=st.integers(1, 5)),
    "pattern": _settings(n=st.integers(1, 9), patterns=st.sampled_from([300, 512]), pointer_bits=st.integers(12, 32)),
}


@st.composite
def formats_of(draw, name):
    settings = {"value_bits": VALUE_BITS, **draw(SETTINGS[name])}
    return parse(f"{name}:" + ",".join(f"{key}={value}" for key, value in settings.items()))


@st.composite
def tensors_for(draw, chosen):
    """Whole numbers below 2^VALUE_BITS with the structure that the format needs; some rows and columns are empty."""
    kernel = (3, 3) if chosen.name == "pattern" else draw(KERNELS)
    shape = (draw(st.integers(1, 7)), draw(st.integers(1, 12)), *kernel)
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = random.integers(1, 2**VALUE_BITS, shape)
    values[random.random(shape) >= draw(DENSITIES)] = 0
    if draw(st.booleans()):
        values[random.random(shape[0]) < 0.4] = 0
        values[:, random.random(shape[1]) < 0.4] = 0
    if chosen.name == "nm":
        _keep_some_of_each_group(values.reshape(*shape[:2], -1), chosen.n, chosen.m)
    if chosen.name == "pattern":
        _keep_some_of_each_kernel(values.reshape(-1, 9), chosen.n)
    return values


def _keep_some_of_each_group(tensor, n, m):
    for k in range(tensor.shape[0]):
        for x in range(tensor.shape[2]):
            for start in range(0, tensor.shape[1], m):
                held = np.flatnonzero(tensor[k, start : start + m, x])
                tensor[k, start + held[n:], x] = 0


def _keep_some_of_each_kernel(kernels, n):
    for kernel in kernels:
        kernel[np.flatnonzero(kernel)[n:]] = 0
