"""Formats on tensors worked out by hand, several of them the papers' own examples, and laws that are known exactly."""

import numpy as np
import pytest

from workloads.formats import best_format, parse


def streams(text, array):
    encoded = parse(text).encode(np.asarray(array))
    return {name: stream.entries.tolist() for name, stream in encoded.streams.items()}


def bits(text, array):
    return parse(text).bits(np.asarray(array))


def test_csr():
    matrix = [[5, 0, 0, 7], [0, 0, 0, 0], [0, 9, 0, 0]]
    assert streams("csr", matrix) == {"values": [5, 7, 9], "indices": [0, 3, 1], "pointers": [0, 2, 2, 3]}
    assert bits("csr", matrix) == 3 * (16 + 2) + 4 * 32


def test_a_list_is_one_row():
    row = [0, 5, 0, 0, 7]
    assert streams("csr", row) == {"values": [5, 7], "indices": [1, 4], "pointers": [0, 2]}
    assert bits("csr", row) == 2 * (16 + 3) + 2 * 32
    assert all(bits(text, row) == bits(text, [row]) for text in ("csc", "relative", "step", "shape", "block", "nm"))


def test_csc():
    matrix = [[5, 0, 0, 7], [0, 0, 0, 0], [0, 9, 0, 0]]
    assert streams("csc", matrix) == {"values": [5, 9, 7], "indices": [0, 2, 0], "pointers": [0, 1, 2, 2, 3]}
    assert bits("csc:pointer_bits=16", matrix) == 3 * (16 + 2) + 5 * 16


def test_eie_example_of_a_column():
    """Han et al., ISCA 2016, section III-B: v = [1, 2, 0, 3], z = [2, 0, 15, 2]."""
    column = np.array([0, 0, 1, 2, *[0] * 18, 3]).reshape(-1, 1)
    text = "relative:scan=columns,index_bits=4,value_bits=4,pointer_bits=16"
    assert streams(text, column) == {"values": [1, 2, 0, 3], "indices": [2, 0, 15, 2], "pointers": [0, 4]}
    assert bits(text, column) == 4 * 8 + 2 * 16


def test_deep_compression_example_of_a_filler():
    """Han et al., ICLR 2016, figure 2: weights 3.4, 0.9, 1.7 at 1, 4, 15; 3 bits; a zero stands at 12, 8 after 4."""
    weights = np.zeros(16)
    weights[[1, 4, 15]] = 3.4, 0.9, 1.7
    text = "relative:index_bits=3,value_bits=32"
    assert streams(text, weights) == {"values": [3.4, 0.9, 0.0, 1.7], "indices": [1, 2, 7, 2]}
    assert bits(text, weights) == 4 * (3 + 32)


def test_scnn_activation_ram_of_10_kb_holds_4096_entries():
    assert bits("relative", np.ones(4096, np.bool_)) == 10 * 1024 * 8


@pytest.mark.parametrize(("zeros", "fillers"), [(0, 0), (15, 0), (16, 1), (31, 1), (32, 2), (160, 10)])
def test_relative_fillers_stand_every_2_to_the_k_zeros_before_a_nonzero(zeros, fillers):
    encoded = parse("relative:index_bits=4").encode(np.array([False] * zeros + [True] + [False] * 99))
    assert (encoded.entries, encoded.fillers) == (1 + fillers, fillers)


@pytest.mark.parametrize("density", [0.02, 0.05, 0.1])
@pytest.mark.parametrize("index_bits", [3, 4, 5])
def test_fillers_of_random_masks_follow_the_geometric_law(density, index_bits):
    mask = np.random.default_rng(5).random(2_000_000, np.float32) < density
    sizes = parse(f"relative:index_bits={index_bits}").sizes(mask)
    q = (1 - density) ** 2**index_bits
    assert sizes.fillers[0, 0] / sizes.nonzeros[0, 0] == pytest.approx(q / (1 - q), rel=0.04)


def test_step_counts_from_the_first_element_of_each_window():
    row = [[7, 0, 8, 9], [0, 0, 0, 6]]
    assert streams("step:window=4", row) == {"values": [7, 8, 9, 6], "indices": [0, 2, 1, 3], "counts": [3, 1]}
    assert bits("step:window=4", row) == 4 * (16 + 8) + 2 * 3
    halves = {"values": [7, 8, 9, 6], "indices": [0, 0, 1, 1], "counts": [1, 2, 0, 1]}
    assert streams("step:window=2", row) == halves


def test_step_fields_hold_distances_up_to_2_to_the_k_less_1():
    row = [0, 0, 0, 0, 5, 0, 0, 6]
    assert streams("step:index_bits=2", row) == {"values": [0, 5, 6], "indices": [3, 1, 3], "counts": [3]}


def test_step_of_8_bits_never_needs_a_filler_in_256():
    row = np.zeros(256, np.bool_)
    row[255] = True
    assert parse("step").encode(row).fillers == 0


def test_bitmap():
    assert streams("bitmap", [[0, 3], [4, 0]]) == {"bitmap": [0, 1, 1, 0], "values": [3, 4]}
    assert bits("bitmap:value_bits=8", [[0, 3], [4, 0]]) == 4 + 2 * 8


def test_bitmap_breaks_even_with_k_bit_indices_at_a_density_of_one_in_k():
    mask = np.zeros(1024, np.bool_)
    mask[::8] = True
    assert bits("bitmap", mask) == bits("relative:index_bits=8", mask)


def test_two_of_four_costs_nine_bits_an_element_at_16_bits():
    weights = np.tile([1, 0, 0, 2], 64).reshape(4, 64)
    assert bits("nm:n=2,m=4", weights) == 9 * weights.size
    assert streams("nm:n=2,m=4", weights[:1, :8]) == {"values": [1, 2, 1, 2], "indices": [0, 3, 0, 3]}


def test_nm_groups_run_along_channels_and_zeros_fill_short_ones():
    weights = np.zeros((1, 5, 1, 2), np.int64)
    weights[0, 1, 0, 0] = 3
    weights[0, 4, 0, 1] = 4
    found = streams("nm:n=2,m=4", weights)
    assert found == {"values": [0, 3, 0, 0, 0, 0, 4, 0], "indices": [0, 1, 0, 1, 0, 1, 0, 1]}


def test_shape_list_needs_one_kth_of_the_indices():
    mask = np.zeros((8, 4, 3, 3), np.bool_)
    mask[:, 1, 0, 2] = mask[:, 3, 2, 2] = True
    assert bits("shape", mask) == 2 * (8 * 16 + 6)
    indices = [parse(text).encode(mask).stream_bits["indices"] for text in ("shape", "csr")]
    assert indices[1] == 8 * indices[0]
    assert streams("shape", np.where(mask, 5, 0)) == {"values": [5] * 16, "indices": [11, 35]}


def test_shape_list_stores_the_zeros_of_kept_columns():
    encoded = parse("shape").encode(np.array([[1, 0, 2], [0, 0, 3]]))
    assert (encoded.entries, encoded.fillers) == (4, 1)


def test_block_enable_skips_whole_blocks_and_stores_ragged_ones_short():
    weights = np.zeros((5, 3, 1, 1), np.int64)
    weights[1, 0] = 7
    weights[4, 2] = 9
    found = streams("block:filters=2,channels=2", weights)
    assert found == {"values": [0, 0, 7, 0, 9], "enable": [1, 0, 0, 0, 0, 1]}
    assert bits("block:filters=2,channels=2", weights) == 6 + 5 * 16


PCONV = [0b010111000, 0b010110010, 0b000111010, 0b010011010]  # Ma et al., AAAI 2020: centre and three neighbours


def kernels_of(*codes):
    return np.array([[int(bit) for bit in f"{code:09b}"] for code in codes]).reshape(1, -1, 3, 3)


def test_pattern_codes_of_the_four_pconv_patterns():
    weights = kernels_of(PCONV[0], 0, PCONV[1], PCONV[2], PCONV[3], PCONV[1], 0, 0)
    found = streams("pattern:patterns=4", weights)
    assert found["channels"] == [0, 2, 3, 4, 5]
    assert found["pointers"] == [0, 5]
    assert found["codes"][1] == found["codes"][4]
    assert len(set(found["codes"])) == len(found["table"]) == 4
    assert bits("pattern:patterns=4", weights) == 5 * (4 * 16 + 2 + 3) + 2 * 32


def test_a_kernel_with_fewer_weights_takes_a_pattern_that_covers_it():
    encoded = parse("pattern:patterns=1").encode(kernels_of(PCONV[0], PCONV[0] & 0b000111000))
    assert encoded.streams["codes"].entries.tolist() == [0, 0]
    assert encoded.fillers == 1


@pytest.mark.parametrize(
    ("text", "index_entries", "cycles"),
    [
        ("dense", 0, 0),
        ("csc", 13, 13),
        ("relative:decode_entries_per_cycle=4", 13, 4),
        ("step", 33, 3),
        ("nm", 64, 0),
        ("bitmap", 5, 5),
        ("shape:decode_entries_per_cycle=0", 9, 0),
    ],
)
def test_decode_cycles(text, index_entries, cycles):
    assert parse(text).decode_cycles(index_entries) == cycles
    found = parse(text).decode_cycles(np.array([0, index_entries]))
    assert found.tolist() == [0, cycles]


@pytest.mark.parametrize(
    ("text", "index_entries"),
    [
        ("dense", 0),
        ("bitmap:window=8", 4),
        ("csr", 2),
        ("relative:index_bits=2", 5),
        ("shape", 2),
        ("nm", 16),
        ("block", 2),
    ],
)
def test_index_entries_are_what_the_decoder_steps_through(text, index_entries):
    mask = np.zeros((2, 16), np.bool_)
    mask[0, 15] = mask[1, 0] = True
    assert parse(text).sizes(mask).index_entries.tolist() == [[index_entries]]


def test_eie_tiles_are_the_rows_of_each_pe():
    mask = np.random.default_rng(2).random((64, 20)) < 0.2
    order = np.arange(64).reshape(-1, 16).T.reshape(-1)  # row i lies on PE i mod 16
    chosen = parse("relative:scan=columns,value_bits=4,pointer_bits=16")
    found = chosen.tile_bits(mask[order], range(0, 65, 4))
    assert found.tolist() == [[chosen.bits(mask[pe::16])] for pe in range(16)]


@pytest.mark.parametrize(("density", "name"), [(0.002, "csr"), (0.06, "relative"), (0.4, "bitmap"), (1.0, "dense")])
def test_best_format_by_density(density, name):
    mask = np.random.default_rng(3).random((128, 4096)) < density
    assert best_format(mask).name == name


@pytest.mark.parametrize("text", ["step:index_bits=1,window=8", "relative:index_bits=1"])
def test_neighbours_need_no_filler_in_the_narrowest_field(text):
    """A field of one bit tells a step of 1, or a run of 0 or 1 zeros; the ninth value starts a window or follows on."""
    encoded = parse(text).encode(np.ones((1, 9), bool))
    assert encoded.entries == 9
    assert encoded.bits == 9 * (16 + 1) + (2 * 4 if text.startswith("step") else 0)
