"""SCALE-Sim 3 and our systolic array: the same topology file, the same array, whole commands.

SCALE-Sim's analytical cycles are those of an array whose folds follow one another without overlap, operands loaded
between folds: `shadow_registers = false`, `fold_overlap = none`, and a memory that never makes the array wait (CALC).
Where every fold fills the array both count the same waves; SCALE-Sim tells the number of the last cycle, counted from
0, so that it is one less a layer. Where a fold does not fill the array SCALE-Sim counts it as if it did and ours does
not, which the layer `ragged` shows.
"""

import csv
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from benchmarks.peers.peer import Comparison, Peer, our_command, timed

ARRAY = 32
DATAFLOWS = {"ws": "weight", "os": "output", "is": "input"}  # SCALE-Sim's names, and ours
# Name, map height and width, kernel height and width, channels, filters, stride. 16 x 16 outputs are 8 folds of 32;
# 3 x 3 x 32 weights a filter are 9, and 3 x 3 x 16 of the ragged layer are 4.5.
LAYERS = (
    ("whole", 18, 18, 3, 3, 32, 64, 1),
    ("pointwise", 32, 32, 1, 1, 128, 128, 1),
    ("ragged", 18, 18, 3, 3, 16, 64, 1),
)
TOPOLOGY = "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,"
LAYOUT_COLUMNS = 20
SECTIONS = {
    "general": {"run_name": "peers"},
    "architecture_presets": {
        "ArrayHeight": ARRAY, "ArrayWidth": ARRAY, "IfmapSramSzkB": 1024, "FilterSramSzkB": 1024,
        "OfmapSramSzkB": 1024, "IfmapOffset": 0, "FilterOffset": 10_000_000, "OfmapOffset": 20_000_000,
        "Bandwidth": 10, "ReadRequestBuffer": 32, "WriteRequestBuffer": 32,
    },
    "sparsity": {
        "SparsitySupport": "false", "SparseRep": "ellpack_block", "OptimizedMapping": "false", "BlockSize": 8,
        "RandomNumberGeneratorSeed": 40,
    },
    "layout": {
        f"{tensor}{key}": value
        for tensor in ("Ifmap", "Filter")
        for key, value in {
            "CustomLayout": False, "SRAMBankBandwidth": 10, "SRAMBankNum": 10, "SRAMBankPort": 2,
        }.items()
    },
    "run_presets": {"InterfaceBandwidth": "CALC", "UseRamulatorTrace": False},
}  # fmt: skip


def topology() -> str:
    """The layers as a topology file, which both read."""
    return "\n".join([TOPOLOGY, *(",".join(map(str, layer)) + "," for layer in LAYERS), ""])


def layout() -> str:
    """A layout file, which the command wants and does not use here: a row a layer, all factors 1."""
    head = ",".join(f"c{place}" for place in range(LAYOUT_COLUMNS))
    return "\n".join([f"Layer name,{head},", *(f"{layer[0]}," + "1," * LAYOUT_COLUMNS for layer in LAYERS), ""])


def configuration(dataflow: str) -> str:
    """A configuration file."""
    sections = {**SECTIONS, "architecture_presets": {**SECTIONS["architecture_presets"], "Dataflow": dataflow}}
    return "\n".join(
        f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in values.items())
        for name, values in sections.items()
    )


def cycles(report: Iterable[str]) -> list[int]:
    """Total cycles of each layer in a COMPUTE_REPORT, in order; columns are found by name, since versions add some."""
    return [int(float(row["Total Cycles"])) for row in csv.DictReader(report, skipinitialspace=True)]


def measure(python: str) -> Iterator[Comparison]:
    """Each dataflow: the time of the command, and each layer's cycles."""
    for theirs, ours in DATAFLOWS.items():
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for file, text in (("net.csv", topology()), ("layout.csv", layout()), ("net.cfg", configuration(theirs))):
                (folder / file).write_text(text)
            run = ["-c", "net.cfg", "-t", "net.csv", "-l", "layout.csv", "-p", "out", "-i", "conv", "-s", "N"]
            their_seconds = timed([python, "-m", "scalesim.scale", *run], folder)
            settings = {
                "dataflow": ours, "rows": ARRAY, "columns": ARRAY, "shadow_registers": "false",
                "fold_overlap": "none", "dram.bandwidth_gbs": "inf", "dram.latency_ns": 0,
            }  # fmt: skip
            options = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
            command = our_command("run", "net.csv", "--on", "systolic", *options, "--scale-sim", "ours.csv")
            timed(command, folder, ours=True)  # fills the kernel cache
            our_seconds = timed(command, folder, ours=True)
            reports = (folder / "ours.csv", next((folder / "out").glob("*/COMPUTE_REPORT.csv")))
            counted = [cycles(report.read_text().splitlines()) for report in reports]
            for layer, mine, other in zip(LAYERS, *counted, strict=True):
                work = f"{ours} stationary, {layer[0]} (time: all layers)"
                yield Comparison(work, our_seconds, their_seconds, "cycles", mine, other)


PEER = Peer(
    "SCALE-Sim", "https://github.com/scalesim-project/SCALE-Sim, and on PyPI as scalesim (with numpy<2, pandas<2.3)",
    "PRUNESIM_SCALESIM_PYTHON", "python3", "scalesim",
    f"topology of {len(LAYERS)} layers on an array of {ARRAY} x {ARRAY}; whole commands", measure,
)  # fmt: skip
