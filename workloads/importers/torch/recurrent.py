"""torch's LSTM, GRU and RNN and their cells as the matrix products that they are, of inputs and of hidden states.

Steps are positions, as if all were known at once. Gates work element by element and are no layer.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from workloads.importers.imported import FoundLayer, Made, product_activations, product_layer
from workloads.importers.torch.operators import Lstm
from workloads.importers.torch.products import Product
from workloads.importers.torch.tensors import array_of

MODULES = ("LSTM", "GRU", "RNN")
CELLS = ("LSTMCell", "GRUCell", "RNNCell")


def is_known(torch: Any, module: Any) -> bool:
    """Whether a module is recurrent, runs as torch wrote it, and so has products that are known from itself.

    Those of a class with a forward of its own are seen where torch dispatches them, one for each step.
    """
    kind = _kind(torch, module)
    if not kind or _is_quantized(module):
        return bool(kind)
    return type(module).forward is getattr(torch.nn, kind).forward


def _kind(torch: Any, module: Any) -> str:
    kinds = (*MODULES, *CELLS)
    if _is_quantized(module):
        return type(module).__name__ if type(module).__name__ in kinds else ""
    return next((kind for kind in kinds if isinstance(module, getattr(torch.nn, kind))), "")


def _is_quantized(module: Any) -> bool:
    return type(module).__module__.startswith("torch.ao.nn.quantized.dynamic.")


def arguments(args: tuple[Any, ...], given: dict[str, Any]) -> tuple[Any, ...]:
    """A call's input and first states, which may have been given by their names."""
    return (*args, *(given[name] for name in ("input", "hx") if name in given))


def _tensors(module: Any) -> dict[str, Any]:
    """A module's weights and biases by their names."""
    if _is_quantized(module):
        return {**module.get_weight(), **module.get_bias()}
    sides, kinds = ("ih", "hh"), ("weight", "bias") if module.bias else ("weight",)
    ends = [""]
    if hasattr(module, "num_layers"):
        ways = ("", "_reverse") if module.bidirectional else ("",)
        ends = [f"_l{depth}{way}" for depth in range(module.num_layers) for way in ways]
    names = [f"{kind}_{side}{end}" for kind in kinds for side in sides for end in ends]
    return {name: getattr(module, name) for name in names}


def layers(torch: Any, module: Any, given: tuple[Any, ...]) -> list[FoundLayer]:
    """The products of a module's call, under names that go behind the module's."""
    if _is_cell(module):
        return _cell_layers(module, given)
    return _sequence_layers(torch, module, given)


def _is_cell(module: Any) -> bool:
    return not hasattr(module, "num_layers")


def refusal(torch: Any, module: Any, given: tuple[Any, ...]) -> str:
    """Why a recurrent module is left out, or empty."""
    if getattr(module, "proj_size", 0):
        return "an LSTM with a projection, whose input never leaves the operator"
    return "" if isinstance(given[0], torch.Tensor) else "its sequences have lengths of their own (PackedSequence)"


def order(module: Any) -> tuple[int, int, bool]:
    """Axes of a module's inputs, its directions, and whether steps lie before images."""
    ways = 2 if getattr(module, "bidirectional", False) else 1
    return 2 if _is_cell(module) else 3, ways, not getattr(module, "batch_first", True)


def _cell_layers(module: Any, given: tuple[Any, ...]) -> list[FoundLayer]:
    """The two products of a cell's call: fully connected layers."""
    inputs = _rows(array_of(given[0]))
    first, tensors = _first(given), _tensors(module)
    states = _rows(array_of(first[0])) if first else np.zeros((len(inputs), module.hidden_size), inputs.dtype)
    relu = getattr(module, "nonlinearity", "tanh") == "relu"
    return [
        _product(".input", inputs, array_of(tensors["weight_ih"]), None),
        _product(".recurrent", states, array_of(tensors["weight_hh"]), relu),
    ]


def _sequence_layers(torch: Any, module: Any, given: tuple[Any, ...]) -> list[FoundLayer]:
    """For each layer and direction of a module's call the product of its inputs and that of its states."""
    single = given[0].ndim == 2  # torch lets a sequence lack its batch
    inputs = given[0].unsqueeze(0 if module.batch_first else 1) if single else given[0]
    # Images before steps, as layers have them.
    inputs = inputs if module.batch_first else inputs.transpose(0, 1)
    first = [one.unsqueeze(1) if single else one for one in _first(given)]
    ways = ("", "_reverse") if module.bidirectional else ("",)
    relu, tensors = getattr(module, "nonlinearity", "tanh") == "relu", _tensors(module)
    found: list[FoundLayer] = []
    for depth in range(module.num_layers):
        # A module of one layer with this one's weights gives the states of all its steps, which torch keeps to itself.
        one = _single(torch, module, tensors, depth, inputs.shape[-1], ways)
        own = [state[depth * len(ways) : (depth + 1) * len(ways)].contiguous() for state in first]
        states = one(inputs, *_as_given(own))[0]
        for place, way in enumerate(ways):
            label = f".l{depth}{way}" if module.num_layers > 1 or len(ways) > 1 else ""
            part = states[..., place * module.hidden_size : (place + 1) * module.hidden_size]
            start = own[0][place].unsqueeze(1) if own else torch.zeros_like(part[:, :1])
            before = [part[:, 1:], start] if way else [start, part[:, :-1]]
            matrices = (array_of(tensors[f"weight_{side}_l{depth}{way}"]) for side in ("ih", "hh"))
            found.append(_product(f"{label}.input", array_of(inputs), next(matrices), None))
            found.append(_product(f"{label}.recurrent", array_of(torch.cat(before, 1)), next(matrices), relu))
        inputs = states
    return found


def lstm_product(held: Lstm) -> Product:
    """The products of a layer of an LSTM, with the states that its operator is going to make."""
    inputs, weights, recurrent, first = map(array_of, (held.inputs, held.weights, held.recurrent, held.first))
    made: list[np.ndarray] = []

    def make(name: str) -> list[FoundLayer]:
        # (steps, N, H): what a step reads was made by the one before it, or behind it in the other direction.
        start = first.reshape(1, *made[0].shape[1:])
        states = np.concatenate([made[0][1:], start] if held.reverse else [start, made[0][:-1]])
        return [
            _product(f"{name}.input", inputs.swapaxes(0, 1), weights, None),
            _product(f"{name}.recurrent", states.swapaxes(0, 1), recurrent, relu=False),
        ]

    return Product(
        make,
        "recurrent",
        0,
        (held.inputs, held.first),
        arguments=(3, 1, True),
        take=lambda one: made.append(array_of(one)),
    )


def _first(given: tuple[Any, ...]) -> list[Any]:
    """The first hidden state and, of an LSTM, the first cell state; none where they are zero."""
    first = given[1] if len(given) > 1 else None
    if first is None:
        return []
    return list(first) if isinstance(first, (tuple, list)) else [first]


def _as_given(first: list[Any]) -> list[Any]:
    return [tuple(first)] if len(first) > 1 else first


def _single(torch: Any, module: Any, tensors: dict[str, Any], depth: int, features: int, ways: tuple[str, ...]) -> Any:
    kind = _kind(torch, module)
    more = {"nonlinearity": module.nonlinearity} if kind == "RNN" else {}
    one = getattr(torch.nn, kind)(
        features, module.hidden_size, bias=module.bias, batch_first=True, bidirectional=module.bidirectional, **more
    )
    names = [f"{kind}_{side}_l{{}}{way}" for kind in ("weight", "bias") for side in ("ih", "hh") for way in ways]
    held = {name.format(0): tensors[name.format(depth)] for name in names if module.bias or "bias" not in name}
    one.load_state_dict({name: tensor.dequantize() if tensor.is_quantized else tensor for name, tensor in held.items()})
    return one.to(held["weight_ih_l0"].device, held["bias_ih_l0" if module.bias else "weight_ih_l0"].dtype).eval()


def _rows(array: np.ndarray) -> np.ndarray:
    return array if array.ndim == 2 else array[np.newaxis]


def _product(name: str, rows: np.ndarray, weights: np.ndarray, relu: bool | None) -> FoundLayer:
    layer = product_layer(name, rows.shape[:-1], weights.shape[1], weights.shape[0])
    made = weights.reshape(layer.weight_shape)
    return FoundLayer(layer, Made(lambda: made), product_activations(layer, rows), relu_input=relu)
