import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.shared_data import SHARED, needs_shared
from tests.workloads.pruning.cases import cases, conv, energy, kept_of, random_weights, workload
from tests.workloads.pruning.checks import assert_units, blocks
from workloads.catalog import load_workload
from workloads.errors import InputError
from workloads.pruning import kept, parse
from workloads.pruning.methods.kernel_groups.group_ratios import load_ratios
from workloads.pruning.methods.kernel_groups.kgc import KernelGroupColumn
from workloads.pruning.methods.kernel_groups.kgr import KernelGroupRow
from workloads.pruning.methods.kernel_groups.kgrc import KernelGroupRowColumn
from workloads.pruning.methods.rt3d import Rt3d

SHARES = st.floats(0, 1)


def rows_columns(weights, keep, block):
    """Rows and columns of a group that the kept weights use; they must be all non-zeros where those cross."""
    kernels = weights[block].reshape(*weights[block].shape[:2], -1) != 0
    chosen = keep[block].reshape(kernels.shape)
    rows, columns = chosen.any(axis=(1, 2)), chosen.any(axis=(0, 1))
    assert np.array_equal(chosen, kernels & rows[:, None, None] & columns)
    return int(rows.sum()), int(columns.sum())


def tiles(positions):
    """Kernel positions in tiles of 9."""
    return [positions[start : start + 9] for start in range(0, len(positions), 9)]


def count(share, units):
    return max(round(share * units), 1) if share else 0


@given(case=cases(), share=SHARES, group=st.integers(1, 9))
def test_kgr_keeps_as_many_rows_in_every_group(case, share, group):
    layer, weights = case
    keep = kept_of(KernelGroupRow(share, group=group), layer, weights)
    for block in blocks(layer, group, group):
        units = [(row,) for row in range(len(weights[block]))]
        assert_units(weights[block], keep[block], units, count(share, min(group, layer.group_out_channels)))


@given(case=cases(), share=SHARES, group=st.integers(1, 9))
def test_kgc_keeps_as_many_positions_in_every_group(case, share, group):
    layer, weights = case
    keep = kept_of(KernelGroupColumn(share, group=group), layer, weights)
    positions = list(np.ndindex(weights.shape[2:]))
    for block in blocks(layer, group, group):
        for tile in tiles(positions):
            units = [(slice(None), slice(None), *position) for position in tile]
            inside = np.zeros(weights.shape[2:], bool)
            inside[tuple(np.transpose(tile))] = True
            assert_units(weights[block] * inside, keep[block] & inside, units, count(share, len(tile)))


@given(case=cases(kinds=["mask", "float32"]), rows=SHARES, columns=SHARES)
def test_kgrc_keeps_as_many_of_both(case, rows, columns):
    layer, weights = case
    keep = kept_of(KernelGroupRowColumn(rows, columns, group=4), layer, weights)
    for block in blocks(layer, 4, 4):
        used = rows_columns(weights, keep, block)
        if weights[block].all():
            height = min(count(rows, min(4, layer.group_out_channels)), len(weights[block]))
            width = sum(count(columns, len(tile)) for tile in tiles(list(np.ndindex(weights.shape[2:]))))
            assert used == ((height, width) if height and width else (0, 0))


@pytest.mark.parametrize(
    ("filters", "group", "rows"), [(4, 8, [2]), (10, 8, [4, 2]), (9, 8, [4, 1]), (8, 8, [4]), (8, 3, [2, 2, 2])]
)
def test_a_group_at_the_edge_keeps_as_many_rows_as_a_whole_one_or_all_it_has(filters, group, rows):
    """Half of the rows of a group of 8 or, where the layer has but four filters, of 4; two of three (1.5 is rounded)."""
    layer = conv(2, filters)
    keep = KernelGroupRow(0.5, group=group).keep(
        layer, random_weights(layer, "float32", 1, 0), np.random.default_rng(0)
    )
    kept_rows = keep.any(axis=(1, 2, 3))
    assert [int(kept_rows[first : first + group].sum()) for first in range(0, filters, group)] == rows


def test_kgrc_keeps_the_rows_of_largest_energy():
    layer = conv(8, 8)
    weights = random_weights(layer, "float32", 1, 1)
    keep = KernelGroupRowColumn(0.5, 1.0).keep(layer, weights, np.random.default_rng(0))
    assert np.array_equal(keep, KernelGroupRow(0.5).keep(layer, weights, np.random.default_rng(0)))
    assert energy(weights * keep) > energy(weights) / 2


@given(case=cases(), density=SHARES, filters=st.integers(1, 5), channels=st.integers(1, 5))
def test_rt3d_keeps_whole_groups_or_positions_of_groups(case, density, filters, channels):
    layer, weights = case
    whole = list(blocks(layer, filters, channels))
    keep = kept_of(Rt3d(density, "vanilla", filters, channels), layer, weights)
    assert_units(weights, keep, whole, round(density * len(whole)))
    positions = list(np.ndindex(weights.shape[2:]))
    units = [(*block, *position) for block in whole for position in positions]
    keep = kept_of(Rt3d(density, "kgs", filters, channels), layer, weights)
    assert_units(weights, keep, units, round(density * len(units)))
    keep = kept_of(Rt3d(density, "kgs", filters, channels, balance="group"), layer, weights)
    balanced = KernelGroupColumn(density, group=filters)
    if filters == channels and len(positions) <= 9:  # more are balanced by tiles of 9 in KGC, as a whole in RT3D
        assert np.array_equal(keep, kept_of(balanced, layer, weights))


@pytest.mark.parametrize(("scheme", "share"), [("kgr", 1 / 2), ("kgc", 1 / 3), ("kgrc", 1 / 6)])
def test_the_published_ratios_of_c3d(scheme, share):
    network = load_workload("c3d").prune(parse(f"{scheme}:table=c3d"))
    assert network.trace(1).weight_density == pytest.approx(share)
    assert network.trace(0).weight_density == 1
    facts = kept(network.sources[1], 0).facts[scheme]
    assert facts["groups"] == 16 * 8
    assert facts["most_rows"] == (8 if scheme == "kgc" else 4)
    assert facts["most_columns"] == (27 if scheme == "kgr" else 9)


@pytest.mark.parametrize("table", ["c3d", "r2plus1d-18"])
def test_the_tables_name_layers_of_the_built_in_networks(table):
    names = [layer.name for layer in load_workload(table).layers if not layer.fully_connected]
    assert set(load_ratios(table)) == set(names)


@needs_shared
def test_the_tables_are_the_reference_data():
    rows = (SHARED / "models" / "conv3d_layers.csv").read_text().splitlines()[1:]
    known = [tuple(map(float, row.split(",")[14:17])) for row in rows]
    ours = [tuple(ratios.values()) for table in ("c3d", "r2plus1d-18") for ratios in load_ratios(table).values()]
    assert ours == known


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kgr", "pruning 'kgr': key 'density' is missing: or give a table"),
        ("kgrc:rows=0.5", "pruning 'kgrc': key 'columns' is missing: or give a table"),
        ("kgc:density=0.5,table=c3d", "pruning 'kgc': density and table = c3d exclude one another"),
        (
            "kgc:table=c3e",
            "pruning 'kgc': table = 'c3e': must be one of none, c3d, r2plus1d-18; did you mean 'c3d'?",
        ),
    ],
)
def test_wrong_options_are_refused(text, message):
    with pytest.raises(InputError) as caught:
        parse(text)
    assert str(caught.value) == message


def test_a_table_for_another_network_is_refused():
    layer = conv(4, 4)
    with pytest.raises(InputError) as caught:
        workload((layer, np.ones(layer.weight_shape, bool))).prune(parse("kgr:table=c3d"))
    assert str(caught.value) == (
        "pruning 'kgr': table = c3d: has none of these layers ('conv', ...); it is for the network c3d"
    )
