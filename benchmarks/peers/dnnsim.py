"""DNNsim's SCNN and ours: VGG-16 conv3_2 under the same masks, whole commands.

DNNsim has no queues before its banks, no weight FIFO, no memory and no limit of its RAMs, so ours runs without: queues
of depth 0, a FIFO without end, RAMs that hold the layer, ideal memory. What it makes of halos and of conflicts is its
own reading of the paper: cycles stand beside ours. Products it counts where they fall inside the output map.
"""

import csv
import json
import tempfile
from collections.abc import Iterable, Iterator
from itertools import dropwhile
from pathlib import Path

import numpy as np

from benchmarks.peers.peer import Comparison, Peer, our_command, timed
from workloads.catalog import load_workload
from workloads.trace import LayerTrace

NETWORK = "peers"
WORKLOAD, LAYER = "vgg16@scnn", "conv3_2"  # the same seed draws the same masks on both sides
BATCH = f"""simulate {{
  network: "{NETWORK}"
  batch: 0
  inputType: "Trace"
  inputDataType: "Float32"
  experiment {{
    architecture: "SCNN"
    task: "Cycles"
    Wt: 8
    Ht: 8
    I: 4
    F: 4
    out_acc_size: 1024
    banks: 32
  }}
}}
"""
SETTINGS = {
    "queue_depth": 0, "weight_fifo_vectors": 10**9, "zero_run_bits": 12, "iaram_bytes": 10**8, "oaram_bytes": 10**8,
    "dram.bandwidth_gbs": "inf", "dram.latency_ns": 0,
}  # fmt: skip


def write_inputs(folder: Path, trace: LayerTrace) -> None:
    """The layer, its arrays and the batch file, in the folders that DNNsim looks into."""
    layer = trace.layer
    for name in ("models", "net_traces", "results"):
        (folder / name / NETWORK).mkdir(parents=True)
    # Layer, input layer, filters, kernel, stride, padding.
    sizes = (layer.out_channels, *layer.kernel_size, layer.stride[0], layer.padding[0][0])
    row = f"{layer.name},,{','.join(map(str, sizes))}\n"
    (folder / "models" / NETWORK / "trace_params.csv").write_text(row)
    arrays = {f"wgt-{layer.name}": trace.weight_mask, f"act-{layer.name}-0": trace.activation_mask}
    for name, mask in arrays.items():
        np.save(folder / "net_traces" / NETWORK / f"{name}.npy", mask.astype(np.float32))
    (folder / "batch").write_text(BATCH)


def cycles_and_products(report: Iterable[str], layer: str) -> tuple[int, int]:
    """A layer's mean over the batch. Raises `RuntimeError` where the report does not hold it."""
    # Some versions tell the machine's settings before the table.
    for row in csv.DictReader(dropwhile(lambda line: not line.startswith("layer,"), report)):
        if (row["layer"], row["batch"]) == (layer, "AVG"):
            return int(row["cycles"]), int(row["mults"])
    raise RuntimeError(f"DNNsim's report holds no layer '{layer}'")


def measure(program: str) -> Iterator[Comparison]:
    """Time, cycles and products of one layer."""
    trace = load_workload(WORKLOAD).select(LAYER).trace(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_inputs(folder, trace)
        their_seconds = timed([program, "batch", "--threads", "1"], folder)
        report = next((folder / "results" / NETWORK).glob("*.csv"))
        cycles, products = cycles_and_products(report.read_text().splitlines(), LAYER)
        options = [word for key, value in SETTINGS.items() for word in ("--set", f"{key}={value}")]
        command = our_command("run", WORKLOAD, "--layers", LAYER, "--on", "scnn", *options, "--json", "ours.json")
        timed(command, folder, ours=True)  # fills the kernel cache
        our_seconds = timed(command, folder, ours=True)
        total = json.loads((folder / "ours.json").read_text())["total"]
    numbers = {
        "products inside the map": (total["effectual_macs"], products),
        "cycles": (total["cycles"], cycles),
    }
    for compared, (ours, theirs) in numbers.items():
        yield Comparison(LAYER, our_seconds, their_seconds, compared, ours, theirs)


PEER = Peer(
    "DNNsim", "https://github.com/isakedo/DNNsim", "PRUNESIM_DNNSIM", "DNNsim", None,
    f"{WORKLOAD} {LAYER}, the same masks; whole commands", measure,
)  # fmt: skip
