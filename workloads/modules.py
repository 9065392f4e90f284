"""Load what was dropped into a package: its modules register what they define when they are imported."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType


def import_all(package: ModuleType) -> None:
    """Import every module of a package and of the packages inside it, once."""
    # Into folders too: what needs several files is a package of its own.
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)
