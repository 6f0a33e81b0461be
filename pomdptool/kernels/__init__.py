"""Compiled loops over arrays: the caller allocates, the kernel fills. No project types.

numba keeps what it compiled beside the source or under the home folder. Where it finds no place
to write it would refuse to work at all; then a folder of this process's own serves.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile

import numba


def _nothing() -> None:
    """Ask numba whether it finds a place for its cache."""


try:
    numba.njit(cache=True)(_nothing)
except RuntimeError:
    numba.config.CACHE_DIR = tempfile.mkdtemp(prefix="pomdptool-")
    atexit.register(shutil.rmtree, numba.config.CACHE_DIR, ignore_errors=True)
