"""Layers that every machine must run, or refuse with a reason."""

import numpy as np

from workloads.layer import Layer
from workloads.trace import LayerTrace

LAYERS = [
    Layer.conv("plain", in_channels=16, out_channels=16, input_size=(14, 14), kernel_size=3, padding=1),
    Layer.conv("pointwise", in_channels=24, out_channels=40, input_size=(9, 7), kernel_size=1),
    Layer.conv("strided", in_channels=3, out_channels=10, input_size=(23, 19), kernel_size=7, stride=2, padding=3),
    Layer.conv("uneven_stride", in_channels=4, out_channels=6, input_size=(12, 15), kernel_size=(3, 4), stride=(3, 2)),
    Layer.conv("dilated", in_channels=8, out_channels=8, input_size=(16, 16), kernel_size=3, dilation=2, padding=2),
    Layer.conv("one_sided", in_channels=8, out_channels=8, input_size=(10, 10), kernel_size=3, padding=((0, 1), (0, 1)), stride=2),
    Layer.conv("grouped", in_channels=16, out_channels=24, input_size=(8, 8), kernel_size=3, padding=1, groups=2),
    Layer.conv("depthwise", in_channels=20, out_channels=20, input_size=(12, 12), kernel_size=3, padding=1, groups=20),
    Layer.conv("multiplier", in_channels=6, out_channels=18, input_size=(7, 7), kernel_size=3, padding=1, groups=6),
    Layer.conv("batched", in_channels=8, out_channels=12, input_size=(6, 6), kernel_size=3, padding=1, batch=3),
    Layer.conv("few_channels", in_channels=1, out_channels=2, input_size=(5, 5), kernel_size=3),
    Layer.conv("one_position", in_channels=2, out_channels=3, input_size=(3, 3), kernel_size=3),
    Layer.conv("wide_kernel", in_channels=2, out_channels=9, input_size=(11, 11), kernel_size=11, padding=5),
    Layer.dense("fully_connected", in_features=300, out_features=100),
    Layer.dense("small_head", in_features=10, out_features=3, batch=2),
    Layer.product("attention", heads=3, rows=10, depth=8, columns=12),
    Layer.product("attention_batch", heads=1, rows=5, depth=4, columns=3, batch=2),
    Layer.conv("volume", in_channels=4, out_channels=8, input_size=(4, 8, 8), kernel_size=3, padding=1),
]  # fmt: skip


def random_trace(layer: Layer, weight_density: float, activation_density: float, seed: int = 0) -> LayerTrace:
    random = np.random.default_rng(seed)
    return LayerTrace(
        layer,
        random.random(layer.weight_shape) < weight_density,
        random.random(layer.input_shape) < activation_density,
    )
