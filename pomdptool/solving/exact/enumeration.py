"""The backup of one face by enumeration (Monahan 1982): list every sum, then prune once.

An action has as many vectors as the product of its branches' sizes, so this is for small problems,
and to compare with. Pruning is Lark's filter (White 1991), see `prune`.
"""

from __future__ import annotations

import math

import numpy as np

from pomdptool.errors import PomdpError
from pomdptool.kernels.exact.backup import Branches
from pomdptool.solving.exact.backup import BackedUp, Found, backed_up, united
from pomdptool.solving.exact.projections import cross_sum, rows_of
from pomdptool.solving.exact.value_function import Part
from pomdptool.solving.solution import Monitor

MAX_VECTORS = 1_000_000
"""Sums of a backup beyond which they are not listed."""


def backup_by_enumeration(
    branches: Branches, old: Part, *, given: bool, monitor: Monitor
) -> BackedUp:
    """Back up a face; with `given` the old vectors stay in where they are the largest.

    Raises
    ------
    PomdpError
        Where there are too many sums.
    """
    sets = [rows_of(branches, a) for a in range(len(branches.rewards))]
    total = sum(math.prod(map(len, of_action)) for of_action in sets)
    monitor.check(total)
    if total > MAX_VECTORS:
        raise PomdpError(
            f"enumeration would have to list {total:.3g} vectors for one backup: "
            "use --algorithm incremental, witness or linear-support"
        )
    found = []
    for a, of_action in enumerate(sets):
        vectors = branches.rewards[[a]]
        for rows in of_action:
            monitor.check()
            vectors = cross_sum(vectors, rows)
        found.append(Found(vectors, np.full(len(vectors), a), 0.0, 0))
    return backed_up(united(found), old, given=given, monitor=monitor)
