"""How much memory this process holds, and how much is free, where the system tells."""

from __future__ import annotations

import os
import sys
from pathlib import Path

STATM, MEMINFO = Path("/proc/self/statm"), Path("/proc/meminfo")
CONTAINER = Path("/sys/fs/cgroup")


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
    """Bytes that can be had: without swapping, within a container, and under `ulimit -v`."""
    known = [n for n in (_free(), _left_in_container(), _left_of_addresses()) if n is not None]
    return max(min(known), 0) if known else None


def _left_in_container() -> int | None:
    try:
        most = (CONTAINER / "memory.max").read_text()
        held = (CONTAINER / "memory.current").read_text()
    except OSError:
        return None
    return None if most.startswith("max") else int(most) - int(held)


def _left_of_addresses() -> int | None:
    try:
        from resource import RLIM_INFINITY, RLIMIT_AS, getrlimit
    except ImportError:  # not a Unix
        return None
    most, _ = getrlimit(RLIMIT_AS)
    if most == RLIM_INFINITY:
        return None
    try:
        return most - int(STATM.read_bytes().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None


def _free() -> int | None:
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
