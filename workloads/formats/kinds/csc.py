"""CSC: compressed sparse columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from workloads.formats.kinds.absolute import Absolute


@dataclass(frozen=True, kw_only=True)
class Csc(Absolute):
    """The non-zeros column by column (a channel and kernel position), each with its row, and where columns start.

    Bits of z non-zeros of b bits in a matrix of M rows and N columns: z·(b + ceil(log2 M)) + (N + 1)·pointer_bits.
    The textbook format with absolute rows; EIE's, with relative ones, is relative:scan=columns. One value and its row
    a cycle, as EIE's PEs take them (Han et al., ISCA 2016). Index entries are the stored values.
    """

    name: ClassVar[str] = "csc"
    title: ClassVar[str] = "compressed columns: non-zeros with their rows, a pointer a column"

    def _lists(self, tensor: np.ndarray) -> np.ndarray:
        # A view, whose rows are the matrix's columns: `_restore` writes through it into the tensor.
        return tensor.reshape(len(tensor), -1).T
