"""What the array does while its results are written."""

from __future__ import annotations

from typing import Literal

WriteBack = Literal["overlapped", "blocking"]  # "blocking": it waits until a tile's results are in DRAM
