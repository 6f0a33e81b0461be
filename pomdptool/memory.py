"""Memory use of this process and available memory, if the system reports them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

STATM, MEMINFO = Path("/proc/self/statm"), Path("/proc/meminfo")
CONTAINER = Path("/sys/fs/cgroup")


def resident() -> int | None:
    """Resident memory of this process, in bytes; its peak, if only that is known."""
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
    """Bytes available without swapping, within a container and under `ulimit -v`."""
    known = [
        n
        for n in (_available_in_system(), _available_in_container(), _available_addresses())
        if n is not None
    ]
    return max(min(known), 0) if known else None


def _available_in_container() -> int | None:
    try:
        limit = (CONTAINER / "memory.max").read_text()
        used = (CONTAINER / "memory.current").read_text()
    except OSError:
        return None
    return None if limit.startswith("max") else int(limit) - int(used)


def _available_addresses() -> int | None:
    try:
        from resource import RLIM_INFINITY, RLIMIT_AS, getrlimit
    except ImportError:  # not a Unix
        return None
    limit, _ = getrlimit(RLIMIT_AS)
    if limit == RLIM_INFINITY:
        return None
    try:
        return limit - int(STATM.read_bytes().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None


def _available_in_system() -> int | None:
    try:
        for line in MEMINFO.read_bytes().splitlines():
            if line.startswith(b"MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # not reported by this system
        return None


def default_memory_limit() -> int | None:
    """Memory limit of this process: its resident memory plus half of the available memory."""
    used, free = resident(), available()
    return None if used is None or free is None else used + free // 2
