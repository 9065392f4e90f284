"""Where what is kept between runs lies."""

from __future__ import annotations

import os
from pathlib import Path


def cache_base() -> Path:
    """The folder that ``PRUNESIM_CACHE_DIR`` names, else ``prunesim`` in the user's cache folder.

    Raises `OSError` where there is neither.
    """
    asked = os.environ.get("PRUNESIM_CACHE_DIR")
    shared = os.environ.get("XDG_CACHE_HOME", "")
    chosen = asked or (f"{shared}/prunesim" if Path(shared).is_absolute() else "~/.cache/prunesim")
    path = os.path.expanduser(chosen)  # noqa: PTH111 (leaves what it cannot expand, where pathlib's raises)
    if path.startswith("~") or (not asked and not Path(path).is_absolute()):
        raise FileNotFoundError(0, "no home folder", chosen)
    return Path(path).absolute()
