"""The backup of one face by incremental pruning (Cassandra, Littman and Zhang 1997).

    prune( union over a of  r[a] + cross-sum of the branches of a ),

where the cross-sum is pruned after each branch. Each pruning bounds its loss; the losses of an
action add up.
"""

from __future__ import annotations

import numpy as np

from pomdptool.kernels.exact.backup import Branches
from pomdptool.solving.exact.backup import Candidates, FaceBackup, prune_union
from pomdptool.solving.exact.lp_pruning import prune
from pomdptool.solving.exact.projections import cross_sum, projected_sets
from pomdptool.solving.exact.value_function import VectorSet
from pomdptool.solving.solution import Monitor
from pomdptool.sparse import FloatArray


def backup_by_incremental_pruning(
    branches: Branches, old: VectorSet, *, keep_old: bool, monitor: Monitor
) -> FaceBackup:
    """Back up a face (see `algorithms.Backup`)."""
    actions = range(len(branches.rewards))
    sets = [_action_candidates(branches, a, old.beliefs, monitor) for a in actions]
    return prune_union(sets, old, keep_old=keep_old, monitor=monitor)


def _action_candidates(
    branches: Branches, action: int, beliefs: FloatArray, monitor: Monitor
) -> Candidates:
    vectors, loss, programs = branches.rewards[[action]], 0.0, 0
    for rows in projected_sets(branches, action):
        branch = prune(rows, beliefs, monitor.check)
        sums = cross_sum(vectors, rows[branch.kept])
        monitor.check(len(sums))
        pruned = prune(sums, beliefs, monitor.check)
        vectors = sums[pruned.kept]
        loss += branch.loss + pruned.loss
        programs += branch.programs + pruned.programs
    return Candidates(vectors, np.full(len(vectors), action), loss, programs)
