"""ONNX LSTM, GRU and RNN as the matrix products that they are.

For each direction one product of the inputs of all steps with the input matrices of all gates, and one of the hidden
states with the recurrent matrices. Steps are positions: a machine that keeps weights for several positions keeps them
for several steps, as if these were known at once. Multiplications element by element (gates, peepholes) are no layer.
A GRU that resets before its product (linear_before_reset = 0) multiplies states that a gate has scaled: their zeros are
those of the states.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from workloads.errors import InputError
from workloads.importers.imported import FoundLayer, Made, product_activations, product_layer
from workloads.importers.onnx.graph import label
from workloads.importers.onnx.moving import Run
from workloads.importers.onnx.operators import Operator


def recurrent_layers(run: Run, one: Operator, output_density: float) -> list[FoundLayer]:
    """The layers of a recurrent node, input before recurrent. Raises `InputError` naming the file and the node."""
    graph, batch_first = run.graph, one.attributes.get("layout", 0)
    shape, matrices = run.shape(one, one.activations), graph.shape(one.node.input[2])
    if len(shape) != 3 or matrices is None or len(matrices) != 3:
        raise InputError(f"{graph.path}: {label(one.node)}: input of shape {shape} with weights of {matrices}")
    steps, images = (shape[1], shape[0]) if batch_first else shape[:2]
    images *= max(run.count, 1)
    inputs, states = _inputs(run, one), _states(run, one)
    # A hidden state is a tanh, which makes no zeros, unless the node names another function.
    relu = any(name.lower() == b"relu" for name in one.attributes.get("activations", ()))
    direction = one.attributes.get("direction", b"forward").decode()
    layers = []
    for place, way in enumerate(("forward", "reverse") if direction == "bidirectional" else (direction,)):
        name = f"{one.name}.{way}" if direction == "bidirectional" else one.name
        held = None if states is None else _before(states[place], reverse=way == "reverse")
        for part, features, values, weights in (
            ("input", shape[2], inputs, one.node.input[1]),
            ("recurrent", matrices[2], held, one.node.input[2]),
        ):
            layer = product_layer(f"{name}.{part}", (images, steps), features, matrices[1])
            activations = None if values is None else product_activations(layer, values)
            made = Made(_matrix(run, weights, place, layer.weight_shape))
            # What the input matrices give is added to the other product before anything is stored.
            stored = output_density if part == "recurrent" else 1.0
            layers.append(
                FoundLayer(
                    layer,
                    made,
                    activations,
                    stored,
                    relu_input=relu if part == "recurrent" else None,
                    stored=part == "recurrent",
                )
            )
    return layers


def _matrix(run: Run, name: str, place: int, shape: tuple[int, ...]) -> Callable[[], np.ndarray]:
    """Makes the matrices of all gates of a direction, (gates·H, features)."""
    return lambda: np.ascontiguousarray(run.graph.constant(name)[place]).reshape(shape)


def _inputs(run: Run, one: Operator) -> np.ndarray | None:
    """Inputs of all images, (images, steps, features)."""
    held = run.values(one.activations, None)
    if held is None:
        return None
    # (runs, steps, images, features). onnxruntime runs no layout 1, which has images first.
    apart = held.swapaxes(1, 2)
    return apart.reshape(-1, *apart.shape[2:])


def _states(run: Run, one: Operator) -> list[np.ndarray] | None:
    """For each direction the first state and those after each step, in the order of the inputs: two arrays as one.

    (images, 1 + steps, H), the first state in front.
    """
    held = run.values(one.states[0], None)
    if held is None:
        return None
    # (runs, steps, directions, images, H).
    apart = held.transpose(2, 0, 3, 1, 4)
    directions, runs, images, steps, width = apart.shape
    first = np.zeros((directions, runs, images, 1, width), held.dtype)
    if len(one.states) > 1:
        name = one.states[1]
        given = run.values(name, None)
        given = run.graph.constant(name)[np.newaxis] if given is None else given
        # (runs, directions, images, H).
        first[...] = given.swapaxes(0, 1)[..., np.newaxis, :]
    return list(np.concatenate([first, apart], axis=3).reshape(directions, runs * images, 1 + steps, width))


def _before(states: np.ndarray, *, reverse: bool) -> np.ndarray:
    """The state that each step reads, in the order of the inputs."""
    # Forward, step t reads the state after step t - 1; in reverse that after step t + 1, and the last one the first.
    return np.concatenate([states[:, 2:], states[:, :1]], axis=1) if reverse else states[:, :-1]
