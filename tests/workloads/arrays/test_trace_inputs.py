"""Trace files of several inputs: what is kept, and how batches of another size take the images."""

import json
from dataclasses import replace

import numpy as np
import pytest

from tests.workloads.arrays.traces import CONV, DENSE, VIDEO, workload
from workloads.arrays.trace_file import load_traces, save_traces


@pytest.mark.parametrize("dtype", [bool, np.float16])
@pytest.mark.parametrize("batch", [1, 3])
def test_inputs_are_kept_whatever_the_batch(tmp_path, dtype, batch):
    """Four inputs of batches of three; images of the video layer have 48 elements, of the others 140 and 9."""
    layers = tuple(layer.with_batch(12) for layer in (CONV, VIDEO, DENSE))
    # Densities that binary fractions hold exactly, so that their mean does not depend on how it is taken.
    densities = tuple(place / 16 for place in range(12))
    sources = [replace(one, image_output_densities=densities) for one in workload(dtype, layers).sources]
    original = replace(workload(dtype, layers), sources=tuple(sources)).with_batch(3)
    assert original.inputs == 4
    path = tmp_path / "mine.npz"
    save_traces(path, original)
    held = load_traces(path)
    assert held.inputs == 4
    held, original = held.with_batch(batch), original.with_batch(batch)
    assert held.inputs == original.inputs == 12 // batch
    for index in range(3):
        for number in range(12 // batch + 1):
            assert held.trace(index, number).digest == original.trace(index, number).digest
    save_traces(tmp_path / "later.npz", held.at_input(2))
    later = load_traces(tmp_path / "later.npz")
    assert later.inputs == held.inputs - 2
    assert later.trace(1, 1).digest == original.trace(1, 3).digest


@pytest.mark.parametrize(("batch", "version"), [(2, 1), (1, 2)])
def test_one_input_makes_a_file_of_the_first_version(tmp_path, batch, version):
    """The convolution holds two images: one input as a batch, and two one by one."""
    save_traces(tmp_path / "t.npz", workload(layers=(CONV,)).with_batch(batch))
    with np.load(tmp_path / "t.npz") as file:
        header = json.loads(file["header"].tobytes())
    assert (header["version"], header.get("inputs", 1)) == (version, version)
