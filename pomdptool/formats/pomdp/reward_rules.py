"""Assembles R from its statements, which are rules with wildcards; later rules win.

A rule fixes an index for some of the axes (a, s, s', o) and leaves the others open. Rules that fix
the same axes form a group (at most sixteen), with the latest rule for each combination of indices.
The groups are merged by stamp: on a table over the axes that any rule fixes or, if that would be
too large, on the support of T and Z.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from pomdptool.formats.pomdp.bulk_entries import EntryColumns
from pomdptool.formats.wildcard_rules import RuleGroup, evaluate_rules, group_rules
from pomdptool.rewards import NO_REWARDS, TABLE_LIMIT, Rewards, reward_on_support, reward_table
from pomdptool.sparse import FloatArray, IntArray, SparseRows
from pomdptool.steps import steps_of


@dataclass(slots=True)
class RewardRules:
    """R under construction; `shape` is (A, S, S, Z), Z = 1 for an MDP."""

    shape: tuple[int, int, int, int]
    rules: list[tuple[tuple[IntArray, ...], FloatArray, IntArray]] = field(default_factory=list)

    def add(self, columns: EntryColumns, first_stamp: int) -> None:
        """Add entries; index -1 leaves an axis open."""
        self.rules.append((columns.refs, columns.values, columns.order + first_stamp))

    def finish(self, T: SparseRows, Z: SparseRows, sign: float) -> Rewards:
        """Build R; `sign` is -1 for costs."""
        if not self.rules:
            return NO_REWARDS
        groups = self._groups()
        used = tuple(
            n if any(axis in group.axes for group in groups) else 1
            for axis, n in enumerate(self.shape)
        )
        if math.prod(used) <= TABLE_LIMIT:
            return reward_table(sign * self._on_table(groups, used))
        by_observation = used[3] > 1
        values = sign * self._on_support(groups, T, Z, by_observation)
        return reward_on_support(values, by_observation)

    def _groups(self) -> list[RuleGroup]:
        refs = [
            np.concatenate([rule[0][axis] if axis < len(rule[0]) else np.full(len(rule[1]), -1)
                            for rule in self.rules])
            for axis in range(4)
        ]  # fmt: skip
        values = np.concatenate([rule[1] for rule in self.rules])
        stamps = np.concatenate([rule[2] for rule in self.rules])
        return group_rules(refs, values, stamps, self.shape)

    def _on_table(self, groups: list[RuleGroup], used: tuple[int, ...]) -> FloatArray:
        table = np.zeros(used)
        best = np.full(used, -1, dtype=np.int64)
        for group in groups:
            shape = tuple(self.shape[axis] if axis in group.axes else 1 for axis in range(4))
            stamp = np.full(math.prod(shape), -1, dtype=np.int64)
            value = np.zeros(math.prod(shape))
            stamp[group.keys], value[group.keys] = group.stamps, group.values
            stamp, value = stamp.reshape(shape), value.reshape(shape)
            np.copyto(table, value, where=stamp > best)
            np.maximum(best, stamp, out=best)
        return table

    def _on_support(
        self, groups: list[RuleGroup], T: SparseRows, Z: SparseRows, by_observation: bool
    ) -> FloatArray:
        steps = steps_of(T, Z, by_observation=by_observation)
        return evaluate_rules(groups, steps.indices, len(steps), self.shape)[0]
