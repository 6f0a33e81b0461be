"""The classic backup algorithms by name."""

from __future__ import annotations

from typing import Protocol

from pomdptool.errors import PomdpError, nearest
from pomdptool.kernels.exact.backup import Branches
from pomdptool.solving.exact.backup import FaceBackup
from pomdptool.solving.exact.enumeration import backup_by_enumeration
from pomdptool.solving.exact.incremental_pruning import backup_by_incremental_pruning
from pomdptool.solving.exact.linear_support import backup_by_linear_support
from pomdptool.solving.exact.value_function import VectorSet
from pomdptool.solving.exact.witness import backup_by_witness
from pomdptool.solving.solution import Monitor


class Backup(Protocol):
    """The backup of one face; `keep_old` keeps old vectors in the result where they are maximal."""

    def __call__(
        self, branches: Branches, old: VectorSet, *, keep_old: bool, monitor: Monitor
    ) -> FaceBackup:
        """Back up a face."""


BACKUPS: dict[str, Backup] = {
    "incremental": backup_by_incremental_pruning,
    "witness": backup_by_witness,
    "linear-support": backup_by_linear_support,
    "enumerate": backup_by_enumeration,
}


def find_algorithm(name: str) -> Backup:
    """Return the backup algorithm of a name.

    Raises
    ------
    PomdpError
        If there is none.
    """
    if name in BACKUPS:
        return BACKUPS[name]
    hint = nearest(name, BACKUPS) or f": one of {', '.join(BACKUPS)}"
    raise PomdpError(f"there is no algorithm {name!r}{hint}")
