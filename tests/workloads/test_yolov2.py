"""YOLOv2 has no reference table here; its totals are published."""

from itertools import pairwise

import pytest

from workloads.network import load_network

LAYERS = load_network("yolov2").layers
POOLED_AFTER = ("conv1", "conv2", "conv5", "conv8", "conv13")


def test_the_detector_on_voc_has_the_published_operations():
    # Sparse-YOLO (IEEE Access 2020): 72.5 frames a second are 2.13 TOPS, a multiplication and an addition a MAC.
    macs = sum(layer.dense_macs for layer in LAYERS)
    assert macs == 14_680_167_424
    assert 2 * macs * 72.5 / 1e12 == pytest.approx(2.13, abs=0.005)


def test_with_80_classes_it_has_the_operations_that_its_authors_state():
    coco = sum(layer.dense_macs for layer in LAYERS) + 13 * 13 * 1024 * (5 * (80 + 5) - 125)
    assert 2 * coco / 1e9 == pytest.approx(29.47, abs=0.01)  # pjreddie/darknet prints 29.47 BFLOPs


def test_every_layer_takes_what_the_one_before_gives():
    assert len(LAYERS) == 23
    for before, layer in pairwise(LAYERS[:20]):
        shrink = 2 if before.name in POOLED_AFTER else 1
        assert layer.in_channels == before.out_channels
        assert layer.input_size == tuple(size // shrink for size in before.output_size)
    by_name = {layer.name: layer for layer in LAYERS}
    passthrough, joined = by_name["conv21"], by_name["conv22"]
    assert (passthrough.in_channels, passthrough.input_size) == (512, by_name["conv13"].output_size)
    assert joined.in_channels == by_name["conv20"].out_channels + 4 * passthrough.out_channels
    assert LAYERS[-1].out_channels == 5 * (20 + 5)
