"""Layers of every kind with arrays that tests share."""

import numpy as np

from workloads.layer import Layer
from workloads.source import LayerSource, RepeatedImages
from workloads.workload import Workload

CONV = Layer.conv(
    "conv", in_channels=4, out_channels=6, input_size=(5, 7), kernel_size=(3, 2), stride=(2, 1), padding=((0, 1), (1, 0)),
    dilation=(1, 2), groups=2, batch=2,
)  # fmt: skip
VIDEO = Layer.conv("video", in_channels=1, out_channels=2, input_size=(3, 4, 4), kernel_size=(1, 3, 3))
DENSE = Layer.dense("fc", in_features=9, out_features=4)


class Array:
    def __init__(self, array):
        self.held = array

    def array(self, shape, stream):
        del stream
        assert self.held.shape == shape
        return self.held


def workload(dtype=bool, layers=(CONV, VIDEO, DENSE)):
    random = np.random.default_rng(0)
    sources = tuple(
        LayerSource(
            i,
            layer,
            Array(random.integers(0, 2, layer.weight_shape).astype(dtype)),
            RepeatedImages(Array(random.integers(0, 2, layer.input_shape).astype(dtype)), layer.batch),
            0.25,
        )
        for i, layer in enumerate(layers)
    )
    return Workload("mine", sources, title="a title", origin="an origin")
