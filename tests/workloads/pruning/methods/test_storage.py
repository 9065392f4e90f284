"""How DRAM holds what each pruning leaves: the format that its structure suggests, for every kind of layer."""

import pytest

from tests.workloads.pruning.cases import conv
from workloads.layer import Layer
from workloads.pruning import parse

LAYERS = (
    conv(16, 8),
    conv(16, 6, groups=2),  # three filters a group, which no block of four divides
    Layer.dense("fc", in_features=64, out_features=32),
)
FORMATS = {
    "unstructured:density=0.5": ("relative:index_bits=8", "relative:index_bits=8", "relative:index_bits=5"),
    "nested:levels=0.1/0.5": ("relative:index_bits=8", "relative:index_bits=8", "relative:index_bits=5"),
    "shape:density=0.5": ("shape", "bitmap", "shape"),
    "kernel:density=0.5": ("block:filters=1,channels=1",) * 3,
    "vector:density=0.5": ("bitmap",) * 3,
    "block:density=0.5,filters=4,channels=2": ("block:filters=4,channels=2", "bitmap", "block:filters=4,channels=2"),
    "rt3d:density=0.5,scheme=vanilla,filters=4,channels=2": (
        "block:filters=4,channels=2",
        "bitmap",
        "block:filters=4,channels=2",
    ),
    "rt3d:density=0.5,scheme=kgs": ("bitmap",) * 3,
    "kgr:density=0.5,group=4": ("block:filters=1,channels=4", "bitmap", "block:filters=1,channels=4"),
    "kgc:density=0.5": ("bitmap",) * 3,
    "kgrc:rows=0.5,columns=0.5": ("bitmap",) * 3,
    "nm:n=2,m=8": ("nm:n=2,m=8",) * 3,
    "nm:n=0,m=8": ("nm:n=1,m=8",) * 3,
    "channel:density=0.5": tuple(f"block:filters={filters},channels=1" for filters in (8, 3, 32)),
    "filter:density=0.5": tuple(f"block:filters=1,channels={channels}" for channels in (16, 8, 64)),
    "lowrank:ratio=2": ("dense",) * 3,
}


@pytest.mark.parametrize("text", FORMATS)
def test_a_pruning_is_stored_by_its_structure(text):
    assert tuple(parse(text).storage_format(layer) for layer in LAYERS) == FORMATS[text]


def test_a_block_has_at_most_4096_channels_or_filters():
    wide = Layer.dense("wide", in_features=5000, out_features=4097)
    assert parse("channel:density=0.5").storage_format(wide) == "block:filters=4096,channels=1"
    assert parse("filter:density=0.5").storage_format(wide) == "block:filters=1,channels=4096"
