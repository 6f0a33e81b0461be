"""The backup of one face by incremental pruning (Cassandra, Littman and Zhang 1997).

    prune( union over a of  r[a] + sum over branches of a of the branch's vectors ),

where sums of sets are all sums of their elements, pruned after each summand. Each pruning says
what it may have lost; the losses of one action add up.
"""

from __future__ import annotations

import numpy as np

from pomdptool.kernels.exact.backup import Branches
from pomdptool.solving.exact.backup import BackedUp, Found, backed_up, united
from pomdptool.solving.exact.lp_pruning import prune
from pomdptool.solving.exact.projections import cross_sum, rows_of
from pomdptool.solving.exact.value_function import Part
from pomdptool.solving.solution import Monitor
from pomdptool.sparse import FloatArray


def backup_by_pruning(branches: Branches, old: Part, *, given: bool, monitor: Monitor) -> BackedUp:
    """Back up a face; with `given` the old vectors stay in where they are the largest."""
    found = [_of_action(branches, a, old.beliefs, monitor) for a in range(len(branches.rewards))]
    return backed_up(united(found), old, given=given, monitor=monitor)


def _of_action(branches: Branches, action: int, beliefs: FloatArray, monitor: Monitor) -> Found:
    vectors, lost, programs = branches.rewards[[action]], 0.0, 0
    for rows in rows_of(branches, action):
        ahead = prune(rows, beliefs, monitor.check)
        sums = cross_sum(vectors, rows[ahead.kept])
        monitor.check(len(sums))
        kept = prune(sums, beliefs, monitor.check)
        vectors = sums[kept.kept]
        lost += ahead.lost + kept.lost
        programs += ahead.programs + kept.programs
    return Found(vectors, np.full(len(vectors), action), lost, programs)
