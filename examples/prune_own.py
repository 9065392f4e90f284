"""An own network, pruned by magnitude with numpy alone: writes FOLDER/net.npz and FOLDER/net_layers.json.

    python examples/prune_own.py FOLDER [SHARE]

SHARE is the part of the weights that is kept (0.3). Put your own arrays in place of the drawn ones.
"""

from __future__ import annotations

import json
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np

SIZE = 28  # rows and columns of every map
CHANNELS = (16, 32, 64, 64)  # of the input of each layer, and of the last one's output


def pruned(weights: np.ndarray, share: float) -> np.ndarray:
    """The weights with the smallest set to zero, so that this share of them is left."""
    least = np.quantile(np.abs(weights), 1 - share)
    return np.where(np.abs(weights) >= least, weights, 0)


def main(folder: Path, share: float) -> None:
    """Write three 3x3 convolutions and what a ReLU leaves of their inputs."""
    drawn = np.random.default_rng(0)
    arrays: dict[str, np.ndarray] = {}
    layers = []
    for place, (inputs, outputs) in enumerate(pairwise(CHANNELS), 1):
        name = f"conv{place}"
        arrays[f"w:{name}"] = pruned(drawn.normal(size=(outputs, inputs, 3, 3)).astype(np.float32), share)
        arrays[f"x:{name}"] = np.maximum(drawn.normal(size=(inputs, SIZE, SIZE)), 0).astype(np.float32)
        sizes = {"C": inputs, "H": SIZE, "W": SIZE, "K": outputs, "R": 3, "S": 3}
        layers.append({"name": name, **sizes, "stride": 1, "pad": 1})
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "net.npz", **arrays)
    (folder / "net_layers.json").write_text(json.dumps(layers), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 0.3)
