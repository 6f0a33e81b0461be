"""The backup of one face by the witness algorithm (Littman 1994; Kaelbling et al. 1998).

Each action is treated separately: its vectors are r[a] plus one row of each branch. By the witness
theorem a set of some of them is incomplete only if a neighbour of one of them, which differs in the
choice of one branch, exceeds the set: at a belief b let w be the set's largest vector, then

    best choices . b - w . b  =  sum over the branches of (neighbour of w - w) . b

So neighbours of the vectors in the set are tested by a linear program. At the maximising belief,
the witness, the best choices give a new vector. When no neighbour exceeds the set by more than e,
the best choices exceed it by at most e times the number of branches.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pomdptool.kernels.exact.backup import Branches
from pomdptool.solving.exact.backup import Candidates, FaceBackup, prune_union
from pomdptool.solving.exact.lp_pruning import ExcessProgram, prune
from pomdptool.solving.exact.projections import projected_sets
from pomdptool.solving.exact.value_function import VectorSet
from pomdptool.solving.solution import Monitor
from pomdptool.sparse import FloatArray

Choice = tuple[int, ...]
"""The index of a row for each branch."""


def backup_by_witness(
    branches: Branches, old: VectorSet, *, keep_old: bool, monitor: Monitor
) -> FaceBackup:
    """Back up a face (see `algorithms.Backup`)."""
    actions = range(len(branches.rewards))
    sets = [_action_candidates(branches, a, old.beliefs, monitor) for a in actions]
    return prune_union(sets, old, keep_old=keep_old, monitor=monitor)


def _action_candidates(
    branches: Branches, action: int, beliefs: FloatArray, monitor: Monitor
) -> Candidates:
    sets, loss, programs = [], 0.0, 0
    for rows in projected_sets(branches, action):
        pruned = prune(rows, beliefs, monitor.check)
        sets.append(rows[pruned.kept])
        loss += pruned.loss
        programs += pruned.programs
    search = _Search(branches.rewards[action], sets)
    search.run(monitor)
    vectors = search.program.kept[: search.program.size]
    loss += len(sets) * search.loss
    actions = np.full(len(vectors), action)
    return Candidates(vectors, actions, loss, programs + search.program.runs)


class _Search:
    """One action's vectors so far, and the agenda of neighbours that are still to be tested."""

    def __init__(self, reward: FloatArray, sets: list[FloatArray]) -> None:
        self.reward, self.sets = reward, sets
        self.loss = 0.0
        first = self.best(np.full(len(reward), 1.0 / len(reward)))
        span = float(np.ptp(reward)) + sum(float(np.ptp(rows)) for rows in sets)
        self.program = ExcessProgram(self.vector(first)[np.newaxis], max(1.0, span))
        self.generated = {first}
        self.agenda: list[Choice] = []
        self.expand(first)

    def best(self, b: FloatArray) -> Choice:
        """The best choices at a belief."""
        return tuple(int(np.argmax(rows @ b)) for rows in self.sets)

    def vector(self, choice: Choice) -> FloatArray:
        """The sum of the reward and the chosen rows."""
        v = self.reward.copy()
        for rows, i in zip(self.sets, choice, strict=True):
            v += rows[i]
        return v

    def expand(self, choice: Choice) -> None:
        """Add new neighbours to the agenda."""
        new = [choice for choice in self.neighbours(choice) if choice not in self.generated]
        self.agenda += new
        self.generated.update(new)

    def neighbours(self, choice: Choice) -> Iterator[Choice]:
        """Yield the choices that differ in one branch."""
        for k, rows in enumerate(self.sets):
            for i in range(len(rows)):
                if i != choice[k]:
                    yield (*choice[:k], i, *choice[k + 1 :])

    def run(self, monitor: Monitor) -> None:
        """Test the neighbours on the agenda until it is empty."""
        while self.agenda:
            monitor.check(self.program.size)
            excess = self.program.solve(self.vector(self.agenda[-1]))
            if excess.dominated:
                self.loss = max(self.loss, excess.upper)
                self.agenda.pop()
                continue
            new = self.best(excess.belief) if excess.exceeds else self.agenda.pop()
            self.generated.add(new)
            self.program.add(self.vector(new))
            self.expand(new)
