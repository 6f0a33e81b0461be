"""Epsilon-pruning: a set of vectors grown until no candidate exceeds it by more than a tolerance.

The candidates are the combinations of one row of each of an action's branches. For each, the linear
program in `simplex` bounds the largest excess over the set. Where that is more than the tolerance,
the best of all combinations at the maximising belief is added, and the program is solved again. The
mixtures that bound settled candidates are kept as shields, since many candidates are dominated by
the same mixture and then need no program. `absorb` ends when every combination is settled.
"""

from __future__ import annotations

import numpy as np

from pomdptool.kernels.exact.backup import backup, write_backup
from pomdptool.kernels.exact.perturbation import offset_of
from pomdptool.kernels.exact.simplex import (
    ACTION,
    BUDGET,
    DONE,
    FULL,
    NEXT,
    SHIELDS,
    SIZE,
    WORK,
    climb,
    excess_at,
    restart,
)
from pomdptool.kernels.jit import kernel


@kernel
def add(cover, w, action, delta):
    """Add a vector; the caller has written its belief."""
    n = cover.counts[SIZE]
    for s in range(w.shape[0]):
        cover.columns[s, n] = w[s]
    cover.actions[n] = action
    cover.offsets[n] = offset_of(n, delta)
    cover.counts[SIZE] += 1


@kernel
def shield(cover, tolerance):
    """Whether a shield dominates v within the tolerance; one that does moves forward."""
    d, m = cover.shields.shape[1], cover.shields.shape[0]
    for k in range(min(cover.counts[SHIELDS], m)):
        most = -np.inf
        for s in range(d):
            most = max(most, cover.v[s] - cover.shields[k, s])
            if most > tolerance:
                break
        if most <= tolerance:
            cover.lost[0] = max(cover.lost[0], most)
            for s in range(d):
                x = cover.shields[k, s]
                cover.shields[k, s] = cover.shields[k // 2, s]
                cover.shields[k // 2, s] = x
            return True
    return False


@kernel
def keep_shield(cover):
    """Keep the mixture as a shield; when the list is full it replaces one in the rear half."""
    m, n = cover.shields.shape[0], cover.counts[SHIELDS]
    k = n if n < m else m // 2 + n % (m - m // 2)
    for s in range(cover.shields.shape[1]):
        cover.shields[k, s] = cover.mixture[s]
    cover.counts[SHIELDS] += 1


@kernel
def settle(cover, oracle, action, tolerance, delta):
    """Add vectors until v exceeds the set nowhere by more than the tolerance; False: set is full.

    Each is the oracle's best at the belief where v exceeds the set. Offsets can hide an excess of
    delta, which is added to the tolerance.
    """
    while True:
        _, bound = climb(cover, tolerance)
        if bound <= tolerance + delta:
            cover.lost[0] = max(cover.lost[0], bound)
            keep_shield(cover)
            return True
        n = cover.counts[SIZE]
        if n == cover.actions.shape[0]:
            return False
        exceeds = excess_at(cover, cover.beliefs[n]) > tolerance
        if exceeds:
            _, best = backup(cover.beliefs[n], oracle, cover.choice)
            write_backup(oracle, best, cover.choice, cover.w)
            add(cover, cover.w, best, delta)
        else:
            add(cover, cover.v, action, delta)
        restart(cover)
        if not exceeds:
            return True  # the program failed numerically: v itself is now in the set


@kernel
def absorb(cover, candidates, oracle, tolerance, delta, budget):
    """Settle every combination of the candidates, from the one recorded in `counts` on.

    The oracle has the same actions. A call returns after `budget` operations.
    """
    counts, n_branches = cover.counts, candidates.actions.shape[0]
    counts[WORK] = 0
    while counts[ACTION] < candidates.rewards.shape[0]:
        action, left = counts[ACTION], counts[NEXT]
        for s in range(cover.v.shape[0]):
            cover.v[s] = candidates.rewards[action, s]
        for i in range(n_branches - 1, -1, -1):
            if candidates.actions[i] == action:
                size = candidates.starts[i + 1] - candidates.starts[i]
                k = candidates.starts[i] + left % size
                left //= size
                for s in range(cover.v.shape[0]):
                    cover.v[s] += candidates.vectors[k, s]
        if left > 0:
            counts[ACTION] += 1
            counts[NEXT] = 0
            continue
        if counts[WORK] > budget:
            return BUDGET
        counts[WORK] += cover.shields.shape[0]
        shielded = shield(cover, tolerance)
        if not (shielded or settle(cover, oracle, action, tolerance, delta)):
            return FULL
        counts[NEXT] += 1
    return DONE


@kernel
def rise(cover, vectors, first, budget):
    """Raise `lost` to the largest excess of some vectors, from `first` on; the next number."""
    lost = cover.lost
    cover.counts[WORK] = 0
    n = first
    while n < vectors.shape[0] and cover.counts[WORK] <= budget:
        for s in range(cover.v.shape[0]):
            cover.v[s] = vectors[n, s]
        excess, bound = climb(cover, lost[0])
        while excess > lost[0] and bound > excess:
            lost[0] = excess
            excess, bound = climb(cover, lost[0])
        lost[0] = max(lost[0], bound)
        n += 1
    return n
