"""Small random layers and weights for the tests of prunings, and workloads that hold given weights."""

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from workloads.layer import Layer
from workloads.pruning import prunings
from workloads.source import DrawnBatch, LayerSource
from workloads.workload import Workload

KERNELS = [(1, 1), (3, 3), (2, 3), (5, 5), (1, 3, 3), (3, 1, 1), (3, 3, 3)]


@dataclass(frozen=True)
class Held:
    held: np.ndarray

    def array(self, shape, stream):
        del stream
        return self.held.reshape(shape)


def conv(channels, filters, kernel=(3, 3), groups=1, name="conv", size=6, **settings):
    return Layer.conv(
        name,
        in_channels=channels,
        out_channels=filters,
        input_size=(size,) * len(kernel),
        kernel_size=kernel,
        groups=groups,
        **settings,
    )


def random_weights(layer, kind, density, seed):
    rng = np.random.default_rng(seed)
    mask = rng.random(layer.weight_shape) < density
    if kind == "mask":
        return mask
    if kind == "int8":
        return rng.integers(-128, 128, layer.weight_shape).astype(np.int8) * mask
    return (rng.standard_normal(layer.weight_shape) * mask).astype(kind)


@st.composite
def layers(draw, kernels=KERNELS, most=11):
    groups = draw(st.sampled_from([1, 1, 1, 2, 3]))
    channels, filters = (groups * draw(st.integers(1, max(1, most // groups))) for _ in range(2))
    return conv(channels, filters, draw(st.sampled_from(kernels)), groups)


@st.composite
def cases(draw, kernels=KERNELS, kinds=("mask", "float32", "int8")):
    """A layer and weights for it."""
    layer = draw(layers(kernels))
    density = draw(st.sampled_from([0.0, 0.3, 0.8, 1.0, 1.0]))
    return layer, random_weights(layer, draw(st.sampled_from(kinds)), density, draw(st.integers(0, 1000)))


def example_texts():
    """Every pruning with each of its examples, by name."""
    return [f"{name}:{one}" if one else name for name, chosen in prunings().items() for one in chosen.examples]


def workload(*layers_and_weights):
    sources = tuple(
        LayerSource(index, layer, Held(weights), DrawnBatch(1.0))
        for index, (layer, weights) in enumerate(layers_and_weights)
    )
    return Workload("small", sources)


def kept_of(pruning, layer, weights, seed=0):
    """What the pruning keeps, once it is certain that it brings nothing back and decides the same again."""
    keep = pruning.keep(layer, weights, np.random.default_rng(seed))
    assert keep.dtype == np.bool_
    assert keep.shape == weights.shape
    assert not np.any(keep & (weights == 0))
    assert np.array_equal(keep, pruning.keep(layer, weights, np.random.default_rng(seed)))
    return keep


def energy(weights):
    return float(np.square(weights.astype(np.float64)).sum())
