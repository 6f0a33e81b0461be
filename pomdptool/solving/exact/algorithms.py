"""The classic algorithms for the backup of one face, by name."""

from __future__ import annotations

from typing import Protocol

from pomdptool.errors import PomdpError, nearest
from pomdptool.kernels.exact.backup import Branches
from pomdptool.solving.exact.backup import BackedUp
from pomdptool.solving.exact.enumeration import backup_by_enumeration
from pomdptool.solving.exact.incremental_pruning import backup_by_pruning
from pomdptool.solving.exact.linear_support import backup_by_linear_support
from pomdptool.solving.exact.value_function import Part
from pomdptool.solving.exact.witness import backup_by_witness
from pomdptool.solving.solution import Monitor


class Backup(Protocol):
    """The backup of one face; with `given` the old vectors stay in where they are the largest."""

    def __call__(self, branches: Branches, old: Part, *, given: bool, monitor: Monitor) -> BackedUp:
        """Back up."""


BACKUPS: dict[str, Backup] = {
    "incremental": backup_by_pruning,
    "witness": backup_by_witness,
    "linear-support": backup_by_linear_support,
    "enumerate": backup_by_enumeration,
}


def backup_named(name: str) -> Backup:
    """Find an algorithm.

    Raises
    ------
    PomdpError
        Where there is none of this name.
    """
    if name in BACKUPS:
        return BACKUPS[name]
    hint = nearest(name, BACKUPS) or f": one of {', '.join(BACKUPS)}"
    raise PomdpError(f"there is no algorithm {name!r}{hint}")
