"""R of a POMDPX file: the sum of its reward tables over the variables of a transition."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from pomdptool.formats.pomdpx.tables import Table
from pomdptool.formats.pomdpx.variables import Digits, Role
from pomdptool.formats.wildcard_rules import Indices, RuleGroup, evaluate_rules
from pomdptool.rewards import NO_REWARDS, TABLE_LIMIT, Rewards, reward_on_support, reward_table
from pomdptool.sparse import BLOCK, FloatArray, IntArray, SparseRows
from pomdptool.steps import steps_of

AXES: tuple[Role, ...] = ("previous", "current", "observation")
"""Roles of the variables of the axes s, s' and o of R."""


@dataclass(frozen=True, slots=True)
class ActionClasses:
    """Classes of actions with the same rules in all tables.

    `representatives` has the value index of each action variable, for the first action of each
    class; `of_action`, shape (A,), is the class of each action.
    """

    representatives: Sequence[dict[str, int]]
    of_action: IntArray

    def runs(self) -> list[tuple[int, int, int]]:
        """Class, first and end of the consecutive actions of one class."""
        cuts = np.flatnonzero(np.diff(self.of_action)) + 1
        ends = [0, *cuts.tolist(), len(self.of_action)]
        return [(int(self.of_action[first]), first, last) for first, last in pairwise(ends)]


@dataclass(frozen=True, slots=True)
class StepSpace:
    """Transitions of a model: value indices of the variables of s, s' and o, and their numbers."""

    classes: ActionClasses
    digits: dict[Role, dict[str, Digits]]
    sizes: tuple[int, int, int]


def rewards_of(tables: Sequence[Table], steps: StepSpace, T: SparseRows, Z: SparseRows) -> Rewards:
    """R over the axes that some rule fixes or, if that is too large, on the support of T and Z."""
    if not tables:
        return NO_REWARDS
    named = {axis.role for table in tables for axis in table.named_axes()}
    sizes = tuple(n if role in named else 1 for role, n in zip(AXES, steps.sizes, strict=True))
    n = math.prod(sizes)
    of_action = steps.classes.of_action
    if len(of_action) * n <= TABLE_LIMIT:
        of_class = np.empty((len(steps.classes.representatives), n))
        for row, action in zip(of_class, steps.classes.representatives, strict=True):
            rules = [(table, table.rules_for(action)) for table in tables]
            for first in range(0, n, BLOCK):
                points = np.unravel_index(np.arange(first, min(first + BLOCK, n)), sizes)
                row[first : first + BLOCK] = _sum_at(points, rules, steps)
        return reward_table(of_class[of_action].reshape(len(of_action), *sizes))
    return _on_support(tables, steps, T, Z, by_observation="observation" in named)


def _on_support(
    tables: Sequence[Table], steps: StepSpace, T: SparseRows, Z: SparseRows, *, by_observation: bool
) -> Rewards:
    a, *points = steps_of(T, Z, by_observation=by_observation).indices
    values = np.empty(len(a))
    for k, *actions in steps.classes.runs():
        first, last = np.searchsorted(a, actions).tolist()
        rules = [(table, table.rules_for(steps.classes.representatives[k])) for table in tables]
        for begin in range(first, last, BLOCK):
            part = slice(begin, min(begin + BLOCK, last))
            values[part] = _sum_at([index[part] for index in points], rules, steps)
    return reward_on_support(values, by_observation)


def _sum_at(
    points: Sequence[IntArray], rules: Sequence[tuple[Table, list[RuleGroup]]], steps: StepSpace
) -> FloatArray:
    """Sum of the tables' rewards for an action, at points (s, s', o)."""
    total = np.zeros(len(points[0]))
    for table, groups in rules:
        indices: list[Indices] = [np.zeros(0, dtype=np.int64)] * len(table.axes)
        for axis in {axis for group in groups for axis in group.axes}:
            variable = table.axes[axis]
            digit = steps.digits[variable.role][variable.name]
            indices[axis] = digit[points[AXES.index(variable.role)]]
        total += evaluate_rules(groups, indices, len(total), table.shape)[0]
    return total
