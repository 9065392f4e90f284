"""What the benchmarks share: known layers, the dense computation as yardstick, and honest timing.

Times are the best of several runs in one process; ratios compare runs of one process on one machine.
"""

import time
from collections.abc import Callable

import numpy as np

from workloads.layer import Layer
from workloads.trace import LayerTrace

CONV3_2 = Layer.conv("conv3_2", in_channels=256, out_channels=256, input_size=(56, 56), kernel_size=3, padding=1)
CONV3_2_DENSITIES = (0.3, 0.4)


def random_trace(layer: Layer, weight_density: float, activation_density: float, seed: int = 0) -> LayerTrace:
    """Uniform masks of about these densities."""
    random = np.random.default_rng(seed)
    return LayerTrace(
        layer,
        random.random(layer.weight_shape, np.float32) < weight_density,
        random.random(layer.input_shape, np.float32) < activation_density,
    )


def best_seconds(task: Callable[[], object], repeats: int = 5, clock: Callable[[], float] = time.perf_counter) -> float:
    """Shortest of several runs, after one that does not count (compilation, caches)."""
    task()
    times = []
    for _ in range(repeats):
        start = clock()
        task()
        times.append(clock() - start)
    return min(times)


def dense_task(layer: Layer) -> Callable[[], np.ndarray]:
    """The layer computed densely by numpy in float32: im2col, then one matrix product a group, on all cores."""
    random = np.random.default_rng(0)
    weights = random.random(
        (layer.groups, layer.group_out_channels, layer.weight_count // layer.out_channels), np.float32
    )
    image = np.pad(random.random(layer.input_shape[1:], np.float32), ((0, 0), *layer.padding))
    span = layer.kernel_span

    def task() -> np.ndarray:
        windows = np.lib.stride_tricks.sliding_window_view(image, span, axis=tuple(range(1, 1 + layer.axes)))
        steps = (
            slice(None),
            *(slice(None, None, s) for s in layer.stride),
            *(slice(None, None, d) for d in layer.dilation),
        )
        windows = windows[steps]
        order = (0, *range(1 + layer.axes, 1 + 2 * layer.axes), *range(1, 1 + layer.axes))
        columns = windows.transpose(order).reshape(layer.groups, weights.shape[2], -1)
        return weights @ columns

    return task


def dense_seconds(layer: Layer, repeats: int = 5) -> float:
    """Time of one image of the layer, computed densely."""
    return best_seconds(dense_task(layer), repeats)
