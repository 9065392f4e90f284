"""The version of Prunesim, which the package's metadata takes from here: to look it up there costs a start 30 ms."""

from __future__ import annotations

VERSION = "0.1.0"
