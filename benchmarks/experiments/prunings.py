"""Every pruning on the machine it was designed for, and what structure does to the balance of real masks.

    python -m benchmarks.experiments.prunings [FOLDER]

Prints, as Markdown: cycles, utilization, load imbalance and bytes at a quarter of the weights on a 3x3 and on a 1x1
layer, at the activation densities measured for the unpruned networks; what machines gain when removed filters leave a
network and when they stay as zeros; with FOLDER (real ResNet-50 masks) the load imbalance of structured prunings
applied to them; and the bits of nested networks stored once and apart.
"""

import sys

from benchmarks.markdown import print_table
from dataflows.registry import create
from simulator.network_simulation import simulate
from workloads import formats, pruning
from workloads.catalog import load_workload
from workloads.pruning.methods import nested

LAYERS = (("vgg16", "conv4_2"), ("resnet50", "layer3_1.conv1"))
SHARED_FETCH = {"fetch": "shared", "window": 64}
# pruning, machine it was designed for, settings of the machine; all keep a quarter of the weights or of the work.
# Without links a layer loses its own filters or channels alone, so that a quarter of its weights stays.
CASES: tuple[tuple[str, str, dict], ...] = (
    ("unstructured:density=0.25", "cambricon-x", {}),
    ("unstructured:density=0.25", "cambricon-x", SHARED_FETCH),
    ("aap:conv_g=8,conv_p=6", "cambricon-x", SHARED_FETCH),
    ("nm:n=1,m=4", "cambricon-x", {}),
    ("unstructured:density=0.25", "scnn", {}),
    ("vector:density=0.25", "scnn", {}),
    ("block:density=0.25", "scnn", {}),
    ("filter:density=0.25,links=none", "scnn", {}),
    ("filter:density=0.25,links=none", "dcnn", {}),
    ("unstructured:density=0.25", "structured", {}),
    ("shape:density=0.25", "structured", {}),
    ("channel:density=0.25,links=none", "structured", {}),
    ("channel:density=0.25,links=none", "dcnn", {}),
    ("unstructured:density=0.25", "pattern", {}),
    ("kernel:density=0.25,balance=filter", "pattern", {}),
    ("pattern:set=pconv,connectivity=0.5625", "pattern", {}),
    ("kgrc:rows=0.5,columns=0.5", "kgrc", {}),
    ("rt3d:density=0.25", "kgrc", {}),
    ("lowrank:ratio=4", "dcnn", {}),
    ("nested:levels=0.1/0.25/0.5,level=2", "stacked", {}),
    ("unstructured:density=0.25+quantize:bits=4", "abm", {}),
)
REMOVING = ("dcnn", "systolic", "cambricon-x", "scnn")
REAL = (
    "unstructured:density=0.1",
    "aap:conv_g=16,conv_p=14",
    "nm:n=1,m=8",
    "shape:density=0.1",
    "pattern:connectivity=0.3",
    "kgr:density=0.25",
)
LEVELS, VALUE_BITS, INDEX_BITS = (0.1, 0.25, 0.5), 16, 4


def designed_for(network: str, layer: str) -> list[tuple]:
    """One row a case, against the machine's dense baseline on the whole layer; a layer's factors are added up."""
    rows = [("pruning", "machine", "cycles", "of dense", "utilization", "max/mean PE", "weight MB", "total MB")]
    for text, machine, settings in CASES:
        whole = load_workload(network)
        accelerator = create(machine, settings)
        dense, total = (
            simulate([accelerator], workload.select(f"{layer}*"))[0].total
            for workload in (whole, whole.prune(pruning.parse(text)))
        )
        weights = total.dram.tensors["weight"]
        label = ", ".join((machine, *(f"{key}={value}" for key, value in settings.items())))
        rows.append(
            (
                text,
                label,
                f"{total.cycles:,}",
                f"{total.cycles / dense.dense_cycles:.2f}",
                f"{total.utilization:.1%}",
                f"{total.load_imbalance:.2f}",
                f"{(weights.read_bytes + weights.write_bytes) / 1e6:.2f}",
                f"{total.dram.total_bytes / 1e6:.2f}",
            )
        )
    return rows


def removed() -> list[tuple]:
    """VGG-16's convolutions without half of their filters: as zeros in place, and gone from all layers."""
    whole = load_workload("vgg16")
    workloads = [whole, *(whole.prune(pruning.parse(f"filter:density=0.5,remove={how}")) for how in ("zero", "shrink"))]
    totals = [
        [report.total for report in simulate([create(name) for name in REMOVING], workload.select("conv*"))]
        for workload in workloads
    ]
    rows = [("machine", "all filters", "half, zeros in place", "half, gone", "faster")]
    for name, unpruned, zeros, gone in zip(REMOVING, *totals, strict=True):
        cycles = (f"{total.cycles:,}" for total in (unpruned, zeros, gone))
        rows.append((name, *cycles, f"{unpruned.cycles / gone.cycles:.2f}"))
    return rows


def on_real_masks(folder: str) -> list[tuple]:
    """Load imbalance and cycles of further prunings of a really pruned ResNet-50."""
    real = load_workload(folder).select("layer3_*")
    accelerators = [create("cambricon-x", SHARED_FETCH), create("cambricon-x"), create("scnn")]
    labels = ("cambricon-x, shared fetch", "cambricon-x", "scnn")
    rows = [
        ("weights", "kept", *(f"max/mean PE, {label}" for label in labels), *(f"cycles, {label}" for label in labels))
    ]
    for text in ("as they are", *REAL):
        workload = real if text == "as they are" else real.prune(pruning.parse(text))
        totals = [report.total for report in simulate(accelerators, workload)]
        kept = sum(workload.trace(i).weight_nonzeros for i in range(len(workload.layers)))
        kept /= sum(layer.weight_count for layer in workload.layers)
        rows.append(
            (text, f"{kept:.3f}", *(f"{t.load_imbalance:.3f}" for t in totals), *(f"{t.cycles:,}" for t in totals))
        )
    return rows


def stacked_storage() -> list[tuple]:
    """Bits a weight position of three nested levels: by the published formula and counted from encodings."""
    source = load_workload("vgg16").prune(pruning.parse("nested:levels=0.1/0.25/0.5")).select("conv4_2").sources[0]
    codes = nested.stored_codes(source, 0)
    rows = [("storage", "separate", "stored once, level codes", "stored once, by sections")]
    formula = (
        nested.separate_bits(LEVELS, VALUE_BITS, INDEX_BITS),
        nested.stacked_bits(LEVELS, VALUE_BITS, INDEX_BITS),
    )
    rows.append(("formula, 4-bit index", *(f"{bits:.2f}" for bits in formula), ""))
    for text in ("relative:index_bits=4", "relative:index_bits=8", "bitmap", "csr"):
        counted = nested.StackedStorage.count(codes, formats.parse(text))
        bits = (counted.separate, counted.coded, counted.sectioned)
        rows.append((text, *(f"{value / codes.size:.2f}" for value in bits)))
    return rows


if __name__ == "__main__":
    for network, layer in LAYERS:
        print_table(f"{network} {layer}, a quarter of the weights", designed_for(network, layer))
    print_table("VGG-16's convolutions without half of their filters, cycles", removed())
    if len(sys.argv) > 1:
        print_table("layer3 of a really pruned ResNet-50, pruned further", on_real_masks(sys.argv[1]))
    print_table("Three nested levels of conv4_2, bits a weight position, 16-bit values", stacked_storage())
