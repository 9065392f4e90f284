"""`Workload`: the layers of a network with a trace for each, made one at a time when asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from workloads.errors import InputError, listed, nearest
from workloads.graph import Graph
from workloads.held_traces import HeldTraces
from workloads.layer import Layer
from workloads.masks.named import ACTIVATION_PATTERNS, parse_pattern
from workloads.names import LONGEST_NAME, LONGEST_TEXT, plain_name
from workloads.network import Network
from workloads.source import Drawn, DrawnBatch, LayerSource, output_densities
from workloads.trace import LayerTrace
from workloads.transposed_tensors import redrawn

if TYPE_CHECKING:
    from workloads.pruning import Pruning


@dataclass(frozen=True, repr=False)
class Workload:
    """What is simulated: layers in order and where their tensors come from. Every method gives a new workload.

    title    one line for lists
    origin   papers, data or file that shapes and densities come from
    prunings what `prune` applied, as on a command line
    files    every file (or folder, for all files in it) that shapes, densities or tensors were read from
    notes    lines for the user: what was assumed, and what prunings could not do
    graph    how the layers hang together, with the operators between them; that of the whole network where layers were
             selected. None: nothing is known but the layers' order.
    first_input  which of the inputs that the sources hold comes first here, see `at_input`
    held     where traces are kept that are asked for again; None: nowhere
    """

    name: str
    sources: tuple[LayerSource, ...]
    seed: int = 0
    title: str = ""
    origin: str = ""
    prunings: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()
    graph: Graph | None = None
    first_input: int = 0
    held: HeldTraces | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        # Names of files and of models become names here: a bad one is made plain, as nobody chose it for tables and
        # pages.
        for key, longest in (("name", LONGEST_NAME), ("title", LONGEST_TEXT), ("origin", LONGEST_TEXT)):
            object.__setattr__(self, key, plain_name(getattr(self, key), longest))
        if self.seed < 0:
            raise InputError(f"seed = {self.seed}: must be a whole number of at least 0")
        if self.graph is not None:
            self.graph.require_layers([layer.name for layer in self.layers])

    def __repr__(self) -> str:
        names = [layer.name for layer in self.layers]
        macs, weights = (sum(getattr(layer, key) for layer in self.layers) for key in ("dense_macs", "weight_count"))
        drawn = "".join(f", {text}" for text in self.prunings)
        return "\n".join(
            (
                f"Workload '{self.name}'" + (f": {self.title}" if self.title else ""),
                f"  {len(names)} layers ({listed(names)}), {macs / 1e6:,.1f} M MACs, {weights / 1e6:,.2f} M weights",
                f"  seed {self.seed}{drawn}",
            )
        )

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """The layers in order."""
        return tuple(source.layer for source in self.sources)

    @cached_property
    def inputs(self) -> int | None:
        """How many different inputs (batches of images) there are; None: as many as asked for, since all are drawn."""
        # Some layers may be stored and others drawn: the fewest that any of them holds.
        held = [source.inputs for source in self.sources if source.inputs is not None]
        return max(min(held) - self.first_input, 1) if held else None

    def trace(self, index: int, input: int = 0) -> LayerTrace:  # noqa: A002 (the field's word, and a report's)
        """The trace of the layer at that place on one of the inputs; kept in `held` alone."""
        source, number = self.sources[index], self.first_input + input
        if self.held is None:
            return source.trace(self.seed, number)
        return self.held.trace(source, self.seed, number)

    def at_input(self, number: int) -> Self:
        """The same layers from that input on, which becomes input 0. Raises `InputError` where they hold fewer."""
        if self.inputs is not None and number >= self.inputs:
            raise InputError(f"input = {number}: {self.holds}, must be below {self.inputs}")
        return replace(self, first_input=self.first_input + number)

    @property
    def holds(self) -> str:
        """How many inputs there are, in words."""
        if self.inputs is None:
            return f"the activations of '{self.name}' are drawn, for any number of inputs"
        return f"'{self.name}' holds {self.inputs} input{'' if self.inputs == 1 else 's'}"

    def select(self, glob: str) -> Self:
        """The layers whose names match a shell pattern; their traces stay what they were in the whole network."""
        # Sources keep their index in the whole network, so that their streams draw what they drew there.
        chosen = tuple(source for source in self.sources if fnmatchcase(source.layer.name, glob))
        if not chosen:
            names = [layer.name for layer in self.layers]
            raise InputError(f"no layer of '{self.name}' matches '{glob}': {nearest(glob, names)}")
        return replace(self, sources=chosen)

    def with_batch(self, batch: int) -> Self:
        """The same layers for another batch size.

        Synthetic activations are drawn afresh for every image (the first image stays what it was); stored ones are
        repeated in turn.
        """
        return replace(self, sources=tuple(replace(s, layer=s.layer.with_batch(batch)) for s in self.sources))

    def with_density(self, weights: float | None = None, activations: float | None = None) -> Self:
        """The same layers under uniform masks of other densities; None leaves a tensor as it is.

        The density of activations reaches the inputs that a ReLU wrote and the outputs that such a layer reads (those
        of the last layer if any is reached); a note names the layers that it does not reach.
        """
        sources, told = self.sources, self.notes
        if weights is not None:
            # Weights that are activations have the density of activations, as far as that reaches.
            drawn = Drawn(weights)
            sources = tuple(s if s.moving_weights else replace(s, weights=redrawn(s.weights, drawn)) for s in sources)
            moving = [source.layer.name for source in sources if source.moving_weights]
            told += (f"weight_density = {weights} does not reach {listed(moving)}: {_MOVING}",) if moving else ()
        if activations is None:
            return replace(self, sources=sources, notes=told)
        # Only a ReLU makes zeros: an image, or a sum without one, keeps its own density.
        # AlexNet at 0.3: conv1 reads the image, which stays as dense as it is, and stores 0.3; all others read 0.3.
        reached = [source.reads_relu for source in sources]
        apart = [source.layer.name for source in sources if not source.reads_relu]
        changed = tuple(
            replace(
                source,
                activations=redrawn(source.activations, DrawnBatch(activations)) if reads else source.activations,
                weights=Drawn(activations) if reads and source.moving_weights else source.weights,
                output_density=activations if _writes_relu(sources, place) else source.output_density,
                image_output_densities=() if _writes_relu(sources, place) else source.image_output_densities,
            )
            for place, (source, reads) in enumerate(zip(sources, reached, strict=True))
        )
        # The network's own notes speak of densities that it assumes, which no longer hold.
        told = told[len(self.notes) :] + ((not_reached(activations, apart),) if apart else ())
        return replace(self, sources=changed, notes=told)

    def prune(self, pruning: Pruning | str) -> Self:
        """The same layers with pruned weights; prunings add up. Products of two activations stay as they are.

        A text is read as on a command line, "unstructured:density=0.3".
        """
        if isinstance(pruning, str):
            from workloads.pruning import parse  # noqa: PLC0415 (methods import this module)

            pruning = parse(pruning)
        constant = tuple(source for source in self.sources if not source.moving_weights)
        moving = tuple(source for source in self.sources if source.moving_weights)
        names = [source.layer.name for source in moving]
        told = (*self.notes, *([f"{pruning}: {listed(names)} stay as they are: {_MOVING}"] if moving else []))
        prunings = (*self.prunings, str(pruning))
        if not constant:
            return replace(self, prunings=prunings, notes=told)
        # To a pruning, layers of the graph that it is not given are others', whose inputs it leaves whole.
        left = pruning.outcome(constant, self.graph, self.seed)
        return replace(
            self,
            # Both go back to their places; a layer's two factors share its place and keep their order.
            sources=tuple(sorted((*left.sources, *moving), key=lambda source: source.place))
            if moving
            else left.sources,
            prunings=prunings,
            notes=(*told, *left.notes),
            graph=left.graph,
        )

    def describe(self) -> dict[str, Any]:
        """What a report says about its workload; JSON types only."""
        return {
            "name": self.name,
            "title": self.title,
            "origin": self.origin,
            "prunings": list(self.prunings),
            "notes": list(self.notes),
            **({"graph": self.graph.rows()} if self.graph else {}),
            **({"input": self.first_input} if self.first_input else {}),
        }

    @classmethod
    def of_network(cls, network: Network, seed: int = 0) -> Self:
        """Masks with the densities of a built-in network or density set; activations lie as its table says."""
        known = [densities.outputs for densities in network.densities]
        inputs = [densities.activations for densities in network.densities]
        outputs = output_densities(network.layers, inputs, known)
        pattern = parse_pattern(network.activation_pattern, ACTIVATION_PATTERNS)
        drawn = f"{network.activation_pattern} masks, {network.name}"
        sources = tuple(
            LayerSource(
                i, layer, Drawn(d.weights), DrawnBatch(d.activations, pattern), out, drawn,
                input_in_dram=False if network.excerpt else None, relu_input=relu, codebook_values=codes,
            )
            for i, (layer, d, out, relu, codes) in enumerate(
                zip(network.layers, network.densities, outputs, network.relu_inputs, network.codebooks, strict=True)
            )
        )  # fmt: skip
        change = f'sweep activation_density or activation_pattern, or write a network file (network = "{network.name}")'
        notes = tuple(f"{network.name}: {assumed}; to change it, {change}" for assumed in network.assumed)
        origin = "; ".join(network.sources)
        return cls(network.name, sources, seed, network.title, origin, notes=notes, graph=network.graph)


_MOVING = "both of their sides are activations, not weights"


def not_reached(density: float, names: Sequence[str]) -> str:
    """The note about layers that a density for all activations does not reach."""
    return f"activation_density = {density} does not reach {listed(names)}: no ReLU wrote what they read (relu_input)"


def _writes_relu(sources: Sequence[LayerSource], place: int) -> bool:
    """Whether a ReLU follows a layer, as its reader says where that plainly is the next one."""
    # Equal channels are the sign, as in `output_densities`: the list of layers has no graph.
    following = sources[place + 1 : place + 2]
    if following and following[0].layer.in_channels == sources[place].layer.out_channels:
        return following[0].reads_relu
    return any(source.reads_relu for source in sources)
