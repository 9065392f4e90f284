"""A workload's inputs: which images each takes, and that the first one stays what it is without the others."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from workloads.catalog import load_workload
from workloads.errors import InputError
from workloads.layer import Layer
from workloads.pruning import parse
from workloads.source import Drawn, DrawnBatch, LayerSource, RepeatedImages, Stream
from workloads.workload import Workload

LAYER = Layer.conv("c", in_channels=2, out_channels=3, input_size=(4, 4), kernel_size=3)


@dataclass(frozen=True)
class Numbered:
    """Images whose every element is the image's number, from 1 on."""

    def array(self, shape: tuple[int, ...], stream: Stream) -> np.ndarray:
        del stream
        return np.broadcast_to(np.arange(1, shape[0] + 1).reshape(-1, *[1] * (len(shape) - 1)), shape)


def stored(images, batch=1, densities=()):
    activations = RepeatedImages(Numbered(), images)
    source = LayerSource(0, LAYER, Drawn(0.5), activations, 0.25, image_output_densities=densities)
    return Workload("stored", (source,)).with_batch(batch)


def drawn(batch=1):
    return Workload("drawn", (LayerSource(0, LAYER, Drawn(0.5), DrawnBatch(0.4)),)).with_batch(batch)


def numbers(workload, number):
    return [int(image[0, 0, 0]) - 1 for image in workload.trace(0, number).activations]


@pytest.mark.parametrize(
    ("images", "batch", "inputs", "taken"),
    [
        (4, 1, 4, [[0], [1], [2], [3], [0]]),
        (4, 2, 2, [[0, 1], [2, 3], [0, 1]]),
        (4, 3, 1, [[0, 1, 2], [3, 0, 1]]),
        (2, 5, 1, [[0, 1, 0, 1, 0], [1, 0, 1, 0, 1]]),
    ],
)
def test_stored_images_are_taken_in_turn(images, batch, inputs, taken):
    workload = stored(images, batch)
    assert workload.inputs == inputs
    assert [numbers(workload, number) for number in range(len(taken))] == taken


def test_drawn_inputs_are_the_images_of_a_larger_batch():
    one, many = drawn(), drawn(6).trace(0).activations
    assert one.inputs is None
    for number in range(6):
        np.testing.assert_array_equal(one.trace(0, number).activations[0], many[number])
    np.testing.assert_array_equal(drawn(2).trace(0, 2).activations, many[4:])


def test_no_input_changes_weights_or_the_first_input():
    for workload in (stored(3), drawn()):
        first, second = workload.trace(0), workload.trace(0, 1)
        np.testing.assert_array_equal(first.weights, second.weights)
        assert (first.activations != second.activations).any()


def test_the_first_input_keeps_the_digest_it_had():
    digests = [load_workload("alexnet@scnn").trace(2).digest[:16], load_workload("blazepose").trace(3).digest[:16]]
    assert digests == ["119732a176b01dab", "83c43efe66a384a9"]


def test_at_input_counts_on_from_there():
    later = stored(4).at_input(1).at_input(1)
    assert (later.inputs, numbers(later, 0), numbers(later, 1)) == (2, [2], [3])
    assert later.describe()["input"] == 2
    assert "input" not in stored(4).at_input(0).describe()


def test_an_input_that_is_not_held_is_refused():
    with pytest.raises(InputError) as fault:
        stored(4).at_input(4)
    assert str(fault.value) == "input = 4: 'stored' holds 4 inputs, must be below 4"
    with pytest.raises(InputError) as fault:
        load_workload("blazepose").at_input(1)
    assert str(fault.value) == "input = 1: 'blazepose' holds 1 input, must be below 1"


def test_a_network_holds_as_many_inputs_as_the_layer_with_the_fewest():
    (few,), (any_number,), (more,) = stored(2).sources, drawn().sources, stored(3).sources
    assert Workload("mixed", (more, any_number, few)).inputs == 2
    dense = replace(few, activations=Drawn(1.0))  # as imported without an input
    assert Workload("dense", (dense, any_number)).inputs == 1


def test_outputs_are_as_dense_as_those_of_the_inputs_images():
    densities = [stored(4, batch, (0.1, 0.2, 0.4, 0.8)).trace(0, 1).output_density for batch in (1, 2, 3)]
    assert densities == pytest.approx([0.2, 0.6, (0.8 + 0.1 + 0.2) / 3])
    assert stored(4).trace(0, 1).output_density == 0.25


@pytest.mark.parametrize("pruning", ["filter:density=0.5", "quantize:bits=4,activation_bits=4"])
def test_pruned_activations_hold_the_same_inputs(pruning):
    (source,) = stored(3, densities=(0.1, 0.2, 0.4)).sources
    pair = (source, replace(source, index=1, layer=replace(LAYER, name="d", in_channels=3)))
    pruned = Workload("pair", pair).prune(parse(pruning))
    assert pruned.inputs == 3
    means = [pruned.trace(1, number).activations.mean() for number in range(3)]
    assert means[0] < means[1] < means[2]
    densities = [pruned.trace(0, number).output_density for number in range(3)]
    assert densities[1:] == pytest.approx([2 * densities[0], 4 * densities[0]])


def test_a_density_for_all_outputs_is_that_of_every_input():
    (source,) = stored(2, densities=(0.1, 0.2)).sources
    workload = Workload("reached", (replace(source, relu_input=True),)).with_density(activations=0.7)
    assert [workload.trace(0, number).output_density for number in (0, 1)] == [0.7, 0.7]
