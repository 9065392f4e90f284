"""How an ONNX Scan goes through its inputs and lays its outputs together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from workloads.importers.onnx.naming import graphs_of


@dataclass(frozen=True)
class Scan:
    """How a Scan reads its inputs slice by slice and lays the slices of its outputs together.

    states                     inputs and outputs that each turn hands to the next; slices come behind them
    input_axes, output_axes    the axis of each that is cut, or made of a slice a turn
    input_back, output_back    whether from the last slice to the first
    """

    node: Any
    states: int
    input_axes: tuple[int, ...]
    output_axes: tuple[int, ...]
    input_back: tuple[int, ...]
    output_back: tuple[int, ...]

    @classmethod
    def of(cls, node: Any) -> Scan:
        """What a node says; axes and directions that it leaves out are 0 (the operator's definition in ONNX)."""
        given = {one.name: one for one in node.attribute}
        cut = given["num_scan_inputs"].i if "num_scan_inputs" in given else 0
        made = len(graphs_of(node)["body"].output) - (len(node.input) - cut)

        def each(name: str, count: int) -> tuple[int, ...]:
            return tuple(given[name].ints) if name in given else (0,) * max(0, count)

        return cls(
            node,
            len(node.input) - cut,
            each("scan_input_axes", cut),
            each("scan_output_axes", made),
            each("scan_input_directions", cut),
            each("scan_output_directions", made),
        )

    def fits(self) -> bool:
        """Whether it is as ONNX has it."""
        body = graphs_of(self.node)["body"]
        cut, made = len(self.node.input) - self.states, len(body.output) - self.states
        return (
            self.states >= 0
            and cut >= 1
            and made >= 0
            and len(body.input) == len(self.node.input)
            and {len(self.input_axes), len(self.input_back)} == {cut}
            and {len(self.output_axes), len(self.output_back)} == {made}
        )
