"""The parsimonious set of one backup over all states: each vector is the largest somewhere.

Incremental pruning (Cassandra, Littman and Zhang 1997): an action's branches are reduced and
joined two at a time, the smallest first, and the last two of every action are judged together.
Each time, every combination of rows is a candidate, and its margin over all others decides
(`kernels.exact.cutting_planes`), without listing the combinations as rows of a program.

Vectors that lie below the others everywhere may all be dropped at once, for the largest at a
belief is never among them. Vectors that exceed the others by less than the margin, or equal them,
may need one another; they are settled one after another, against those kept (Lark's filter, White
1991). So the maximum over what is returned is nowhere below that over all by more than the margin
for each set that was reduced on the way: two for each branch of an action, at most.
"""

from __future__ import annotations

import numpy as np

from pomdptool.kernels.exact import cutting_planes as kernel
from pomdptool.kernels.exact.backup import Branches
from pomdptool.kernels.exact.cutting_planes import Program
from pomdptool.kernels.jit import scaled_budget
from pomdptool.solving.exact.projections import joined, rows_of, stack
from pomdptool.solving.solution import Monitor
from pomdptool.sparse import FloatArray, IntArray

OPERATIONS_PER_CALL = 20_000_000
"""Multiplications after which a kernel returns, so that limits act in time."""

POOL = 64
"""Cuts that are tried before the backup is asked for a new one."""

TIE = 1e-14
"""Values that differ by less are equal."""

SMALLEST_MARGIN = 1e-12
"""Margins below this, relative to the span and size of values, are rounding."""


def full_set(branches: Branches, *, margin: float, monitor: Monitor) -> tuple[FloatArray, IntArray]:
    """Compute the vectors of a backup that exceed all others somewhere, and their actions.

    Parameters
    ----------
    branches
        The backup.
    margin
        By how much a vector must exceed the others to be kept, in values.
    monitor
        Asked about ten times a second.

    Returns
    -------
    tuple
        Vectors, shape (n, d), and actions, shape (n,), ascending.

    Raises
    ------
    LimitReached
        Where the monitor says so.
    """
    pairs: list[FloatArray] = []
    actions: list[int] = []
    for a in range(len(branches.rewards)):
        sets = [_joined([rows], margin, monitor) for rows in rows_of(branches, a)]
        while len(sets) > 2:
            sets.sort(key=len)
            sets = [_joined(sets[:2], margin, monitor), *sets[2:]]
        pairs += sets
        actions += [a] * len(sets)
    return _select(stack(branches.rewards, pairs, actions), margin, monitor)


def _joined(sets: list[FloatArray], margin: float, monitor: Monitor) -> FloatArray:
    """Those sums of one row each that matter."""
    return _select(joined(sets), margin, monitor)[0]


def _select(branches: Branches, margin: float, monitor: Monitor) -> tuple[FloatArray, IntArray]:
    """Judge every combination of rows, then settle the doubtful ones."""
    scaled, margin = _scaled(branches, margin)
    program = _program(scaled)
    fates = [_fates(program, scaled, a, margin, monitor) for a in range(len(branches.rewards))]
    if not any((fate != kernel.DROPPED).any() for fate in fates):
        fates = [np.full_like(fate, kernel.DOUBTFUL) for fate in fates]
    kept, doubtful = _of(scaled, fates, kernel.KEPT)[0], _of(scaled, fates, kernel.DOUBTFUL)[0]
    needed = _settle(kept, doubtful, margin, monitor)
    vectors, actions = _of(branches, fates, kernel.KEPT)
    more, more_actions = _of(branches, fates, kernel.DOUBTFUL)
    actions = np.concatenate([actions, more_actions[needed]])
    order = np.argsort(actions, kind="stable")
    return np.vstack([vectors, more[needed]])[order], actions[order]


def _scaled(branches: Branches, margin: float) -> tuple[Branches, float]:
    """Shift and scale values to 0 .. 1; the margin in the same scale."""
    low, high = branches.rewards.copy(), branches.rewards.copy()
    vectors = branches.vectors.copy()
    for i, a in enumerate(branches.actions.tolist()):
        rows = vectors[branches.starts[i] : branches.starts[i + 1]]
        low[a] += rows.min(axis=0)
        high[a] += rows.max(axis=0)
        rows -= rows.min(axis=0)
    size = max(float(np.abs(low).max()), float(np.abs(high).max()))
    span = float((high.max(axis=0) - low.min(axis=0)).max()) or 1.0
    margin = max(margin / span, SMALLEST_MARGIN * max(1.0, size / span))
    rewards = (low - low.min(axis=0)) / span
    return Branches(rewards, branches.starts, vectors / span, branches.actions), margin


def _program(branches: Branches) -> Program:
    d, n_branches = branches.rewards.shape[1], len(branches.actions)
    integers = np.int64
    return Program(
        columns=np.ascontiguousarray(branches.vectors.T),
        values=np.zeros(len(branches.vectors)),
        choice=np.full(n_branches, -1, integers),
        other=np.full(n_branches, -1, integers),
        v=np.zeros(d),
        w=np.zeros(d),
        b=np.full(d, 1.0 / d),
        inverse=np.zeros((d + 1, d + 1)),
        cuts=np.zeros((d, d)),
        is_cut=np.zeros(d, np.bool_),
        step=np.zeros(d + 1),
        pool=np.zeros((d, POOL)),
        pooled=np.zeros(POOL),
        counts=np.zeros(kernel.COUNTS, integers),
    )


def _fates(
    program: Program, branches: Branches, action: int, margin: float, monitor: Monitor
) -> np.ndarray:
    """What becomes of each combination of an action's rows."""
    sizes = [len(rows) for rows in rows_of(branches, action)]
    fates = np.full(int(np.prod(sizes, dtype=np.int64)), kernel.DOUBTFUL, np.int8)
    first = 0
    while first < len(fates):
        work = scaled_budget(OPERATIONS_PER_CALL)
        first, _ = kernel.scan(program, branches, action, fates, first, margin, work)
        monitor.check()
    return fates


def _of(branches: Branches, fates: list[np.ndarray], fate: int) -> tuple[FloatArray, IntArray]:
    """Combinations of one fate, and their actions."""
    found, actions = [], []
    for a, of_action in enumerate(fates):
        numbers = np.flatnonzero(of_action == fate)
        sets = rows_of(branches, a)
        vectors = np.repeat(branches.rewards[a : a + 1], len(numbers), axis=0)
        if sets:
            for rows, at in zip(sets, np.unravel_index(numbers, [*map(len, sets)]), strict=True):
                vectors += rows[at]
        found.append(vectors)
        actions.append(np.full(len(numbers), a))
    return np.vstack(found), np.concatenate(actions)


def _settle(kept: FloatArray, doubtful: FloatArray, margin: float, monitor: Monitor) -> IntArray:
    """Which of the doubtful vectors, one after another, exceed all those kept by the margin."""
    n, d = len(kept), kept.shape[1]
    rows = np.vstack([kept, doubtful])
    ahead = Branches(np.zeros((1, d)), np.array([0, n]), rows, np.zeros(1, np.int64))
    program = _program(ahead)
    left, needed = np.ones(len(doubtful), np.bool_), np.zeros(len(doubtful), np.bool_)
    fate = np.zeros(1, np.int8)
    for i in range(len(doubtful) - 1, -1, -1):
        while left[i]:
            monitor.check()
            program.v[:] = doubtful[i]
            _, bound = kernel.scan(program, ahead, -1, fate, 0, margin, 1)
            best = i
            if fate[0] == kernel.KEPT:
                # The largest at the witness may be another one; of equal ones the first.
                values = np.where(left, doubtful @ program.b, -np.inf)
                best = int(np.argmax(values >= values.max() - TIE))
            left[best] = False
            if fate[0] == kernel.KEPT or bound > margin:
                needed[best] = True
                ahead.vectors[n] = program.columns[:, n] = doubtful[best]
                n += 1
                ahead.starts[1] = n
    return np.flatnonzero(needed)
