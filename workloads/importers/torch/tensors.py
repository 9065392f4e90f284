"""torch's tensors as arrays, and where they come from: from the model alone, from its inputs, or from neither."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from workloads.importers.imported import less_zero_point


def array_of(tensor: Any) -> np.ndarray:
    """A copy, so that later operations in place do not change it; narrow floats become float32.

    A quantized tensor gives its integers less their zero points, so that 0 stands for the real number 0.
    """
    held = tensor.detach().cpu()
    if held.is_quantized:
        return _integers(held)
    # numpy has no bfloat16 and no floats of 8 bits.
    held = held.float() if held.is_floating_point() and held.element_size() <= 2 else held
    return held.numpy().copy()


def _integers(tensor: Any) -> np.ndarray:
    if "per_channel" in str(tensor.qscheme()):
        points, axis = tensor.q_per_channel_zero_points().numpy(), tensor.q_per_channel_axis()
        return less_zero_point(tensor.int_repr().numpy().copy(), points, axis)
    return less_zero_point(tensor.int_repr().numpy().copy(), tensor.q_zero_point())


def is_strided(tensor: Any) -> bool:
    """Whether a tensor holds all of its values, in a storage of its own or a part of one."""
    # A tensor that stands for many under `torch.vmap` has none.
    return str(tensor.layout) == "torch.strided" and _has_storage(tensor)


def _has_storage(tensor: Any) -> bool:
    try:
        tensor.untyped_storage()
    except NotImplementedError:
        return False
    return True


def _storage(tensor: Any) -> int:
    return tensor.untyped_storage().data_ptr()


class Origins:
    """What tensors were computed from, told by their storages, which views share.

    A tensor is constant when it is a parameter or buffer of the model or was computed from such alone; it moves when it
    is an input of the model or anything was computed from one. What an operator makes of nothing is neither.
    """

    def __init__(self, constants: Iterable[Any], inputs: Iterable[Any]) -> None:
        # Tensors are kept so that no other one gets the address of a constant.
        self._constants = {_storage(one): one for one in constants if is_strided(one)}
        self._moving = {_storage(one) for one in inputs if is_strided(one)}

    def constant(self, tensor: Any) -> bool:
        """Whether a tensor was computed from the model alone."""
        return is_strided(tensor) and _storage(tensor) in self._constants

    def moves(self, tensor: Any) -> bool:
        """Whether a tensor was computed from the model's inputs."""
        return is_strided(tensor) and _storage(tensor) in self._moving

    def of(self, read: list[Any]) -> tuple[bool, bool]:
        """Whether what an operator makes is constant, and whether it moves."""
        return bool(read) and all(map(self.constant, read)), any(map(self.moves, read))

    def made(self, read: list[Any], made: list[Any], *, constant: bool, moving: bool) -> None:
        """What an operator has made, or written into."""
        held = {_storage(one) for one in read if is_strided(one)}
        for one in filter(is_strided, made):
            place = _storage(one)
            # What activations are written into is no constant any more.
            if constant:
                self._constants.setdefault(place, one)
            else:
                self._constants.pop(place, None)
            if moving:
                self._moving.add(place)
            elif place not in held:
                self._moving.discard(place)  # the address of a tensor that is gone
