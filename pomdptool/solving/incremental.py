"""The backup of one face by incremental pruning (Cassandra, Littman and Zhang 1997).

    prune( union over a of  r[a] + sum over branches of a of the branch's vectors ),

where sums of sets are all sums of their elements, pruned after each summand. Each pruning says
what it may have lost; the losses of one backup add up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pomdptool.kernels.polytope import Branches, backups
from pomdptool.solving.prune import prune
from pomdptool.solving.solution import Watch
from pomdptool.solving.stage import Part
from pomdptool.sparse import FloatArray


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
    """

    part: Part
    residual: float
    lost: float


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


def backup_by_pruning(branches: Branches, old: Part, *, given: bool, watch: Watch) -> BackedUp:
    """Back up a face; with `given` the old vectors stay in where they are the largest."""
    lost = 0.0
    sets, actions = [], []
    for a in range(len(branches.rewards)):
        total: FloatArray = branches.rewards[[a]]
        for j in np.flatnonzero(branches.actions == a).tolist():
            ahead = branches.vectors[branches.starts[j] : branches.starts[j + 1]]
            reduced = prune(ahead, old.beliefs, watch.check)
            sums = total[:, np.newaxis] + ahead[reduced.kept][np.newaxis]
            sums = sums.reshape(-1, total.shape[1])
            watch.check()
            kept = prune(sums, old.beliefs, watch.check)
            total = sums[kept.kept]
            lost += reduced.lost + kept.lost
        sets.append(total)
        actions.append(np.full(len(total), a))
    union = np.vstack(sets)
    residual = lost + _rise(union, old.vectors)
    if given:
        union = np.vstack([union, old.vectors])
        actions.append(old.actions)
    kept = prune(union, old.beliefs, watch.check)
    part = Part(union[kept.kept], np.concatenate(actions)[kept.kept], kept.witnesses)
    return BackedUp(part, residual, lost + kept.lost)


def _rise(vectors: FloatArray, old: FloatArray) -> float:
    """Bound how far one set exceeds another anywhere, by comparing vectors singly."""
    return max(0.0, max(float((v - old).max(axis=1).min()) for v in vectors))
