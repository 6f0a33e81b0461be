"""Pruning: the vectors of a set that are largest somewhere on the belief simplex.

A vector is kept where it exceeds the others by more than a margin at some belief, its witness.
Cheap tests first: exact duplicates, pointwise dominance, and the beliefs that witnessed vectors
before. What is left is settled by linear programs, in the form of Lark's filter (White 1991):

    maximise v . b - u   subject to   w . b <= u for every kept w,  sum b = 1,  b >= 0

Only the objective depends on v, and a kept vector adds a row, so each program starts from the
basis of the one before. With two states the simplex is a segment and the upper envelope is found
by one sweep over the slopes, without a program.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pomdptool.kernels import dominance as kernel
from pomdptool.sparse import FloatArray, IntArray

MARGIN = 1e-10
"""A vector that exceeds the others by less, relative to the span of values, is dropped."""

MARGIN_TWO_STATES = 1e-13
"""The same where no linear program is needed."""

TRUSTED = 1e-8
"""A program whose dual cannot exclude a larger excess, relative to the span, keeps its vector."""

Check = Callable[[], None]


@dataclass(frozen=True, eq=False, slots=True)
class Pruned:
    """Which vectors are kept, and a belief for each at which it is the largest.

    Attributes
    ----------
    kept
        Shape (k,), ascending.
    witnesses
        Shape (k, S).
    lost
        The maximum over the kept vectors is nowhere further below that over all: certified.
    """

    kept: IntArray
    witnesses: FloatArray
    lost: float


def prune(vectors: FloatArray, witnesses: FloatArray, check: Check) -> Pruned:
    """Reduce a set to the vectors that matter.

    Parameters
    ----------
    vectors
        Shape (n, S), n > 0. Of equal vectors the first is kept.
    witnesses
        Shape (m, S): beliefs worth trying first; the corners are always tried.
    check
        Called between programs; raises where a limit is met.
    """
    n_states = vectors.shape[1]
    if n_states == 1:
        return Pruned(np.array([int(np.argmax(vectors[:, 0]))]), np.ones((1, 1)), 0.0)
    span = max(1.0, float(np.ptp(vectors)))
    if n_states == 2:
        return _envelope(vectors, MARGIN_TWO_STATES * span)
    candidates = _undominated(vectors)
    kept, found = _largest_at(vectors, candidates, witnesses)
    rest = np.setdiff1d(candidates, kept)
    if not len(rest):
        order = np.argsort(kept)
        return Pruned(kept[order], found[order], 0.0)
    return _filter(vectors, rest, Pruned(kept, found, 0.0), span, check)


def _undominated(vectors: FloatArray) -> IntArray:
    """Vectors that no single other one exceeds everywhere; of equal ones the first."""
    order = np.lexsort((np.arange(len(vectors)), -vectors.sum(axis=1)))
    kept = np.empty(len(order), np.int64)
    n = kernel.undominated(np.ascontiguousarray(vectors[order]), 0.0, kept)
    return np.sort(order[kept[:n]])


def _largest_at(
    vectors: FloatArray, candidates: IntArray, beliefs: FloatArray
) -> tuple[IntArray, FloatArray]:
    """Candidates that are the largest at a corner or at one of some beliefs, and that belief."""
    n_states = vectors.shape[1]
    at_corners = np.argmax(vectors[candidates], axis=0)
    at_beliefs = np.argmax(beliefs @ vectors[candidates].T, axis=1)
    chosen, first = np.unique(np.append(at_corners, at_beliefs), return_index=True)
    found = np.zeros((len(chosen), n_states))
    for row, k in zip(found, first.tolist(), strict=True):
        if k < n_states:
            row[k] = 1.0
        else:
            row[:] = beliefs[k - n_states]
    return candidates[chosen], found


def _filter(
    vectors: FloatArray, rest: IntArray, known: Pruned, span: float, check: Check
) -> Pruned:
    """Settle the rest by programs. A program's belief may bring in another vector than asked."""
    program = _Program(vectors[known.kept])
    kept, found = known.kept.tolist(), list(known.witnesses)
    left = rest.tolist()
    lost = 0.0
    while left:
        check()
        b, excess, limit = program.witness(vectors[left[-1]])
        if excess <= MARGIN * span and limit <= TRUSTED * span:
            lost = max(lost, limit)
            left.pop()
            continue
        best = left[int(np.argmax(vectors[left] @ b))] if excess > 0.0 else left[-1]
        left.remove(best)
        kept.append(best)
        found.append(b)
        program.add(vectors[best])
    order = np.argsort(kept)
    return Pruned(np.array(kept)[order], np.array(found)[order], lost)


class _Program:
    """The linear program of the filter, solved again and again."""

    def __init__(self, kept: FloatArray) -> None:
        import highspy

        n = kept.shape[1]
        self.kept = np.empty((2 * len(kept) + 16, n))
        self.size = 0
        self.columns = np.arange(n + 1, dtype=np.int32)
        self.scale = max(1.0, float(np.abs(kept).max()))
        self.highs = highspy.Highs()
        for option, value in (
            ("output_flag", False),
            ("threads", 1),
            ("presolve", "off"),
            ("primal_feasibility_tolerance", 1e-9),
            ("dual_feasibility_tolerance", 1e-9),
        ):
            self.highs.setOptionValue(option, value)
        infinity = highspy.kHighsInf
        for _ in range(n):
            self.highs.addVar(0.0, 1.0)
        self.highs.addVar(-infinity, infinity)
        self.highs.addRow(1.0, 1.0, n, self.columns[:n], np.ones(n))
        self.highs.changeObjectiveSense(highspy.ObjSense.kMaximize)
        for w in kept:
            self.add(w)

    def add(self, w: FloatArray) -> None:
        """Add a kept vector."""
        if self.size == len(self.kept):
            self.kept = np.vstack([self.kept, np.empty_like(self.kept)])
        self.kept[self.size] = w
        self.size += 1
        row = np.append(w / self.scale, -1.0)
        self.highs.addRow(-np.inf, 0.0, len(row), self.columns, row)

    def witness(self, v: FloatArray) -> tuple[FloatArray, float, float]:
        """Return the belief where v exceeds the kept vectors most, and bounds on by how much.

        Both bounds are computed from the solution, not taken from the solver: the lower one at the
        belief, the upper one from the multipliers of the kept vectors, by weak duality.
        """
        cost = np.append(v / self.scale, -1.0)
        self.highs.changeColsCost(len(cost), self.columns, cost)
        self.highs.run()
        solution = self.highs.getSolution()
        kept = self.kept[: self.size]
        b = np.maximum(np.array(solution.col_value[:-1]), 0.0)
        b = b / b.sum() if b.sum() > 0.0 else np.full(len(v), 1.0 / len(v))
        weights = np.maximum(np.array(solution.row_dual[1:]), 0.0)
        limit = np.inf
        if weights.sum() > 0.0:
            limit = float((v - (weights / weights.sum()) @ kept).max())
        return b, float(v @ b - (kept @ b).max()), max(limit, 0.0)


def _envelope(vectors: FloatArray, margin: float) -> Pruned:
    """Upper envelope over two states: lines v0 + (v1 - v0) x for x in [0, 1]."""
    slope = vectors[:, 1] - vectors[:, 0]
    hull: list[int] = []
    begins: list[float] = []
    for i in np.lexsort((np.arange(len(slope)), -vectors[:, 0], slope)).tolist():
        begin = 0.0
        while hull:
            top = hull[-1]
            rise = slope[i] - slope[top]
            if rise > 0.0:
                begin = float((vectors[top, 0] - vectors[i, 0]) / rise)
            else:
                begin = 2.0 if vectors[i, 0] <= vectors[top, 0] else 0.0
            if begin > begins[-1]:
                break
            hull.pop()
            begins.pop()
            begin = 0.0
        if begin < 1.0:
            hull.append(i)
            begins.append(begin)
    kept, lost = np.array(hull), 0.0
    while True:
        witnesses, excess = _intervals(vectors[kept])
        small = excess <= margin
        small[1:] &= ~small[:-1]
        if len(kept) == 1 or not small.any():
            break
        kept = kept[~small]
        lost += margin
    order = np.argsort(kept)
    return Pruned(kept[order], witnesses[order], lost)


def _intervals(lines: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Middle of the interval where each line of an envelope is the largest, and its excess there.

    The lines are in order of their slopes.
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
