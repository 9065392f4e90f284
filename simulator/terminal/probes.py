"""One small layer of each kind, to ask machines what they run."""

from __future__ import annotations

from dataflows.accelerator import Accelerator
from workloads.layer import Layer

_MAP = (14, 14)
PROBES = {
    "3x3 convolutions": Layer.conv("probe", in_channels=32, out_channels=32, input_size=_MAP, kernel_size=3, padding=1),
    "1x1 convolutions": Layer.conv("probe", in_channels=32, out_channels=32, input_size=_MAP, kernel_size=1),
    "strides": Layer.conv("probe", in_channels=32, out_channels=32, input_size=_MAP, kernel_size=3, stride=2),
    "dilated kernels": Layer.conv("probe", in_channels=32, out_channels=32, input_size=_MAP, kernel_size=3, dilation=2),
    "depthwise convolutions": Layer.conv(
        "probe", in_channels=32, out_channels=32, input_size=_MAP, kernel_size=3, padding=1, groups=32
    ),
    "3-D convolutions": Layer.conv("probe", in_channels=32, out_channels=32, input_size=(4, *_MAP), kernel_size=3),
    "fully connected layers": Layer.dense("probe", in_features=64, out_features=64),
    "products of two activations": Layer.product("probe", heads=2, rows=16, depth=32, columns=16),
}


def not_run(machine: Accelerator) -> tuple[str, ...]:
    """The kinds of layers that a machine refuses as it is configured."""
    if machine.pointwise_only:
        return ("kernels above 1x1",)
    return tuple(kind for kind, layer in PROBES.items() if machine.refusal(layer) is not None)
