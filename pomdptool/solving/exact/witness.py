"""The backup of one face by the witness algorithm (Littman 1994; Kaelbling et al. 1998).

Each action by itself: its vectors are r[a] plus a choice of one vector for each branch. A set of
some of them lacks a vector only if it lacks a neighbour of one it has, where one branch chooses
otherwise: at a belief b let w be the largest of the set, then

    best choices . b - w . b  =  sum over the branches of (neighbour of w - w) . b

So neighbours of what was found are asked, by a linear program, whether they exceed the set
anywhere. At such a belief, the witness, the best choices make a new vector. When no neighbour
exceeds the set by more than e, the best choices do not by more than e times the number of branches.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pomdptool.kernels.exact.backup import Branches
from pomdptool.solving.exact.backup import BackedUp, Found, backed_up, united
from pomdptool.solving.exact.lp_pruning import Program, prune
from pomdptool.solving.exact.projections import rows_of
from pomdptool.solving.exact.value_function import Part
from pomdptool.solving.solution import Monitor
from pomdptool.sparse import FloatArray

Choice = tuple[int, ...]
"""For each branch the index of its vector."""


def backup_by_witness(branches: Branches, old: Part, *, given: bool, monitor: Monitor) -> BackedUp:
    """Back up a face; with `given` the old vectors stay in where they are the largest."""
    found = [_of_action(branches, a, old.beliefs, monitor) for a in range(len(branches.rewards))]
    return backed_up(united(found), old, given=given, monitor=monitor)


def _of_action(branches: Branches, action: int, beliefs: FloatArray, monitor: Monitor) -> Found:
    reward, sets, lost, programs = branches.rewards[action], [], 0.0, 0
    for rows in rows_of(branches, action):
        ahead = prune(rows, beliefs, monitor.check)
        sets.append(rows[ahead.kept])
        lost += ahead.lost
        programs += ahead.programs
    search = _Search(reward, sets)
    search.run(monitor)
    vectors = search.program.kept[: search.program.size]
    lost += len(sets) * search.lost
    return Found(vectors, np.full(len(vectors), action), lost, programs + search.program.runs)


class _Search:
    """The vectors of one action found so far, and the neighbours that are left to ask."""

    def __init__(self, reward: FloatArray, sets: list[FloatArray]) -> None:
        self.reward, self.sets = reward, sets
        self.lost = 0.0
        first = self.best(np.full(len(reward), 1.0 / len(reward)))
        span = float(np.ptp(reward)) + sum(float(np.ptp(rows)) for rows in sets)
        self.program = Program(self.vector(first)[np.newaxis], max(1.0, span))
        self.seen = {first}
        self.agenda: list[Choice] = []
        self.expand(first)

    def best(self, b: FloatArray) -> Choice:
        """The best choices at a belief."""
        return tuple(int(np.argmax(rows @ b)) for rows in self.sets)

    def vector(self, choice: Choice) -> FloatArray:
        """The vector of some choices."""
        v = self.reward.copy()
        for rows, i in zip(self.sets, choice, strict=True):
            v += rows[i]
        return v

    def expand(self, choice: Choice) -> None:
        """Put the neighbours that are new on the agenda."""
        fresh = [neighbour for neighbour in self.neighbours(choice) if neighbour not in self.seen]
        self.agenda += fresh
        self.seen.update(fresh)

    def neighbours(self, choice: Choice) -> Iterator[Choice]:
        """Yield choices that differ in one branch."""
        for k, rows in enumerate(self.sets):
            for i in range(len(rows)):
                if i != choice[k]:
                    yield (*choice[:k], i, *choice[k + 1 :])

    def run(self, monitor: Monitor) -> None:
        """Ask what is on the agenda until it is empty."""
        while self.agenda:
            monitor.check(self.program.size)
            asked = self.program.ask(self.vector(self.agenda[-1]))
            if asked.covered:
                self.lost = max(self.lost, asked.limit)
                self.agenda.pop()
                continue
            found = self.best(asked.belief) if asked.exceeds else self.agenda.pop()
            self.seen.add(found)
            self.program.add(self.vector(found))
            self.expand(found)
