"""What the backup of one face gives, and the ends that algorithms share.

A backup is a union over the actions a of  r[a] + sum over the branches of a of one vector each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pomdptool.kernels.exact.backup import Branches, backups
from pomdptool.solving.exact.lp_pruning import prune, rise
from pomdptool.solving.exact.value_function import Part
from pomdptool.solving.solution import Monitor
from pomdptool.sparse import FloatArray, IntArray


@dataclass(frozen=True, eq=False, slots=True)
class BackedUp:
    """One face after a backup.

    Attributes
    ----------
    part
        Its vectors.
    residual
        By how much the backup exceeds the old vectors at most.
    lost
        By how much it exceeds the new ones at most.
    vertices, programs
        Of its polytope; linear programs that were solved.
    """

    part: Part
    residual: float
    lost: float
    vertices: int = 0
    programs: int = 0


@dataclass(frozen=True, eq=False, slots=True)
class Found:
    """Vectors that make up a backup, shape (n, d), their actions, what they lack, and programs."""

    vectors: FloatArray
    actions: IntArray
    lost: float
    programs: int


def united(sets: list[Found]) -> Found:
    """Put what was found for each action together."""
    return Found(
        np.vstack([found.vectors for found in sets]),
        np.concatenate([found.actions for found in sets]),
        max(found.lost for found in sets),
        sum(found.programs for found in sets),
    )


def backed_up(found: Found, old: Part, *, given: bool, monitor: Monitor) -> BackedUp:
    """Prune the union; with `given` the old vectors stay in where they are the largest."""
    vectors, actions = found.vectors, found.actions
    if given:
        vectors, actions = np.vstack([vectors, old.vectors]), np.append(actions, old.actions)
    kept = prune(vectors, old.beliefs, monitor.check)
    part = Part(vectors[kept.kept], actions[kept.kept], kept.witnesses)
    lost = found.lost + kept.lost
    more, programs = rise(part.vectors, old.vectors, monitor.check)
    return BackedUp(part, lost + more, lost, programs=found.programs + kept.programs + programs)


def backup_single(branches: Branches, old: Part, *, given: bool) -> BackedUp:
    """Back up a face of one state, where the best vector is a number."""
    b = np.ones((1, 1))
    vector, action = np.empty((1, 1)), np.zeros(1, np.int64)
    backups(b, branches, vector, action)
    best = int(np.argmax(old.vectors[:, 0]))
    residual = float(vector[0, 0] - old.vectors[best, 0])
    if given and residual <= 0.0:
        vector, action = old.vectors[[best]], old.actions[[best]]
    return BackedUp(Part(vector, action, b), max(residual, 0.0), 0.0)
