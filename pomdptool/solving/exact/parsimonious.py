"""The parsimonious set of one backup over all states: every vector is maximal somewhere.

Incremental pruning (Cassandra, Littman and Zhang 1997): an action's branches are pruned and summed
two at a time, the smallest first; the last sums of all actions are pruned together. Each time,
every combination of rows is a candidate, classified by its largest excess over all others
(`kernels.exact.cutting_planes`), without listing the combinations as rows of a program.

Vectors strictly below the others everywhere can be dropped together, since none of them is maximal
at any belief. Vectors that exceed the others by less than the margin, or equal them, may depend on
one another; they are tested one by one against the kept ones (Lark's filter, White 1991). So the
loss is at most the margin for each set pruned on the way: at most two for each branch of an action.
"""

from __future__ import annotations

import numpy as np

from pomdptool.kernels.exact import cutting_planes as kernel
from pomdptool.kernels.exact.backup import Branches
from pomdptool.kernels.exact.cutting_planes import Program
from pomdptool.kernels.jit import scaled_budget
from pomdptool.solving.exact.projections import projected_sets, stack_branches, sum_branches
from pomdptool.solving.solution import Monitor
from pomdptool.sparse import FloatArray, IntArray

OPERATIONS_PER_CALL = 20_000_000
"""Multiplications of one kernel call, so that limits act in time."""

POOL = 64
"""Cuts tried before a new backup."""

TIE = 1e-14
"""Largest difference of equal values."""

SMALLEST_MARGIN = 1e-12
"""Smallest margin above rounding, relative to the span and size of values."""


Vectors = tuple[FloatArray, IntArray]
"""Vectors, shape (n, d), and their actions, shape (n,)."""


def parsimonious_set(branches: Branches, *, margin: float, monitor: Monitor) -> Vectors:
    """Compute the vectors of a backup that exceed all others somewhere, sorted by action.

    Parameters
    ----------
    margin
        Least excess of a kept vector, in units of value.

    Raises
    ------
    LimitReached
        If the monitor stops the run.
    """
    pairs: list[FloatArray] = []
    actions: list[int] = []
    for a in range(len(branches.rewards)):
        sets = [_pruned_sum([rows], margin, monitor) for rows in projected_sets(branches, a)]
        while len(sets) > 2:
            sets.sort(key=len)
            sets = [_pruned_sum(sets[:2], margin, monitor), *sets[2:]]
        pairs += sets
        actions += [a] * len(sets)
    return _prune_combinations(stack_branches(branches.rewards, pairs, actions), margin, monitor)


def _pruned_sum(sets: list[FloatArray], margin: float, monitor: Monitor) -> FloatArray:
    """The parsimonious cross-sum of some sets."""
    return _prune_combinations(sum_branches(sets), margin, monitor)[0]


def _prune_combinations(branches: Branches, margin: float, monitor: Monitor) -> Vectors:
    """Classify every combination of rows, then test the doubtful ones one by one."""
    scaled, margin = _scaled(branches, margin)
    program = _program(scaled)
    labels = [_classify(program, scaled, a, margin, monitor) for a in range(len(branches.rewards))]
    if not any((label != kernel.DROPPED).any() for label in labels):
        labels = [np.full_like(label, kernel.DOUBTFUL) for label in labels]
    kept, _ = _labelled(scaled, labels, kernel.KEPT)
    doubtful, _ = _labelled(scaled, labels, kernel.DOUBTFUL)
    needed = _filter(kept, doubtful, margin, monitor)
    vectors, actions = _labelled(branches, labels, kernel.KEPT)
    more, more_actions = _labelled(branches, labels, kernel.DOUBTFUL)
    actions = np.concatenate([actions, more_actions[needed]])
    order = np.argsort(actions, kind="stable")
    return np.vstack([vectors, more[needed]])[order], actions[order]


def _scaled(branches: Branches, margin: float) -> tuple[Branches, float]:
    """Shift and scale values, and scale the margin, so that values span 0 .. 1."""
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


def _classify(
    program: Program, branches: Branches, action: int, margin: float, monitor: Monitor
) -> np.ndarray:
    """Label each combination of an action's rows."""
    sizes = [len(rows) for rows in projected_sets(branches, action)]
    labels = np.full(int(np.prod(sizes, dtype=np.int64)), kernel.DOUBTFUL, np.int8)
    first = 0
    while first < len(labels):
        work = scaled_budget(OPERATIONS_PER_CALL)
        first, _ = kernel.scan(program, branches, action, labels, first, margin, work)
        monitor.check()
    return labels


def _labelled(branches: Branches, labels: list[np.ndarray], label: int) -> Vectors:
    """The combinations with a label, and their actions."""
    sums, actions = [], []
    for a, of_action in enumerate(labels):
        numbers = np.flatnonzero(of_action == label)
        sets = projected_sets(branches, a)
        vectors = np.repeat(branches.rewards[a : a + 1], len(numbers), axis=0)
        if sets:
            for rows, at in zip(sets, np.unravel_index(numbers, [*map(len, sets)]), strict=True):
                vectors += rows[at]
        sums.append(vectors)
        actions.append(np.full(len(numbers), a))
    return np.vstack(sums), np.concatenate(actions)


def _filter(kept: FloatArray, doubtful: FloatArray, margin: float, monitor: Monitor) -> IntArray:
    """Lark's filter: indices of doubtful vectors that exceed the kept ones by the margin."""
    n, d = len(kept), kept.shape[1]
    rows = np.vstack([kept, doubtful])
    branches = Branches(np.zeros((1, d)), np.array([0, n]), rows, np.zeros(1, np.int64))
    program = _program(branches)
    left, needed = np.ones(len(doubtful), np.bool_), np.zeros(len(doubtful), np.bool_)
    label = np.zeros(1, np.int8)
    for i in range(len(doubtful) - 1, -1, -1):
        while left[i]:
            monitor.check()
            program.v[:] = doubtful[i]
            _, bound = kernel.scan(program, branches, -1, label, 0, margin, 1)
            best = i
            if label[0] == kernel.KEPT:
                # Another one may be maximal at the witness; take the first of equal ones.
                values = np.where(left, doubtful @ program.b, -np.inf)
                best = int(np.argmax(values >= values.max() - TIE))
            left[best] = False
            if label[0] == kernel.KEPT or bound > margin:
                needed[best] = True
                branches.vectors[n] = program.columns[:, n] = doubtful[best]
                n += 1
                branches.starts[1] = n
    return np.flatnonzero(needed)
