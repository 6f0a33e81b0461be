"""How much memory this process holds, and how much is free, where the system tells."""

from __future__ import annotations

import os
import sys
from pathlib import Path

STATM, MEMINFO = Path("/proc/self/statm"), Path("/proc/meminfo")


def resident() -> int | None:
    """Bytes of memory that the process holds; where only that is told, the most it ever held."""
    try:
        return int(STATM.read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        pass
    try:
        from resource import RUSAGE_SELF, getrusage
    except ImportError:  # not a Unix
        return None
    return getrusage(RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def available() -> int | None:
    """Bytes that can be had without swapping."""
    try:
        for line in MEMINFO.read_bytes().splitlines():
            if line.startswith(b"MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # unknown here
        return None


def half_of_what_is_free() -> int | None:
    """Limit on the memory of this process that leaves half of what is free now to others."""
    held, free = resident(), available()
    return None if held is None or free is None else held + free // 2
