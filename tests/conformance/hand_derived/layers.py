"""The layers of the pairs: every kind of convolution, small enough to count by hand."""

from __future__ import annotations

from typing import Any

from workloads.layer import Layer


def conv(name: str, channels: int, filters: int, size: int, kernel: int, **more: Any) -> Layer:
    """A convolution of a square map by a square kernel."""
    return Layer.conv(
        name, in_channels=channels, out_channels=filters, input_size=(size, size), kernel_size=kernel, **more
    )


PLAIN = conv("plain 3x3", 64, 64, 28, 3, padding=1)  # 28 x 28 outputs
IMAGE = conv("image 3x3", 3, 64, 28, 3, padding=1)  # 28 x 28
STRIDED = conv("strided 3x3", 20, 40, 29, 3, stride=2, padding=1)  # (29 + 2 - 3) // 2 + 1 = 15
POINTWISE = conv("pointwise 1x1", 250, 70, 13, 1)  # 13 x 13
DILATED = conv("dilated 3x3", 20, 24, 14, 3, dilation=2, padding=2)  # 14 x 14
WIDE = conv("wide 5x5", 20, 33, 14, 5, padding=2)  # 14 x 14
GROUPS_2 = conv("two groups", 32, 48, 14, 3, padding=1, groups=2)  # 14 x 14, 16 channels and 24 filters a group
DEPTHWISE = conv("depthwise", 20, 20, 12, 3, padding=1, groups=20)  # 12 x 12
VOLUME = Layer.conv("volume", in_channels=20, out_channels=40, input_size=(4, 10, 10), kernel_size=3, padding=1)
FC = Layer.dense("fc", in_features=250, out_features=100)
FC_BATCH = Layer.dense("fc batch", in_features=300, out_features=70, batch=4)
BATCH = PLAIN.with_batch(3)
NARROW = Layer.conv(  # (20 + 2 - 3) // 2 + 1 = 10 by 9 outputs of 16 x 3 inputs
    "narrow 3x1", in_channels=16, out_channels=18, input_size=(20, 9), kernel_size=(3, 1), stride=(2, 1), padding=(1, 0)
)
