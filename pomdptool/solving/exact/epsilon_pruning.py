"""The backup of one face by incremental pruning to a tolerance.

Incremental pruning (Cassandra, Littman and Zhang 1997) sums an action's branches two at a time.
Here each cross-sum, and finally the union over the actions, is epsilon-pruned by linear programs
(see `kernels.exact.epsilon_pruning`): if a combination exceeds the set by more than a tolerance at
some belief, the best of all combinations there is added. So a coarse tolerance is cheap and keeps
few vectors, and the loss is bounded: the losses of an action's cross-sums add up, and the tolerance
of the last set is reduced by them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pomdptool.kernels.exact import simplex as kernel
from pomdptool.kernels.exact.backup import Branches, backups
from pomdptool.kernels.exact.epsilon_pruning import absorb, rise
from pomdptool.kernels.exact.simplex import Cover
from pomdptool.kernels.jit import request_compilation, scaled_budget
from pomdptool.solving.exact.backup import FaceBackup
from pomdptool.solving.exact.projections import projected_sets, stack_branches, sum_branches
from pomdptool.solving.exact.value_function import VectorSet
from pomdptool.solving.solution import Monitor
from pomdptool.sparse import FloatArray, IntArray

OPERATIONS_PER_CALL = 50_000_000
"""Multiplications of one kernel call, so that limits act in time."""

SHIELDS = 200
"""Mixtures kept to dominate later candidates; testing more takes longer than it saves."""

OFFSET = 1e-3
"""Largest offset of a vector in the linear program, relative to the tolerance."""

REDUCTIONS, JOINS = 0.05, 0.25
"""Shares of the tolerance for an action's branches, and for all but its last cross-sum."""

SMALLEST_TOLERANCE = 1e-12
"""Smallest tolerance above rounding, relative to the span and size of values."""


Check = Callable[[int], None]
"""Called with the size of a set; raises if a limit is reached."""


class TooManyVectorsError(Exception):
    """A set exceeds its maximum size."""


@dataclass(frozen=True, eq=False, slots=True)
class _PrunedSet:
    """Vectors and beliefs, shape (n, d), actions, the loss, and linear programs solved."""

    vectors: FloatArray
    actions: IntArray
    beliefs: FloatArray
    loss: float
    programs: int


def backup_by_epsilon_pruning(
    branches: Branches,
    old: VectorSet,
    *,
    tolerance: float,
    keep_old: bool,
    monitor: Monitor,
    max_vectors: float = math.inf,
) -> FaceBackup:
    """Back up a face; `keep_old` keeps old vectors in the result where they are maximal.

    Raises
    ------
    TooManyVectorsError
        If a set has more than `max_vectors`.
    LimitReached
        If the monitor stops the run.
    """

    def check(n: int = 0) -> None:
        monitor.check(n)
        if n > max_vectors:
            raise TooManyVectorsError

    request_compilation(OPERATIONS_PER_CALL)
    scale = _span(branches)
    size = max(1.0, float(np.abs(branches.rewards).max()) / scale)
    tolerance = max(tolerance / scale, SMALLEST_TOLERANCE * size)
    scaled = branches._replace(rewards=branches.rewards / scale, vectors=branches.vectors / scale)
    before = old.vectors / scale
    union, loss, programs = _reduced_to_pairs(scaled, tolerance, check)
    oracle = scaled
    if keep_old:  # each old vector as an action of its own, after the others
        rewards = np.vstack([scaled.rewards, before])
        union, oracle = union._replace(rewards=rewards), scaled._replace(rewards=rewards)
    pruned = _prune(union, oracle, tolerance - loss, check)
    loss += pruned.loss
    excess, more = _max_excess(pruned.vectors[pruned.actions < len(scaled.rewards)], before, check)
    actions = np.concatenate([np.arange(len(scaled.rewards)), old.actions])
    return FaceBackup(
        VectorSet(scale * pruned.vectors, actions[pruned.actions], pruned.beliefs),
        scale * (loss + excess),
        scale * loss,
        programs=programs + pruned.programs + more,
    )


def _span(branches: Branches) -> float:
    """A power of 2 near the largest difference between values in a state."""
    low, high = branches.rewards.copy(), branches.rewards.copy()
    for a in range(len(branches.rewards)):
        for rows in projected_sets(branches, a):
            low[a] += rows.min(axis=0)
            high[a] += rows.max(axis=0)
    span = float((high.max(axis=0) - low.min(axis=0)).max()) or 1.0
    return float(2.0 ** round(math.log2(span)))


def _reduced_to_pairs(
    branches: Branches, tolerance: float, check: Check
) -> tuple[Branches, float, int]:
    """Reduce each action to at most two branches; also the largest loss, and linear programs."""
    pairs: list[FloatArray] = []
    actions: list[int] = []
    most, programs = 0.0, 0
    for a in range(len(branches.rewards)):
        sets = projected_sets(branches, a)
        n, done = len(sets), []
        if n > 1:
            share = tolerance * REDUCTIONS / n
            single = [sum_branches([rows]) for rows in sets]
            done = [_prune(branch, branch, share, check) for branch in single]
            sets = [pruned.vectors for pruned in done]
        while len(sets) > 2:
            sets.sort(key=len)
            pair = sum_branches(sets[:2])
            done.append(_prune(pair, pair, tolerance * JOINS / (n - 2), check))
            sets = [done[-1].vectors, *sets[2:]]
        pairs += sets
        actions += [a] * len(sets)
        most = max(most, sum(pruned.loss for pruned in done))
        programs += sum(pruned.programs for pruned in done)
    return stack_branches(branches.rewards, pairs, actions), most, programs


def _prune(candidates: Branches, oracle: Branches, tolerance: float, check: Check) -> _PrunedSet:
    """Build a set that no candidate exceeds by more than the tolerance."""
    d = oracle.rewards.shape[1]
    belief, first, action = np.full((1, d), 1.0 / d), np.zeros((1, d)), np.zeros(1, np.int64)
    backups(belief, oracle, first, action)
    cover = _allocate(first, len(oracle.actions))
    cover.actions[0], cover.beliefs[0] = action[0], belief[0]
    tolerance /= 1.0 + OFFSET
    delta = OFFSET * tolerance
    status = kernel.BUDGET
    while status != kernel.DONE:
        work = scaled_budget(OPERATIONS_PER_CALL)
        status = absorb(cover, candidates, oracle, tolerance, delta, work)
        n = int(cover.counts[kernel.SIZE])
        check(n)
        if status == kernel.FULL:
            cover = _enlarged(cover)
    return _PrunedSet(
        np.ascontiguousarray(cover.columns[:, :n].T),
        cover.actions[:n],
        cover.beliefs[:n],
        float(cover.lost[0]),
        int(cover.counts[kernel.PROGRAMS]),
    )


def _max_excess(vectors: FloatArray, old: FloatArray, check: Check) -> tuple[float, int]:
    """Bound on the excess of some vectors over the old ones, and linear programs solved."""
    cover = _allocate(old, 0)
    done = 0
    while done < len(vectors):
        done = rise(cover, vectors, done, scaled_budget(OPERATIONS_PER_CALL))
        check(0)
    return float(cover.lost[0]), int(cover.counts[kernel.PROGRAMS])


def _allocate(vectors: FloatArray, n_branches: int) -> Cover:
    """Allocate a set that starts with some vectors."""
    n, d = vectors.shape
    size = max(256, n)
    integers = np.int64
    cover = Cover(
        columns=np.zeros((d, size)),
        offsets=np.zeros(size),
        actions=np.zeros(size, integers),
        beliefs=np.full((size, d), 1.0 / d),
        slack=np.zeros(size),
        rate=np.zeros(size),
        edges=np.zeros((d + 1, d + 1)),
        tight=np.zeros(d, integers),
        multipliers=np.zeros(d),
        mixture=np.zeros(d),
        v=vectors[0].copy(),
        w=np.zeros(d),
        choice=np.zeros(max(n_branches, 1), integers),
        shields=np.zeros((SHIELDS, d)),
        lost=np.zeros(1),
        counts=np.zeros(kernel.COUNTS, integers),
    )
    cover.columns[:, :n] = vectors.T
    cover.counts[kernel.SIZE] = n
    kernel.restart(cover)
    return cover


def _enlarged(cover: Cover) -> Cover:
    """Double the capacity."""
    return cover._replace(
        columns=np.hstack([cover.columns, np.zeros_like(cover.columns)]),
        **{
            name: np.concatenate([array, np.zeros_like(array)])
            for name in ("offsets", "actions", "beliefs", "slack", "rate")
            for array in [getattr(cover, name)]
        },
    )
