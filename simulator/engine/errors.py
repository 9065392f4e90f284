"""What can go wrong while a schedule is played, beside the errors a user can cause (`workloads.errors`).

PrunesimError
└── CapacityError          a tile can never fit a buffer; raised before the run starts
RuntimeError
├── StarvedError           a run stopped with somebody still waiting, and for what
└── BooksError             a conservation law failed; the result would be wrong, so there is none
"""

from __future__ import annotations

from workloads.errors import PrunesimError


class CapacityError(PrunesimError):
    """A tile needs more room than a buffer has."""


class StarvedError(RuntimeError):
    """Nothing can happen any more, but the layer is not done."""


class BooksError(RuntimeError):
    """A report does not balance."""
