"""Pruning: the vectors of a set that are maximal somewhere on the belief simplex.

A vector is kept if it exceeds the others by more than a margin at some belief, its witness. Cheap
tests come first: exact duplicates, pointwise dominance, and earlier witnesses. The remaining
vectors are tested by linear programs, in the form of Lark's filter (White 1991):

    maximise v . b - u   subject to   w . b <= u for every kept w,  sum b = 1,  b >= 0

Only the objective depends on v, and a kept vector adds a row, so each program starts from the
previous basis. With two states the simplex is a segment, and one sweep over the slopes gives the
upper envelope without a program.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pomdptool.envelope import upper_envelope
from pomdptool.kernels.exact import dominance as kernel
from pomdptool.kernels.jit import request_compilation
from pomdptool.solving.exact.highs import check_status, new_solver, solve_to_optimality
from pomdptool.sparse import FloatArray, IntArray

MARGIN = 1e-10
"""Smallest excess of a kept vector, relative to the span of values."""

MARGIN_TWO_STATES = 1e-13
"""The same without a linear program."""

TRUSTED = 1e-8
"""A vector is kept if the dual bound on its excess, relative to the span, is larger."""

BLOCK = 2000
"""Minimum number of vectors compared between checks of limits."""

Check = Callable[[], None]


@dataclass(frozen=True, eq=False, slots=True)
class Pruned:
    """The kept vectors' indices, shape (k,), ascending, and a belief where each is maximal.

    `loss` is a certified bound on the maximum over all vectors less that over the kept ones.
    """

    kept: IntArray
    witnesses: FloatArray
    loss: float
    programs: int = 0


def prune(vectors: FloatArray, witnesses: FloatArray, check: Check) -> Pruned:
    """Remove dominated vectors from a set.

    Parameters
    ----------
    vectors
        Shape (n, S), n > 0. Of equal vectors the first is kept.
    witnesses
        Shape (m, S): beliefs to try first; the corners are always tried.
    check
        Called between programs; raises `LimitReached`.
    """
    n_states = vectors.shape[1]
    if n_states == 1:
        return Pruned(np.array([int(np.argmax(vectors[:, 0]))]), np.ones((1, 1)), 0.0)
    if n_states == 2:
        return _envelope(vectors, MARGIN_TWO_STATES * _span(vectors), check)
    candidates = _undominated(vectors, check)
    known = _largest_at(vectors, candidates, witnesses, check)
    rest = np.setdiff1d(candidates, known.kept)
    return _filter(vectors, rest, known, check) if len(rest) else known


def max_excess(vectors: FloatArray, old: FloatArray, check: Check) -> tuple[float, int]:
    """Upper bound on the excess of one set over another, at least 0, and linear programs solved.

    The excess of a vector over the old set is at most that over any single old vector. Programs
    are solved in descending order of this bound, while it exceeds the largest excess so far.
    """
    singly = np.array([float((v - old).max(axis=1).min()) for v in vectors])
    program = ExcessProgram(old, _span(np.vstack([vectors, old])))
    worst = 0.0
    for k in np.argsort(-singly).tolist():
        if singly[k] <= worst:
            break
        check()
        worst = max(worst, min(float(singly[k]), program.solve(vectors[k]).upper))
    return worst, program.runs


def _span(vectors: FloatArray) -> float:
    return max(1.0, float(np.ptp(vectors)))


def _undominated(vectors: FloatArray, check: Check) -> IntArray:
    """Vectors not dominated pointwise by a single other one; the first of equal ones."""
    request_compilation(len(vectors) ** 2)
    order = np.lexsort((np.arange(len(vectors)), -vectors.sum(axis=1)))
    kept = order[:0]
    while len(order):
        check()
        size = max(BLOCK, len(kept))
        compared, order = np.append(kept, order[:size]), order[size:]
        places = np.empty(len(compared), np.int64)
        n = kernel.undominated(np.ascontiguousarray(vectors[compared]), 0.0, places)
        kept = compared[places[:n]]
    return np.sort(kept)


def _largest_at(
    vectors: FloatArray, candidates: IntArray, beliefs: FloatArray, check: Check
) -> Pruned:
    """Candidates that are maximal at a corner or at one of some beliefs, with that belief."""
    rows = vectors[candidates]
    beliefs = np.vstack([np.eye(vectors.shape[1]), beliefs])
    largest = []
    for b in beliefs:
        check()
        largest.append(int(np.argmax(rows @ b)))
    chosen, first = np.unique(largest, return_index=True)
    return Pruned(candidates[chosen], beliefs[first], 0.0)


def _filter(vectors: FloatArray, rest: IntArray, known: Pruned, check: Check) -> Pruned:
    """Test the rest by linear programs; a witness may add a vector other than the tested one."""
    program = ExcessProgram(vectors[known.kept], _span(vectors))
    kept, witnesses = known.kept.tolist(), list(known.witnesses)
    left, loss = rest, 0.0
    while len(left):
        check()
        excess = program.solve(vectors[left[-1]])
        if excess.dominated:
            loss = max(loss, excess.upper)
            left = left[:-1]
            continue
        k = len(left) - 1
        if excess.lower > 0.0:
            k = int(np.argmax(vectors[left] @ excess.belief))
        kept.append(int(left[k]))
        witnesses.append(excess.belief)
        program.add(vectors[left[k]])
        left = np.delete(left, k)
    order = np.argsort(kept)
    return Pruned(np.array(kept)[order], np.array(witnesses)[order], loss, program.runs)


@dataclass(frozen=True, eq=False, slots=True)
class ExcessBounds:
    """Bounds on the largest excess of a vector over the kept ones.

    `lower` is the excess at the maximising belief and `upper` a bound by weak duality; both are
    computed from the solution, not taken from the solver. Up to margins the vector `exceeds` the
    kept ones at the belief, or is `dominated` everywhere; neither if the solver failed.
    """

    belief: FloatArray
    lower: float
    upper: float
    exceeds: bool
    dominated: bool


class ExcessProgram:
    """The linear program of the filter, warm-started from vector to vector.

    `kept[:size]` are the kept vectors, `runs` counts solutions; margins are relative to the `span`
    of values.
    """

    def __init__(self, kept: FloatArray, span: float) -> None:
        n = kept.shape[1]
        self.kept = np.empty((2 * len(kept) + 16, n))
        self.size = 0
        self.runs = 0
        self.span = span
        self.columns = np.arange(n + 1, dtype=np.int32)
        self.scale = max(1.0, float(np.abs(kept).max()))
        self.highs = new_solver()
        for _ in range(n):
            check_status(self.highs.addVar(0.0, 1.0), "a probability")
        check_status(self.highs.addVar(-np.inf, np.inf), "the value")
        check_status(self.highs.addRow(1.0, 1.0, n, self.columns[:n], np.ones(n)), "their sum")
        for w in kept:
            self.add(w)

    def add(self, w: FloatArray) -> None:
        """Add a kept vector."""
        if self.size == len(self.kept):
            self.kept = np.vstack([self.kept, np.empty_like(self.kept)])
        self.kept[self.size] = w
        self.size += 1
        row = np.append(w / self.scale, -1.0)
        check_status(self.highs.addRow(-np.inf, 0.0, len(row), self.columns, row), "a kept vector")

    def solve(self, v: FloatArray) -> ExcessBounds:
        """Maximise the excess of v over the kept vectors."""
        self.runs += 1
        cost = np.append(v / self.scale, -1.0)
        check_status(self.highs.changeColsCost(len(cost), self.columns, cost), "the objective")
        kept, uniform = self.kept[: self.size], np.full(len(v), 1.0 / len(v))
        if not solve_to_optimality(self.highs):
            return ExcessBounds(uniform, -np.inf, np.inf, exceeds=False, dominated=False)
        solution = self.highs.getSolution()
        b = np.maximum(np.array(solution.col_value[:-1]), 0.0)
        b = b / b.sum() if b.sum() > 0.0 else uniform
        weights = np.maximum(np.array(solution.row_dual[1:]), 0.0)
        upper = np.inf
        if weights.sum() > 0.0:
            upper = max(float((v - (weights / weights.sum()) @ kept).max()), 0.0)
        lower = float(v @ b - (kept @ b).max())
        exceeds = lower > MARGIN * self.span
        return ExcessBounds(b, lower, upper, exceeds, not exceeds and upper <= TRUSTED * self.span)


def _envelope(vectors: FloatArray, margin: float, check: Check) -> Pruned:
    """Lines of the upper envelope that exceed the others by more than the margin."""
    kept, loss = np.array([k for k, _, _ in upper_envelope(vectors, check)]), 0.0
    while True:
        witnesses, excess = _intervals(vectors[kept])
        small = excess <= margin
        small[1:] &= ~small[:-1]
        if len(kept) == 1 or not small.any():
            break
        kept = kept[~small]
        loss += margin
    order = np.argsort(kept)
    return Pruned(kept[order], witnesses[order], loss)


def _intervals(lines: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Midpoint of the interval where each line of an envelope is maximal, and its excess there.

    The lines are sorted by slope.
    """
    slope = lines[:, 1] - lines[:, 0]
    crossing = (lines[:-1, 0] - lines[1:, 0]) / (slope[1:] - slope[:-1])
    ends = np.clip(np.concatenate([[0.0], crossing, [1.0]]), 0.0, 1.0)
    middle = (ends[:-1] + ends[1:]) / 2
    beliefs = np.column_stack([1.0 - middle, middle])
    values = beliefs @ lines.T
    own = values.diagonal().copy()
    np.fill_diagonal(values, -np.inf)
    return beliefs, own - values.max(axis=1)
