import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.shared_data import SHARED, needs_shared
from tests.workloads.pruning.cases import cases, conv, energy, kept_of, random_weights, workload
from workloads import formats
from workloads.catalog import load_workload
from workloads.errors import InputError
from workloads.pruning import kept, parse
from workloads.pruning.methods.patterns.pattern import Pattern
from workloads.pruning.methods.patterns.pattern_sets import CENTRED, PCONV, read_patterns

SETS = ["pconv", "patdnn", "111000000-000111000-000000111", "100010001"]


def masks(text):
    if text == "patdnn":
        return {
            tuple(int(place == 4 or place in places) for place in range(9))
            for places in itertools.combinations([0, 1, 2, 3, 5, 6, 7, 8], 3)
        }
    return {tuple(map(int, mask)) for mask in (PCONV if text == "pconv" else text).split("-")}


@given(case=cases(kernels=[(3, 3), (1, 3, 3)]), chosen=st.sampled_from(SETS), size=st.sampled_from([6, 8, 12]))
def test_every_kernel_keeps_the_best_pattern_of_the_set(case, chosen, size):
    layer, weights = case
    keep = kept_of(Pattern(chosen, size), layer, weights).reshape(-1, 9)
    library = masks(chosen)
    used = set()
    for kernel, kept_kernel in zip(weights.reshape(-1, 9), keep, strict=True):
        fitting = [mask for mask in library if np.array_equal(np.logical_and(mask, kernel), kept_kernel)]
        assert fitting
        if chosen != "patdnn":
            best = max(energy(kernel * np.array(mask)) for mask in library)
            assert energy(kernel * kept_kernel) == pytest.approx(best, rel=1e-5)
        if kernel.all():
            used.add(fitting[0])
    assert len(used) <= (size if chosen == "patdnn" else len(library))


@given(case=cases(kernels=[(3, 3)]), connectivity=st.floats(0, 1), balance=st.sampled_from(["filter", "free"]))
def test_connectivity_keeps_an_exact_number_of_kernels(case, connectivity, balance):
    layer, weights = case
    patterned = kept_of(Pattern(), layer, weights)
    keep = kept_of(Pattern(connectivity=connectivity, balance=balance), layer, weights)
    kernels = keep.reshape(*keep.shape[:2], 9).any(axis=2)
    assert np.array_equal(keep, patterned & kernels[:, :, None, None]) or weights.dtype == np.bool_
    holding = patterned.reshape((*kernels.shape, 9)).any(axis=2)
    if balance == "filter":
        most = np.minimum(round(connectivity * kernels.shape[1]), holding.sum(axis=1))
        assert np.array_equal(kernels.sum(axis=1), most)
    else:
        assert kernels.sum() == min(round(connectivity * kernels.size), holding.sum())


@given(case=cases(kernels=[(1, 1), (2, 3), (5, 5), (3, 3, 3), (3, 1, 1)]))
def test_other_kernels_stay_whole(case):
    layer, weights = case
    assert np.array_equal(kept_of(Pattern("patdnn", connectivity=0.5), layer, weights), weights != 0)
    assert Pattern().storage_format(layer) == "dense"


def test_patterns_of_other_sizes_fit_other_kernels():
    cross = "0010000100111110010000100"
    layer = conv(2, 3, (5, 5))
    weights = random_weights(layer, "mask", 1, 0)
    keep = kept_of(Pattern(cross), layer, weights)
    assert (keep == np.array([place == "1" for place in cross]).reshape(5, 5)).all()


def test_the_library_is_the_most_frequent_patterns_of_the_whole_network():
    layers = [conv(6, 8, name="a"), conv(8, 5, name="b"), conv(5, 5, (1, 1), name="c")]
    weights = [random_weights(layer, "float32", 1, seed) for seed, layer in enumerate(layers)]
    counts = {}
    for kernel in np.concatenate([own.reshape(-1, 9) for own in weights[:2]]):
        best = max(masks("patdnn"), key=lambda mask: energy(kernel * np.array(mask)))
        counts[best] = counts.get(best, 0) + 1
    network = workload(*zip(layers, weights, strict=True)).prune(parse("pattern:set=patdnn,size=6"))
    used = set()
    for index in range(2):
        used |= {tuple(map(int, kernel)) for kernel in network.trace(index).weight_mask.reshape(-1, 9)}
    assert len(used) == 6
    rest = [count for mask, count in counts.items() if mask not in used]
    assert min(counts[mask] for mask in used) >= max(rest)


def test_the_library_of_masks_is_the_seeds():
    network = load_workload("vgg16").prune(parse("pattern:set=patdnn,size=6"))
    used = [np.unique(network.trace(index).weights.reshape(-1, 9), axis=0) for index in (1, 2)]
    assert np.array_equal(*used)
    assert len(used[0]) == 6
    assert kept(network.sources[1], 0).facts["pattern"]["patterns"] == 6
    other = load_workload("vgg16", seed=1).prune(parse("pattern:set=patdnn,size=6")).trace(1)
    assert not np.array_equal(used[0], np.unique(other.weights.reshape(-1, 9), axis=0))


def test_the_56_patterns_have_four_weights_and_the_centre():
    assert len(np.unique(CENTRED, axis=0)) == 56
    assert CENTRED[:, 4].all()
    assert (CENTRED.sum(axis=1) == 4).all()


@needs_shared
def test_pconvs_set_is_the_reference_data():
    rows = (SHARED / "models" / "pattern_sets.csv").read_text().splitlines()
    assert [row.split(",")[2] for row in rows if row.startswith("PCONV")] == PCONV.split("-")


def test_a_set_from_a_file(tmp_path):
    path = tmp_path / "set.txt"
    path.write_text("# two\n\n010111000\n110110000\n")
    pruning = parse(f"pattern:set={path}")
    assert np.array_equal(read_patterns("", str(path)), read_patterns("", "010111000-110110000"))
    assert parse(str(pruning)) == pruning


@pytest.mark.parametrize("text", ["pattern", "pattern:set=patdnn,size=12", "pattern:connectivity=0.3"])
def test_the_suggested_format_stores_the_weights(text):
    layer = conv(8, 8)
    weights = random_weights(layer, "float32", 1, 3)
    chosen = formats.parse(parse(text).storage_format(layer))
    pruned = weights * kept_of(parse(text), layer, weights)
    assert np.array_equal(chosen.decode(chosen.encode(pruned)), pruned)


def test_a_set_that_does_not_exist_is_refused():
    with pytest.raises(InputError) as caught:
        parse("pattern:set=pconf")
    assert str(caught.value) == (
        "pruning 'pattern': set = pconf: must be pconv, patdnn, masks such as 010111000-010110010 or a readable file; "
        "did you mean 'pconv'?"
    )


@pytest.mark.parametrize(
    ("masks", "problem"),
    [
        ("01011100", "pattern '01011100': must be as many 0 and 1 as a square kernel has positions (9)"),
        ("010111000-0101", "pattern '0101': must be as many 0 and 1 as a square kernel has positions (9)"),
        ("000000000", "pattern '000000000': keeps nothing"),
        ("010111000-010111000", "a pattern is given twice"),
    ],
)
def test_wrong_masks_are_refused(masks, problem):
    with pytest.raises(InputError) as caught:
        parse(f"pattern:set={masks}")
    assert str(caught.value) == f"pruning 'pattern': set = {masks}: {problem}"


def test_an_empty_file_is_refused(tmp_path):
    path = tmp_path / "set.txt"
    path.write_text("# nothing\n")
    with pytest.raises(InputError) as caught:
        parse(f"pattern:set={path}")
    assert str(caught.value) == f"pruning 'pattern': {path}: holds no pattern"
