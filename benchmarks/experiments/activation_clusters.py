"""How real activations cluster, and whether the `clustered` pattern does as they do.

    python -m benchmarks.experiments.activation_clusters WORKLOAD...

WORKLOAD is anything `prunesim run` takes that holds real activations: a trace file, or a folder of reference data. Of
each the input maps are taken up to the first one that is larger than its predecessor (an upsampled map is a copy of
neighbours), without images, maps that are nearly full or empty, and repetitions. Prints Markdown tables:

- how alike the elements of a map are, by what they have in common. Two elements are taken for two correlated normal
  values, each non-zero above a common level (tetrachoric correlation), so that maps of all densities compare;
- the parameters of `clustered` that follow (method of moments, one vote a workload), for each workload, for all others,
  and for all; and whether they depend on a layer's density or size;
- what counts for a machine that reads vectors of 4 non-zeros out of a tile of one channel: vectors, tiles without a
  non-zero and the fullest tile over the mean, real against uniform and clustered masks; the last under the defaults,
  and as fitted to all other workloads. Random figures are the mean over three seeds.
"""

import math
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist

import numpy as np

from benchmarks.markdown import print_table
from workloads.catalog import load_workload
from workloads.masks.synthetic import Clustered, Pattern, Uniform
from workloads.whole_numbers import ceil_div
from workloads.workload import Workload

SEEDS = range(3)
VECTOR = 4
OFFSETS = ((0, 1), (0, 2), (0, 3), (0, 4), (0, 6), (0, 8), (1, 1))  # rows and columns between two elements of a channel
EIGHTH = 8  # the share of a map's side at which the shared term is measured again, where SCNN's next PE begins
LENGTHS = np.arange(0.5, 6.01, 0.05)
SHARED_CHANNELS, SHARED_SIDE = 64, 13  # fewer channels or positions leave the shared term to chance
TILES = ("2 x 2", "4 x 4", "an eighth of the side")


@dataclass(frozen=True)
class Map:
    """The input of a layer: its mask, and the latent correlations of its elements (NaN where it is too small)."""

    workload: str
    layer: str
    mask: np.ndarray

    @property
    def density(self) -> float:
        """Share of non-zeros."""
        return float(self.mask.mean())

    @property
    def side(self) -> int:
        """Rows."""
        return self.mask.shape[1]


@dataclass(frozen=True)
class Fit:
    """A layer's share of the channels' term, and the root mean square of what it leaves of the correlations."""

    channel_share: float
    error: float


@cache
def _joint(level: float) -> tuple[np.ndarray, np.ndarray]:
    """Correlations r, and by how much two normal values exceed `level` together more often than independent ones."""
    r = np.linspace(-0.999, 0.9999, 8001)
    # The chance grows with r as fast as the joint density at (level, level), which holds for any two normal values.
    slope = np.exp(-level * level / (1 + r)) / (2 * np.pi * np.sqrt(1 - r * r))
    chance = np.concatenate([[0.0], np.cumsum((slope[1:] + slope[:-1]) / 2 * np.diff(r))])
    return r, chance - np.interp(0.0, r, chance)


def latent(density: float, covariance: float) -> float:
    """The correlation of two normal values whose exceedances of a level, of that density, have that covariance."""
    r, chance = _joint(NormalDist().inv_cdf(1 - density))
    return float(np.interp(covariance, chance, r))


def within_channel(mask: np.ndarray, rows: int, columns: int) -> float:
    """Latent correlation of elements of one channel, so far apart along either axis or diagonal; NaN on small maps."""
    if 2 * max(rows, columns) > min(mask.shape[1:]):
        return np.nan
    density = mask.mean()
    pairs = [
        (turned[:, rows:, columns:] & turned[:, : turned.shape[1] - rows, : turned.shape[2] - columns]).mean()
        for turned in (mask, mask[:, :, ::-1].swapaxes(1, 2))
    ]
    return latent(density, np.mean(pairs) - density**2)


def across_channels(mask: np.ndarray, columns: int) -> float:
    """Latent correlation of two channels so far apart, beyond what their densities make; NaN on small maps."""
    channels, density, width = len(mask), mask.mean(), mask.shape[2]
    if channels < SHARED_CHANNELS or min(mask.shape[1:]) < SHARED_SIDE:
        return np.nan
    left, right = mask[:, :, : width - columns], mask[:, :, columns:]
    # Ordered pairs of different channels that are both non-zero, less those expected.
    found = (left.sum(axis=0) * right.sum(axis=0)).mean() - (left & right).sum(axis=0).mean()
    of_left, of_right = left.mean(axis=(1, 2)), right.mean(axis=(1, 2))
    expected = of_left.sum() * of_right.sum() - (of_left * of_right).sum()
    return latent(density, (found - expected) / (channels * (channels - 1)))


def maps(workload: Workload) -> list[Map]:
    """The maps that count; see the module."""
    found: list[Map] = []
    seen = set[bytes]()
    for index, layer in enumerate(workload.layers):
        mask = workload.trace(index).activation_mask[0]
        if mask.ndim != 3 or len(mask) < 16 or min(mask.shape[1:]) < 7 or not 0.02 < mask.mean() < 0.98:
            continue
        if found and mask.shape[1] > found[-1].side:
            break
        if (packed := np.packbits(mask).tobytes()) not in seen:
            found.append(Map(workload.name, layer.name, mask))
        seen.add(packed)
    return found


def correlations(mask: np.ndarray) -> np.ndarray:
    """Within a channel at each of `OFFSETS`, and across channels at one position and an eighth of the side apart."""
    # An eighth of 28 columns lies between 3 and 4.
    eighth = mask.shape[2] / EIGHTH
    near, far = (across_channels(mask, columns) for columns in (math.floor(eighth), math.ceil(eighth)))
    away = near + (far - near) * (eighth % 1)
    return np.array([*(within_channel(mask, *offset) for offset in OFFSETS), across_channels(mask, 0), away])


def fit_layer(measured: np.ndarray, length: float) -> Fit:
    """The shares that leave the least error under a correlation length, elements having no term of their own."""
    faded = np.exp(-np.array([sum(offset) for offset in OFFSETS]) / length)
    # Two elements of a channel share its term wholly and the blobs' term in part: share + (1 - share) faded.
    within = measured[: len(OFFSETS)]
    known = ~np.isnan(within)
    room, rest = (1 - faded)[known], (within - faded)[known]
    share = float((room * rest).sum() / (room * room).sum())
    return Fit(share, float(np.sqrt(((rest - share * room) ** 2).mean())))


def fit(groups: Iterable[list[np.ndarray]]) -> Clustered:
    """The pattern of all layers; every group, the layers of one workload, has one vote."""
    groups = list(groups)

    def error(length: float) -> float:
        return float(np.mean([np.mean([fit_layer(one, length).error ** 2 for one in group]) for group in groups]))

    length = float(min(LENGTHS, key=error))
    shares = [np.mean([fit_layer(one, length).channel_share for one in group]) for group in groups]
    shared, away = np.mean([np.nanmean(group, axis=0)[-2:] for group in groups], axis=0)
    # The shared term falls by e over a `places`-th of the side.
    places = EIGHTH * math.log(shared / away) if 0 < away < shared else Clustered.places
    return Clustered(
        correlation_length=length,
        channel_share=float(np.mean(shares)),
        shared_share=max(0.0, float(shared)),
        places=places,
    )


def tile_statistics(mask: np.ndarray, edge: int) -> np.ndarray:
    """Vectors a channel and tile, share of empty ones, the fullest tile's vectors over the mean of whole tiles."""
    rows, columns = (ceil_div(side, edge) for side in mask.shape[1:])
    padded = np.zeros((len(mask), rows * edge, columns * edge), np.bool_)
    padded[:, : mask.shape[1], : mask.shape[2]] = mask
    counts = padded.reshape(len(mask), rows, edge, columns, edge).sum(axis=(2, 4))
    vectors = ceil_div(counts, VECTOR)
    whole = vectors[:, : mask.shape[1] // edge, : mask.shape[2] // edge].sum(axis=0)
    return np.array([vectors.mean(), (counts == 0).mean(), whole.max() / whole.mean()])


def tile_edges(side: int) -> tuple[int, ...]:
    """The edges of the tiles in `TILES`."""
    return 2, 4, ceil_div(side, EIGHTH)


def tiled(mask: np.ndarray) -> np.ndarray:
    """(tiles, statistics) of a mask."""
    return np.array([tile_statistics(mask, edge) for edge in tile_edges(mask.shape[1])])


def drawn(pattern: Pattern, real: Map) -> np.ndarray:
    """The same of masks of a pattern with as many non-zeros, mean over seeds."""
    nonzeros = int(real.mask.sum())
    return np.mean(
        [tiled(pattern.draw(np.random.default_rng(seed), real.mask.shape, nonzeros)) for seed in SEEDS], axis=0
    )


def correlation_rows(groups: dict[str, list[Map]], measured: dict[str, list[np.ndarray]]) -> list[tuple[str, ...]]:
    """A row for each layer."""
    rows: list[tuple[str, ...]] = [
        ("layer", "map", "density", *(f"{r}, {c} apart" for r, c in OFFSETS), "across channels", "an eighth apart")
    ]
    for name, group in groups.items():
        for one, values in zip(group, measured[name], strict=True):
            shape = " x ".join(map(str, one.mask.shape))
            cells = ("" if np.isnan(value) else f"{value:.3f}" for value in values)
            rows.append((f"{name} {one.layer}", shape, f"{one.density:.3f}", *cells))
    return rows


def fit_rows(groups: dict[str, list[Map]], measured: dict[str, list[np.ndarray]]) -> list[tuple[str, ...]]:
    """The parameters of each workload, of all others and of all, with their spread over the layers."""
    head = ("fitted to", "layers", "correlation_length", "channel_share", "its spread", "shared_share", "its spread",
            "places", "error", "channel_share with density", "with log side")  # fmt: skip
    choices = {name: [name] for name in groups} | {
        f"all but {name}": [n for n in groups if n != name] for name in groups
    }
    rows: list[tuple[str, ...]] = [head]
    for label, names in (choices | {"all": list(groups)}).items():
        if not names:
            continue
        pattern = fit(measured[name] for name in names)
        values = np.array([one for name in names for one in measured[name]])
        fits = [fit_layer(one, pattern.correlation_length) for one in values]
        shares = np.array([one.channel_share for one in fits])
        sizes = np.array([(one.density, np.log(one.side)) for name in names for one in groups[name]]).T
        rows.append(
            (
                label, f"{len(fits)}", f"{pattern.correlation_length:.2f}", f"{pattern.channel_share:.3f}",
                f"{shares.std():.3f}", f"{pattern.shared_share:.4f}", f"{np.nanstd(values[:, -2]):.4f}",
                f"{pattern.places:.1f}", f"{np.sqrt(np.mean([one.error**2 for one in fits])):.3f}",
                *(f"{np.corrcoef(shares, size)[0, 1]:+.2f}" for size in sizes),
            )
        )  # fmt: skip
    return rows


def machine_rows(
    groups: dict[str, list[Map]], kinds: list[str], values: dict[str, np.ndarray]
) -> list[tuple[str, ...]]:
    """A row for each layer and the mean of each workload; ratios to real, shares as they are.

    values  of a workload: (layers, the real masks and each kind of drawn ones, statistics of a tile)
    """
    rows: list[tuple[str, ...]] = [
        ("layer", "side", "density", "vectors, real", *(f"{kind} / real" for kind in kinds),
         "empty, real", *kinds, "fullest / mean, real", *kinds)
    ]  # fmt: skip
    for name, group in groups.items():
        shown = values[name].copy()
        shown[:, 1:, 0] /= shown[:, :1, 0]
        labels = [(f"{name} {one.layer}", f"{one.side}", f"{one.density:.3f}") for one in group]
        for label, layer in zip([*labels, (f"**{name}, mean**", "", "")], [*shown, shown.mean(axis=0)], strict=True):
            rows.append((*label, *(f"{value:.3f}" for value in layer.T.reshape(-1))))
    return rows


def main(paths: list[str]) -> None:
    """All tables."""
    groups = {workload.name: maps(workload) for workload in map(load_workload, paths or ["blazepose"])}
    measured = {name: [correlations(one.mask) for one in group] for name, group in groups.items()}
    print_table("Latent correlations, elements of one channel and across channels", correlation_rows(groups, measured))
    print_table("Parameters of `clustered`", fit_rows(groups, measured))
    patterns: dict[str, Callable[[str], Pattern]] = {"uniform": lambda _: Uniform(), "clustered": lambda _: Clustered()}
    if len(groups) > 1:
        others = {name: fit(measured[n] for n in groups if n != name) for name in groups}
        patterns["fitted to the others"] = others.__getitem__
    # Of a workload: (layers, kinds with the real masks first, tiles, statistics).
    values = {
        name: np.array([[tiled(one.mask), *(drawn(make(name), one) for make in patterns.values())] for one in group])
        for name, group in groups.items()
    }
    for tile, label in enumerate(TILES):
        of_tile = {name: found[:, :, tile] for name, found in values.items()}
        print_table(f"Vectors of {VECTOR} in tiles of {label}", machine_rows(groups, list(patterns), of_tile))


if __name__ == "__main__":
    main(sys.argv[1:])
