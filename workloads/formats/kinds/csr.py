"""CSR: compressed sparse rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from workloads.formats.kinds.absolute import Absolute


@dataclass(frozen=True, kw_only=True)
class Csr(Absolute):
    """The non-zeros row by row (a filter; a channel of activations), each with its column, and where rows start.

    Bits of z non-zeros of b bits in a matrix of M rows and N columns: z·(b + ceil(log2 N)) + (M + 1)·pointer_bits.
    The textbook format; a decoder reads one value and its column a cycle (assumption: one port). Index entries are
    the stored values.
    """

    name: ClassVar[str] = "csr"
    title: ClassVar[str] = "compressed rows: non-zeros with their columns, a pointer a row"

    def _lists(self, tensor: np.ndarray) -> np.ndarray:
        # A view: rows lie in the tensor as they are, and `_restore` writes through it.
        return tensor.reshape(len(tensor), -1)
