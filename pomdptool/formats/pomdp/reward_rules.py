"""R from its statements: every statement is a rule that sets R over the axes that it names.

A rule names an index for some of the axes (a, s, s', o) and leaves the others open; the later of
two rules wins. Rules that name the same axes are kept together, the latest for each combination of
indices, and at the end the (at most sixteen) kinds are laid over each other by stamp: on a table
over the axes that any rule names, or, where that would be too large, on the support of T and Z.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from pomdptool.formats.pomdp.bulk_entries import Columns
from pomdptool.formats.rules import Kind, kinds_of, latest
from pomdptool.rewards import NO_REWARDS, TABLE_LIMIT, Rewards, reward_on_support, reward_table
from pomdptool.sparse import FloatArray, IntArray, SparseRows
from pomdptool.steps import steps_of


@dataclass(slots=True)
class RewardRules:
    """R while its statements are read; `shape` is (A, S, S, Z), Z = 1 for an MDP."""

    shape: tuple[int, int, int, int]
    rules: list[tuple[tuple[IntArray, ...], FloatArray, IntArray]] = field(default_factory=list)

    def add(self, columns: Columns, first_stamp: int) -> None:
        """Add the entries of a run, or of one statement; -1 leaves an axis open."""
        self.rules.append((columns.refs, columns.values, columns.order + first_stamp))

    def finish(self, T: SparseRows, Z: SparseRows, sign: float) -> Rewards:
        """Resolve the order of the rules; `sign` is -1 for costs."""
        if not self.rules:
            return NO_REWARDS
        kinds = self._kinds()
        used = tuple(
            n if any(axis in kind.axes for kind in kinds) else 1
            for axis, n in enumerate(self.shape)
        )
        if math.prod(used) <= TABLE_LIMIT:
            return reward_table(sign * self._on_table(kinds, used))
        by_observation = used[3] > 1
        values = sign * self._on_support(kinds, T, Z, by_observation)
        return reward_on_support(values, by_observation)

    def _kinds(self) -> list[Kind]:
        refs = [
            np.concatenate([rule[0][axis] if axis < len(rule[0]) else np.full(len(rule[1]), -1)
                            for rule in self.rules])
            for axis in range(4)
        ]  # fmt: skip
        values = np.concatenate([rule[1] for rule in self.rules])
        stamps = np.concatenate([rule[2] for rule in self.rules])
        return kinds_of(refs, values, stamps, self.shape)

    def _on_table(self, kinds: list[Kind], used: tuple[int, ...]) -> FloatArray:
        table = np.zeros(used)
        best = np.full(used, -1, dtype=np.int64)
        for kind in kinds:
            shape = tuple(self.shape[axis] if axis in kind.axes else 1 for axis in range(4))
            stamp = np.full(math.prod(shape), -1, dtype=np.int64)
            value = np.zeros(math.prod(shape))
            stamp[kind.keys], value[kind.keys] = kind.stamps, kind.values
            stamp, value = stamp.reshape(shape), value.reshape(shape)
            np.copyto(table, value, where=stamp > best)
            np.maximum(best, stamp, out=best)
        return table

    def _on_support(
        self, kinds: list[Kind], T: SparseRows, Z: SparseRows, by_observation: bool
    ) -> FloatArray:
        steps = steps_of(T, Z, by_observation=by_observation)
        return latest(kinds, steps.indices, len(steps), self.shape)[0]
