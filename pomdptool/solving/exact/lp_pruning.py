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

from pomdptool.envelope import upper_envelope
from pomdptool.kernels.exact import dominance as kernel
from pomdptool.kernels.jit import request_compilation
from pomdptool.solving.exact.highs import is_solved, new_solver, succeed
from pomdptool.sparse import FloatArray, IntArray

MARGIN = 1e-10
"""A vector that exceeds the others by less, relative to the span of values, is dropped."""

MARGIN_TWO_STATES = 1e-13
"""The same where no linear program is needed."""

TRUSTED = 1e-8
"""A program whose dual cannot exclude a larger excess, relative to the span, keeps its vector."""

BLOCK = 2000
"""Vectors that are looked at between checks of limits, at least."""

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
    programs
        Linear programs that were solved.
    """

    kept: IntArray
    witnesses: FloatArray
    lost: float
    programs: int = 0


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
    if n_states == 2:
        return _envelope(vectors, MARGIN_TWO_STATES * _span(vectors), check)
    candidates = _undominated(vectors, check)
    known = _largest_at(vectors, candidates, witnesses, check)
    rest = np.setdiff1d(candidates, known.kept)
    return _filter(vectors, rest, known, check) if len(rest) else known


def rise(vectors: FloatArray, old: FloatArray, check: Check) -> tuple[float, int]:
    """Bound how far one set exceeds another anywhere, 0 at least; and count programs.

    A vector exceeds the other set by no more than it exceeds one of it, the best one for that; the
    programs are for those by which that says most.
    """
    singly = np.array([float((v - old).max(axis=1).min()) for v in vectors])
    program = Program(old, _span(np.vstack([vectors, old])))
    worst = 0.0
    for k in np.argsort(-singly).tolist():
        if singly[k] <= worst:
            break
        check()
        worst = max(worst, min(float(singly[k]), program.ask(vectors[k]).limit))
    return worst, program.runs


def _span(vectors: FloatArray) -> float:
    return max(1.0, float(np.ptp(vectors)))


def _undominated(vectors: FloatArray, check: Check) -> IntArray:
    """Vectors that no single other one exceeds everywhere; of equal ones the first."""
    request_compilation(len(vectors) ** 2)
    order = np.lexsort((np.arange(len(vectors)), -vectors.sum(axis=1)))
    kept = order[:0]
    while len(order):
        check()
        size = max(BLOCK, len(kept))
        asked, order = np.append(kept, order[:size]), order[size:]
        places = np.empty(len(asked), np.int64)
        n = kernel.undominated(np.ascontiguousarray(vectors[asked]), 0.0, places)
        kept = asked[places[:n]]
    return np.sort(kept)


def _largest_at(
    vectors: FloatArray, candidates: IntArray, beliefs: FloatArray, check: Check
) -> Pruned:
    """Candidates that are the largest at a corner or at one of some beliefs, and that belief."""
    rows = vectors[candidates]
    beliefs = np.vstack([np.eye(vectors.shape[1]), beliefs])
    largest = []
    for b in beliefs:
        check()
        largest.append(int(np.argmax(rows @ b)))
    chosen, first = np.unique(largest, return_index=True)
    return Pruned(candidates[chosen], beliefs[first], 0.0)


def _filter(vectors: FloatArray, rest: IntArray, known: Pruned, check: Check) -> Pruned:
    """Settle the rest by programs. A program's belief may bring in another vector than asked."""
    program = Program(vectors[known.kept], _span(vectors))
    kept, found = known.kept.tolist(), list(known.witnesses)
    left, lost = rest, 0.0
    while len(left):
        check()
        asked = program.ask(vectors[left[-1]])
        if asked.covered:
            lost = max(lost, asked.limit)
            left = left[:-1]
            continue
        k = len(left) - 1
        if asked.excess > 0.0:
            k = int(np.argmax(vectors[left] @ asked.belief))
        kept.append(int(left[k]))
        found.append(asked.belief)
        program.add(vectors[left[k]])
        left = np.delete(left, k)
    order = np.argsort(kept)
    return Pruned(np.array(kept)[order], np.array(found)[order], lost, program.runs)


@dataclass(frozen=True, eq=False, slots=True)
class Asked:
    """What a program says of a vector.

    Attributes
    ----------
    belief
        Where it exceeds the kept vectors most, shape (S,).
    excess, limit
        Bounds on by how much, of which the first holds at the belief. Both are computed from the
        solution, not taken from the solver; the second by weak duality.
    exceeds, covered
        Whether it exceeds them at the belief, or nowhere, but for margins. Neither where the solver
        found no optimum.
    """

    belief: FloatArray
    excess: float
    limit: float
    exceeds: bool
    covered: bool


class Program:
    """The linear program of the filter, solved again and again.

    `kept[:size]` are the kept vectors, `runs` counts what was solved; margins are relative to the
    `span` of values.
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
            succeed(self.highs.addVar(0.0, 1.0), "a probability")
        succeed(self.highs.addVar(-np.inf, np.inf), "the value")
        succeed(self.highs.addRow(1.0, 1.0, n, self.columns[:n], np.ones(n)), "their sum")
        for w in kept:
            self.add(w)

    def add(self, w: FloatArray) -> None:
        """Add a kept vector."""
        if self.size == len(self.kept):
            self.kept = np.vstack([self.kept, np.empty_like(self.kept)])
        self.kept[self.size] = w
        self.size += 1
        row = np.append(w / self.scale, -1.0)
        succeed(self.highs.addRow(-np.inf, 0.0, len(row), self.columns, row), "a kept vector")

    def ask(self, v: FloatArray) -> Asked:
        """Find the belief where v exceeds the kept vectors most."""
        self.runs += 1
        cost = np.append(v / self.scale, -1.0)
        succeed(self.highs.changeColsCost(len(cost), self.columns, cost), "the objective")
        kept = self.kept[: self.size]
        if not is_solved(self.highs):
            return Asked(
                np.full(len(v), 1.0 / len(v)), -np.inf, np.inf, exceeds=False, covered=False
            )
        solution = self.highs.getSolution()
        b = np.maximum(np.array(solution.col_value[:-1]), 0.0)
        b = b / b.sum() if b.sum() > 0.0 else np.full(len(v), 1.0 / len(v))
        weights = np.maximum(np.array(solution.row_dual[1:]), 0.0)
        limit = np.inf
        if weights.sum() > 0.0:
            limit = max(float((v - (weights / weights.sum()) @ kept).max()), 0.0)
        excess = float(v @ b - (kept @ b).max())
        exceeds = excess > MARGIN * self.span
        return Asked(b, excess, limit, exceeds, not exceeds and limit <= TRUSTED * self.span)


def _envelope(vectors: FloatArray, margin: float, check: Check) -> Pruned:
    """Lines of the upper envelope that exceed the others by more than the margin."""
    kept, lost = np.array([k for k, _, _ in upper_envelope(vectors, check)]), 0.0
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
