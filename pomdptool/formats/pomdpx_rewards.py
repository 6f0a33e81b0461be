"""R of a POMDPX file: the sum of its reward tables, each over some of the variables of a step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pomdptool.formats.pomdpx_tables import Table
from pomdptool.formats.pomdpx_variables import Role
from pomdptool.formats.rules import latest
from pomdptool.rewards import (
    NO_REWARDS,
    TABLE_LIMIT,
    Rewards,
    reward_on_support,
    reward_table,
    support_of,
)
from pomdptool.sparse import FloatArray, IntArray, SparseRows

AXES: tuple[Role, ...] = ("previous", "current", "observation")
"""What the axes s, s' and o of R are made of."""


@dataclass(frozen=True, slots=True)
class Steps:
    """What the steps of a model are made of.

    Attributes
    ----------
    actions
        For each action, the index of the value of each action variable.
    digits
        For each of `AXES`, the index of the value of each of its variables, by s, s' or o.
    sizes
        How many s, s' and o there are.
    """

    actions: Sequence[dict[str, int]]
    digits: dict[Role, dict[str, IntArray]]
    sizes: tuple[int, int, int]


def rewards_of(tables: Sequence[Table], steps: Steps, T: SparseRows, Z: SparseRows) -> Rewards:
    """R over the axes that some table names, or, where that is too large, on the support."""
    if not tables:
        return NO_REWARDS
    named = {axis.role for table in tables for axis in table.named_axes()}
    sizes = tuple(n if role in named else 1 for role, n in zip(AXES, steps.sizes, strict=True))
    n = math.prod(sizes)
    if len(steps.actions) * n <= TABLE_LIMIT:
        points = np.unravel_index(np.arange(n), sizes)
        parts = [_sum(tables, action, steps, points) for action in steps.actions]
        return reward_table(np.array(parts).reshape(len(parts), *sizes))
    return _on_support(tables, steps, T, Z, by_observation="observation" in named)


def _on_support(
    tables: Sequence[Table], steps: Steps, T: SparseRows, Z: SparseRows, *, by_observation: bool
) -> Rewards:
    t_entry = np.arange(T.nonzeros)
    o = np.zeros(T.nonzeros, dtype=np.int64)
    if by_observation:
        support = support_of(T, Z)
        t_entry, o = support.t_entry, Z.indices[support.z_entry].astype(np.int64)
    a, s = np.divmod(T.row_of_entry()[t_entry], T.n_columns)
    s2 = T.indices[t_entry].astype(np.int64)
    cuts = np.searchsorted(a, np.arange(len(steps.actions) + 1))
    values = np.empty(len(t_entry))
    for k, action in enumerate(steps.actions):
        part = slice(cuts[k], cuts[k + 1])
        values[part] = _sum(tables, action, steps, (s[part], s2[part], o[part]))
    return reward_on_support(values, by_observation)


def _sum(
    tables: Sequence[Table], action: dict[str, int], steps: Steps, points: Sequence[IntArray]
) -> FloatArray:
    """What the tables say, together, at points (s, s', o) for one action."""
    total = np.zeros(len(points[0]))
    for table in tables:
        kinds = table.given(action)
        named = {axis for kind in kinds for axis in kind.axes}
        where = [np.zeros(0, dtype=np.int64)] * len(table.axes)
        for axis in named:
            variable = table.axes[axis]
            point = points[AXES.index(variable.role)]
            where[axis] = steps.digits[variable.role][variable.name][point]
        total += latest(kinds, where, len(total), table.shape)[0]
    return total
