"""Print a digest of schedules that every kernel of SCNN has a part in: the same on all processors.

python -m tests.dataflows.machines.scnn.processors
"""

import hashlib
import sys

import numpy as np

from dataflows.kernels.processor import lane_count
from dataflows.machines.scnn.scnn import Scnn
from dataflows.machines.scnn.scnn_spec import ScnnSpec
from workloads.layer import Layer
from workloads.trace import LayerTrace

LAYERS = [
    Layer.conv("cut", in_channels=9, out_channels=24, input_size=(60, 52), kernel_size=3, padding=1),
    Layer.conv("strided", in_channels=12, out_channels=20, input_size=(21, 28), kernel_size=5, padding=2, stride=2),
    Layer.conv("point", in_channels=40, out_channels=40, input_size=(7, 7), kernel_size=1, batch=2),
    Layer.conv("depthwise", in_channels=20, out_channels=20, input_size=(14, 14), kernel_size=3, groups=20),
    Layer.dense("full", in_features=100, out_features=300),
]
SETTINGS = [
    {},
    {"queue_depth": 1, "accumulator_banks": 8, "weight_fifo_vectors": 5},
    {"queue_depth": 15, "iaram_bytes": 200},
    {"bank_hash": "mix", "pe_rows": 3, "pe_columns": 7},
    {"accumulator_banks": 64, "queue_depth": 0},
    {"accumulator_banks": 100, "weights_per_vector": 7, "activations_per_vector": 9},
    {"bank_hash": "mix", "accumulator_banks": 24},
]


def digest():
    """Of cycles and products of all layers on all machines."""
    found = hashlib.sha256()
    for seed, layer in enumerate(LAYERS):
        random = np.random.default_rng(seed)
        weights, activations = random.random(layer.weight_shape) < 0.4, random.random(layer.input_shape) < 0.3
        for settings in SETTINGS:
            schedule = Scnn(ScnnSpec(**settings)).schedule(LayerTrace(layer, weights, activations))
            assert schedule.issued.sum() == schedule.expected_issued
            found.update(schedule.cycles.tobytes() + schedule.issued.tobytes())
    return found.hexdigest()


if __name__ == "__main__":
    sys.stdout.write(f"{lane_count()} {digest()}\n")
