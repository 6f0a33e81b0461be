"""The backup of one face by enumeration (Monahan 1982): list every sum, then prune once.

The number of an action's sums is the product of its branches' sizes, so this serves small problems
and comparisons. Pruning is Lark's filter (White 1991), see `prune`.
"""

from __future__ import annotations

import math

import numpy as np

from pomdptool.errors import PomdpError
from pomdptool.kernels.exact.backup import Branches
from pomdptool.solving.exact.backup import Candidates, FaceBackup, prune_union
from pomdptool.solving.exact.projections import cross_sum, projected_sets
from pomdptool.solving.exact.value_function import VectorSet
from pomdptool.solving.solution import Monitor

MAX_VECTORS = 1_000_000
"""Maximum number of sums of one backup that are listed."""


def backup_by_enumeration(
    branches: Branches, old: VectorSet, *, keep_old: bool, monitor: Monitor
) -> FaceBackup:
    """Back up a face (see `algorithms.Backup`).

    Raises PomdpError if there are more than `MAX_VECTORS` sums.
    """
    sets = [projected_sets(branches, a) for a in range(len(branches.rewards))]
    total = sum(math.prod(map(len, of_action)) for of_action in sets)
    monitor.check(total)
    if total > MAX_VECTORS:
        raise PomdpError(
            f"enumeration would have to list {total:.3g} vectors for one backup: "
            "use --algorithm incremental, witness or linear-support"
        )
    candidates = []
    for a, of_action in enumerate(sets):
        vectors = branches.rewards[[a]]
        for rows in of_action:
            monitor.check()
            vectors = cross_sum(vectors, rows)
        candidates.append(Candidates(vectors, np.full(len(vectors), a), 0.0, 0))
    return prune_union(candidates, old, keep_old=keep_old, monitor=monitor)
