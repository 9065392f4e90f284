"""`Network`: the layers of a built-in network, read from a table in the package.

A table is a CSV file in `data/networks` named after its network. Comment lines carry its title, its name in pictures
(`display`) and its sources. Columns:
name, kind (conv or fc), in_channels, out_channels, input, kernel, stride, padding, groups; values per axis are joined
by `x` (16x112x112: depth, rows, columns), a single number stands for every axis. Where they were measured, it adds
activation_density and output_density of the dense network, and relu_input = no where a layer reads what no ReLU wrote
(the image, which the first layer reads, never is). A density set, `NETWORK@SET.csv`, adds weight_density,
activation_density and output_density, and leaves the shape columns out when they are the network's own; that of a
quantized network may add codebook_values, how many values a layer's non-zero weights share. A comment line `excerpt`
says that its layers are taken from amid networks: none reads a network's input. `activation_pattern` says how the
non-zeros of its activations are drawn (else uniformly). One that begins with `assumed` says in a line what is no
measurement of this very network; users are shown it. How the layers hang together stands beside the table, in
`NETWORK.graph` (`workloads.graph_text`).
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from workloads.errors import InputError, nearest
from workloads.graph import Graph
from workloads.graph_text import parse_graph
from workloads.layer import Layer

_FOLDER = Path(__file__).parent / "data" / "networks"


@dataclass(frozen=True, slots=True)
class Densities:
    """Shares of non-zeros of one layer, each in [0, 1]; `outputs` is None where nothing is known."""

    weights: float = 1.0
    activations: float = 1.0
    outputs: float | None = None


@dataclass(frozen=True, slots=True)
class Network:
    """A network as tables know it.

    layers       in the order in which they run
    densities    one per layer
    title        one line for lists
    sources      papers and data that the shapes and densities come from
    excerpt      whether the layers are taken from amid networks, so that the first one's input is not a network's own
    relu_inputs  for each layer, whether a ReLU wrote its input, so that it holds zeros
    codebooks    for each layer, how many values its non-zero weights share; None where nothing is known
    assumed      what is no measurement of this network, a line each
    activation_pattern  how activations' non-zeros lie, as `workloads.masks.named` reads it
    graph        how the layers hang together; None where they are no network in one piece
    """

    name: str
    layers: tuple[Layer, ...]
    densities: tuple[Densities, ...]
    title: str
    sources: tuple[str, ...]
    excerpt: bool
    relu_inputs: tuple[bool, ...]
    codebooks: tuple[int | None, ...]
    assumed: tuple[str, ...] = ()
    activation_pattern: str = "uniform"
    graph: Graph | None = None

    @property
    def dense_macs(self) -> int:
        """Multiplications of all layers, zeros included."""
        return sum(layer.dense_macs for layer in self.layers)


def network_names() -> tuple[str, ...]:
    """Names of the built-in networks and of their density sets, sorted."""
    return tuple(sorted(path.name.removesuffix(".csv") for path in _FOLDER.glob("*.csv")))


@cache
def load_network(name: str) -> Network:
    """A built-in network or density set. Raises `InputError` with the nearest known name."""
    if name not in network_names():
        raise InputError(f"unknown network '{name}': {nearest(name, network_names())}")
    notes, rows = _read_table(_FOLDER / f"{name}.csv")
    sources = tuple(text for key, text in notes if key == "source")
    # Of keys that may repeat, as `source` and `assumed` do, the dictionary keeps one; they are read from the list.
    titles = dict(notes)
    if "network" in titles:
        # A density set takes geometry and what its inputs are from the network; it may not leave out or reorder layers.
        base = load_network(titles["network"])
        layers, sources, relu_inputs = base.layers, base.sources + sources, base.relu_inputs
        graph = base.graph
        if [row["name"] for row in rows] != [layer.name for layer in layers]:
            # The tables are the package's own: a wrong one is a mistake in the package, and no user's fault.
            raise AssertionError(f"density set {name} does not list the layers of {base.name}")
    else:
        layers = tuple(_layer(row) for row in rows)
        graph = network_graph(name, layers)
        # The image is no ReLU's output. An excerpt has no layer that reads it.
        image = () if "excerpt" in titles else (0,)
        relu_inputs = tuple(row.get("relu_input") != "no" and i not in image for i, row in enumerate(rows))
    densities = tuple(_densities(row) for row in rows)
    codebooks = tuple(int(row["codebook_values"]) if row.get("codebook_values") else None for row in rows)
    assumed = tuple(text for key, text in notes if key == "assumed")
    excerpt = "excerpt" in titles
    pattern = titles.get("activation_pattern", "uniform")
    return Network(
        name, layers, densities, titles["title"], sources, excerpt, relu_inputs, codebooks, assumed, pattern, graph
    )


@cache
def network_display(name: str) -> str:
    """The name of a built-in network in pictures, such as VGG-16; only its table is read."""
    notes, _ = _read_table(_FOLDER / f"{name}.csv")
    return dict(notes).get("display", name)


def network_graph(name: str, layers: Sequence[Layer]) -> Graph | None:
    """The graph of a shipped network for layers of its names, whatever the size of their maps; None: it has none.

    Raises `InputError` for layers that are not this network's.
    """
    path = _FOLDER / f"{name}.graph"
    return parse_graph(path.read_text(encoding="utf-8"), layers) if path.exists() else None


def _read_table(path: Path) -> tuple[list[tuple[str, str]], list[dict[str, str]]]:
    # Comment lines are taken out before the table is parsed, wherever they stand.
    lines = path.read_text(encoding="utf-8").splitlines()
    # "# source: Han et al.: Deep Compression" parts at its first colon alone.
    notes = [line[1:].split(":", 1) for line in lines if line.startswith("#")]
    table = csv.DictReader(line for line in lines if not line.startswith("#"))
    return [(key.strip(), text.strip()) for key, text in notes], list(table)


def _axes(text: str, axes: int) -> tuple[int, ...]:
    values = tuple(int(part) for part in text.split("x"))
    # "3" on two axes is 3x3; "1x3" is as it stands.
    return values * axes if len(values) == 1 else values


def _layer(row: dict[str, str]) -> Layer:
    if row["kind"] == "fc":
        return Layer.dense(row["name"], in_features=int(row["in_channels"]), out_features=int(row["out_channels"]))
    size = _axes(row["input"], 1)
    return Layer.conv(
        row["name"],
        in_channels=int(row["in_channels"]),
        out_channels=int(row["out_channels"]),
        input_size=size,
        kernel_size=_axes(row["kernel"], len(size)),
        stride=_axes(row["stride"], len(size)),
        padding=_axes(row["padding"], len(size)),
        groups=int(row["groups"]),
    )


def _densities(row: dict[str, str]) -> Densities:
    outputs = row.get("output_density")
    return Densities(
        weights=float(row.get("weight_density", 1.0)),
        activations=float(row.get("activation_density", 1.0)),
        outputs=float(outputs) if outputs else None,
    )
