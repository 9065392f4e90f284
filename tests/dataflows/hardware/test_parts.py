"""Parts that machines share: sizes of buffers, and words that come and go over DRAM."""

import numpy as np

from dataflows.hardware.actions import ActionCounts
from dataflows.hardware.parts import buffer, fill, leave
from dataflows.registry import create
from dataflows.schedule import Tensor
from workloads.layer import Layer
from workloads.trace import LayerTrace


def test_a_buffer_has_whole_words_and_no_more_banks_than_words():
    two_kib = buffer("nbin", 2048, 256, banks=16)
    assert (two_kib.words, two_kib.banks, two_kib.bank_bytes) == (64, 16, 128)
    tiny = buffer("nbin", 1, 256, banks=16)
    assert (tiny.words, tiny.banks) == (1, 1)


def test_words_over_dram_are_bytes_over_the_word_rounded_up():
    layer = Layer.conv("l", in_channels=5, out_channels=3, input_size=(1, 1), kernel_size=1)
    schedule = create("diannao").schedule(LayerTrace(layer, np.ones((3, 5, 1, 1), bool), np.ones((1, 5, 1, 1), bool)))
    counts = ActionCounts.of((buffer("in", 64, 64), buffer("out", 64, 32)))
    fill(counts, "in", schedule, Tensor.INPUT)  # 10 bytes in words of 8
    leave(counts, "out", schedule)  # 6 bytes in words of 4
    assert counts.to_dict() == {"in": {"read": 0, "write": 2}, "out": {"read": 2, "write": 0}}
