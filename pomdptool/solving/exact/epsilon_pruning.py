"""The backup of one face by incremental pruning to a tolerance.

Incremental pruning (Cassandra, Littman and Zhang 1997) joins an action's branches two at a time.
Here each set on the way, and at last the union over the actions, is grown under a linear program
(see `kernels.exact.epsilon_pruning`): combinations are asked one after another
whether they exceed the set anywhere by more than a tolerance; where one does, at a belief,
the best of all combinations there is added.
So a coarse tolerance costs little, few vectors are kept, and what is lost is known: an action's
losses on the way add up, and the last set may fall short of what is left by its own tolerance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pomdptool.kernels.exact import simplex as kernel
from pomdptool.kernels.exact.backup import Branches, backups
from pomdptool.kernels.exact.epsilon_pruning import absorb, rise
from pomdptool.kernels.exact.simplex import Cover
from pomdptool.kernels.jit import request_compilation, scaled_budget
from pomdptool.solving.exact.backup import BackedUp
from pomdptool.solving.exact.projections import joined, rows_of, stack
from pomdptool.solving.exact.value_function import Part
from pomdptool.solving.solution import Monitor
from pomdptool.sparse import FloatArray, IntArray

OPERATIONS_PER_CALL = 50_000_000
"""Multiplications after which a kernel returns, so that limits act in time."""

SHIELDS = 200
"""Mixtures that are kept for candidates behind them: more take longer to ask than they save."""

OFFSET = 1e-3
"""Largest offset of a vector in the linear program, relative to the tolerance."""

REDUCTIONS, JOINS = 0.05, 0.25
"""Shares of the tolerance for an action's branches, and for their joins before the last."""

SMALLEST_TOLERANCE = 1e-12
"""Tolerances below this, relative to the span and size of values, are rounding."""


class TooManyVectorsError(Exception):
    """A set would need more vectors than it may."""


@dataclass(frozen=True, eq=False, slots=True)
class Limits:
    """The monitor is asked about ten times a second; no set may have more than `max_vectors`."""

    monitor: Monitor
    max_vectors: float = math.inf


@dataclass(frozen=True, eq=False, slots=True)
class _Grown:
    """A set: vectors and beliefs, shape (n, d), and actions; what it lacks; programs solved."""

    vectors: FloatArray
    actions: IntArray
    beliefs: FloatArray
    lost: float
    programs: int


def backup_within(
    branches: Branches, old: Part, *, tolerance: float, given: bool, limits: Limits
) -> BackedUp:
    """Back up a face; with `given` the old vectors stay in, where they matter.

    Raises
    ------
    TooManyVectorsError
        Where a set would need more vectors than it may.
    LimitReached
        Where the monitor says so.
    """
    request_compilation(OPERATIONS_PER_CALL)
    scale = _span(branches)
    size = max(1.0, float(np.abs(branches.rewards).max()) / scale)
    tolerance = max(tolerance / scale, SMALLEST_TOLERANCE * size)
    asked = branches._replace(rewards=branches.rewards / scale, vectors=branches.vectors / scale)
    before = old.vectors / scale
    union, lost, programs = _paired(asked, tolerance, limits)
    oracle = asked
    if given:  # each as an action of its own, after the others
        rewards = np.vstack([asked.rewards, before])
        union, oracle = union._replace(rewards=rewards), asked._replace(rewards=rewards)
    grown = _grow(union, oracle, tolerance - lost, limits)
    lost += grown.lost
    rise, more = _rise(grown.vectors[grown.actions < len(asked.rewards)], before, limits)
    actions = np.concatenate([np.arange(len(asked.rewards)), old.actions])
    return BackedUp(
        Part(scale * grown.vectors, actions[grown.actions], grown.beliefs),
        scale * (lost + rise),
        scale * lost,
        programs=programs + grown.programs + more,
    )


def _span(branches: Branches) -> float:
    """A power of 2 near the largest difference between values in a state."""
    low, high = branches.rewards.copy(), branches.rewards.copy()
    for a in range(len(branches.rewards)):
        for rows in rows_of(branches, a):
            low[a] += rows.min(axis=0)
            high[a] += rows.max(axis=0)
    span = float((high.max(axis=0) - low.min(axis=0)).max()) or 1.0
    return float(2.0 ** round(math.log2(span)))


def _paired(branches: Branches, tolerance: float, limits: Limits) -> tuple[Branches, float, int]:
    """Leave at most two branches to each action; the worst action's loss, and programs."""
    pairs: list[FloatArray] = []
    actions: list[int] = []
    most, programs = 0.0, 0
    for a in range(len(branches.rewards)):
        sets = rows_of(branches, a)
        n, done = len(sets), []
        if n > 1:
            share = tolerance * REDUCTIONS / n
            done = [_grow(joined([rows]), joined([rows]), share, limits) for rows in sets]
            sets = [grown.vectors for grown in done]
        while len(sets) > 2:
            sets.sort(key=len)
            pair = joined(sets[:2])
            done.append(_grow(pair, pair, tolerance * JOINS / (n - 2), limits))
            sets = [done[-1].vectors, *sets[2:]]
        pairs += sets
        actions += [a] * len(sets)
        most = max(most, sum(grown.lost for grown in done))
        programs += sum(grown.programs for grown in done)
    return stack(branches.rewards, pairs, actions), most, programs


def _grow(candidates: Branches, oracle: Branches, tolerance: float, limits: Limits) -> _Grown:
    """Grow a set until no candidate exceeds it by more than the tolerance."""
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
        limits.monitor.check(n)
        if n > limits.max_vectors:
            raise TooManyVectorsError
        if status == kernel.FULL:
            cover = _doubled(cover)
    return _Grown(
        np.ascontiguousarray(cover.columns[:, :n].T),
        cover.actions[:n],
        cover.beliefs[:n],
        float(cover.lost[0]),
        int(cover.counts[kernel.PROGRAMS]),
    )


def _rise(vectors: FloatArray, old: FloatArray, limits: Limits) -> tuple[float, int]:
    """By how much some vectors exceed the old ones anywhere at most, and programs."""
    cover = _allocate(old, 0)
    done = 0
    while done < len(vectors):
        done = rise(cover, vectors, done, scaled_budget(OPERATIONS_PER_CALL))
        limits.monitor.check()
    return float(cover.lost[0]), int(cover.counts[kernel.PROGRAMS])


def _allocate(vectors: FloatArray, n_branches: int) -> Cover:
    """Room for a set that begins with some vectors."""
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


def _doubled(cover: Cover) -> Cover:
    """Make room for as many vectors again."""
    return cover._replace(
        columns=np.hstack([cover.columns, np.zeros_like(cover.columns)]),
        **{
            name: np.concatenate([array, np.zeros_like(array)])
            for name in ("offsets", "actions", "beliefs", "slack", "rate")
            for array in [getattr(cover, name)]
        },
    )
