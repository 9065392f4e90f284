"""`KeptOf`: what a schedule found out about a layer's weights, at hand for whoever counts the layer's actions next."""

from __future__ import annotations

from typing import Generic, TypeVar
from weakref import ref

import numpy as np

Found = TypeVar("Found")


class KeptOf(Generic[Found]):
    """Something about one array of weights, known by the array itself; it goes to no other process.

    Finding it again would take as long as the schedule took.
    """

    def __init__(self, weights: np.ndarray | None = None, found: Found | None = None) -> None:
        self._weights, self._found = None if weights is None else ref(weights), found

    def of(self, weights: np.ndarray) -> Found | None:
        """What was found about this very array; None: nothing, or about another."""
        return self._found if self._weights is not None and self._weights() is weights else None

    def __reduce__(self) -> tuple[type[KeptOf[Found]], tuple[()]]:
        # A machine that is copied or sent to another process finds it again.
        return KeptOf, ()
