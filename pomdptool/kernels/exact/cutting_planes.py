"""By how much a combination of vectors exceeds all others at some belief: cutting planes.

A combination v is an action's rewards plus one row of each of its branches. Its margin is

    maximise t   subject to   t <= (v - w) . b for every other combination w,  sum b = 1,  b >= 0

There are as many w as the product of the branches' sizes, but the best one at a belief is computed
branch by branch: the best row of each or, if that gives v itself, the second best of the branch
where it costs least. So the program is solved by cutting planes (Kelley 1960) with the dual simplex
method. The current point satisfies d constraints with equality, the tight ones; a violated one
enters (b[i] >= 0 before a cut, a cut from the pool before a new one), and the one leaves that keeps
the multipliers positive. Every t on the way is an upper bound, every (v - w) . b at the best w a
lower bound. `judge` stops when the sign of one of them decides, which is mostly long before they
meet, when they meet, or after `TIMES_SIZE` pivots per state.

The caller scales values so that combinations differ by about 1. Neither bound relies on the
accuracy of the inverse: the lower one is evaluated at a belief, the upper one from multipliers.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pomdptool.kernels.exact.backup import weigh, write_backup
from pomdptool.kernels.jit import kernel

# Slots of Program.counts.
WORK, CUTS = range(2)
COUNTS = 2

# Fates of a candidate: its upper bound is below 0, its lower bound exceeds the margin, or neither.
DROPPED, KEPT, DOUBTFUL = range(3)

ROUNDING = 2e-15
"""Values below this count as 0."""

SMALLEST_PIVOT = 1e-11
"""Smaller pivots and probabilities count as 0."""

TIE = 1e-13
"""Ratios that differ by less are ties, which the larger pivot wins, for accuracy."""

TIMES_SIZE = 60
"""Pivots per state after which a program is abandoned as doubtful."""


class Program(NamedTuple):
    """Work arrays for the programs over one Branches of n rows, n_branches and d states.

    columns (d, n): the rows, transposed; values (n,): their values at a belief; choice, other
    (n_branches,): rows of the candidate and of the best other combination; v, w (d,): those two;
    b (d,): the last belief; inverse (d + 1, d + 1): row d is the point (b, t), row i the direction
    in which it moves when tight constraint i is relaxed, column d the multipliers; cuts (d, d): w
    of each tight constraint that is a cut; is_cut (d,); step (d + 1,); pool (d, k), pooled (k,):
    the last cuts, transposed, and their values; counts (COUNTS,).
    """

    columns: np.ndarray
    values: np.ndarray
    choice: np.ndarray
    other: np.ndarray
    v: np.ndarray
    w: np.ndarray
    b: np.ndarray
    inverse: np.ndarray
    cuts: np.ndarray
    is_cut: np.ndarray
    step: np.ndarray
    pool: np.ndarray
    pooled: np.ndarray
    counts: np.ndarray


@kernel
def worst(program, branches, action):
    """Excess of v over the best other combination at b, which is written to w; inf if none.

    The candidate itself is left out, unless the action is -1.
    """
    b, values, other = program.b, program.values, program.other
    d, n_branches = b.shape[0], branches.actions.shape[0]
    weigh(program.columns, branches.starts[n_branches], b, values)
    program.counts[WORK] += d * branches.starts[n_branches] + d
    best, best_action, best_spare, best_row, i = -np.inf, -1, -1, -1, 0
    for a in range(branches.rewards.shape[0]):
        value = 0.0
        for s in range(d):
            value += branches.rewards[a, s] * b[s]
        same = a == action
        loss, spare, spare_row = np.inf, -1, -1
        while i < n_branches and branches.actions[i] == a:
            first, second, at, next_at = -np.inf, -np.inf, -1, -1
            for j in range(branches.starts[i], branches.starts[i + 1]):
                x = values[j]
                if x > second:
                    if x > first:
                        first, second, at, next_at = x, first, j, at
                    else:
                        second, next_at = x, j
            value += first
            other[i] = at
            same = same and at == program.choice[i]
            if first - second < loss:
                loss, spare, spare_row = first - second, i, next_at
            i += 1
        if same:
            value -= loss
        else:
            spare = -1
        if value > best:
            best, best_action, best_spare, best_row = value, a, spare, spare_row
    if best_action < 0:
        return np.inf
    if best_spare >= 0:
        other[best_spare] = best_row
    write_backup(branches, best_action, other, program.w)
    excess = 0.0
    for s in range(d):
        excess += (program.v[s] - program.w[s]) * b[s]
    return excess


@kernel
def begin(v, w, inverse, cuts, is_cut):
    """Start at the corner where v exceeds w most."""
    d = v.shape[0]
    top = 0
    for s in range(d):
        if v[s] - w[s] > v[top] - w[top]:
            top = s
    most = v[top] - w[top]
    for s in range(d):
        for i in range(d + 1):
            inverse[i, s] = 0.0
        cuts[top, s] = w[s]
        is_cut[s] = s == top
    for s in range(d):
        inverse[s, s] = -1.0
        inverse[s, top] = 1.0
        inverse[s, d] = most - (v[s] - w[s])
    inverse[top, top] = 0.0
    inverse[top, d] = 1.0
    inverse[d, top] = 1.0
    inverse[d, d] = most


@kernel
def enter(v, w, inverse, step, state):
    """Let b[state] >= 0 enter, or with state -1 the cut w; the constraint that leaves, or -1."""
    d = v.shape[0]
    out, least = -1, np.inf
    for i in range(d + 1):
        x = -inverse[i, state]
        if state < 0:
            x = inverse[i, d]
            for s in range(d):
                x -= (v[s] - w[s]) * inverse[i, s]
        step[i] = x
        if i < d and x > SMALLEST_PIVOT:
            ratio = inverse[i, d] / x
            if ratio < least - TIE or (ratio <= least + TIE and x > step[out]):
                out, least = i, min(ratio, least)
    if out < 0:
        return out
    scale = 1.0 / step[out]
    for s in range(d + 1):
        inverse[out, s] *= scale
    for i in range(d + 1):
        x = step[i]
        if i != out and x != 0.0:
            for s in range(d + 1):
                inverse[i, s] -= x * inverse[out, s]
    return out


@kernel
def upper_bound(v, inverse, cuts, is_cut):
    """Upper bound of the margin by the multipliers: the largest entry of v - weighted w."""
    d = v.shape[0]
    total, most = 0.0, -np.inf
    for i in range(d):
        if is_cut[i] and inverse[i, d] > 0.0:
            total += inverse[i, d]
    for s in range(d):
        x = 0.0
        for i in range(d):
            if is_cut[i] and inverse[i, d] > 0.0:
                x += inverse[i, d] * (v[s] - cuts[i, s])
        if x > most:
            most = x
    return most / total if total > 0.0 else np.inf


@kernel
def take_belief(inverse, b):
    """Copy the point's belief to b; its most negative state (-1: none) and its sum."""
    d = b.shape[0]
    least, at, total = -SMALLEST_PIVOT, -1, 0.0
    for s in range(d):
        x = inverse[d, s]
        if x < least:
            least, at = x, s
        b[s] = x if x > 0.0 else 0.0
        total += b[s]
    if total > 0.0:
        for s in range(d):
            b[s] /= total
    return at, total


@kernel
def pooled_cut(program, leave_out, t):
    """Write the most violated cut of the pool to w; False if none is violated.

    With `leave_out`, cuts equal to v, which are left from earlier programs, are skipped.
    """
    d, n = program.pool.shape
    n = min(n, program.counts[CUTS])
    weigh(program.pool, n, program.b, program.pooled)
    own = 0.0
    for s in range(d):
        own += program.v[s] * program.b[s]
    best, at = own - t + ROUNDING, -1
    for k in range(n):
        if program.pooled[k] > best:
            same = leave_out
            for s in range(d):
                same = same and program.pool[s, k] == program.v[s]
            if not same:
                best, at = program.pooled[k], k
    if at < 0:
        return False
    for s in range(d):
        program.w[s] = program.pool[s, at]
    return True


@kernel(inline="always")
def judge(program, branches, action, margin):
    """Fate of v and an upper bound of its margin, starting from the belief in b.

    If v is KEPT, b is its witness belief.
    """
    d, inverse = program.v.shape[0], program.inverse
    if worst(program, branches, action) > margin:
        return KEPT, np.inf
    begin(program.v, program.w, inverse, program.cuts, program.is_cut)
    for _ in range(TIMES_SIZE * (d + 1)):
        program.counts[WORK] += d * (d + program.pool.shape[1])
        t = inverse[d, d]
        if t < -2.0 * ROUNDING:
            break
        state, total = take_belief(inverse, program.b)
        if total < 0.5 or (state < 0 and total > 1.0 + 1e-6):
            break  # the inverse is inaccurate by now
        if state < 0 and not pooled_cut(program, action >= 0, t):
            excess = worst(program, branches, action)
            if excess > margin:
                return KEPT, np.inf
            if excess >= t - ROUNDING:
                break
            k = program.counts[CUTS] % program.pool.shape[1]
            program.counts[CUTS] += 1
            for s in range(d):
                program.pool[s, k] = program.w[s]
        out = enter(program.v, program.w, inverse, program.step, state)
        if out < 0:
            break
        program.is_cut[out] = state < 0
        for s in range(d):
            program.cuts[out, s] = program.w[s]
    bound = upper_bound(program.v, inverse, program.cuts, program.is_cut)
    return (DROPPED if bound < -ROUNDING else DOUBTFUL), bound


@kernel
def scan(program, branches, action, fates, first, margin, budget):
    """Judge combinations of an action from number `first` on; the next, and the last upper bound.

    The digits of a combination's number are its rows, the last branch's in the last place. With
    action -1, v itself is judged against all combinations. A call ends after `budget` operations.
    """
    program.counts[WORK] = 0
    n, bound = first, np.inf
    while n < fates.shape[0] and program.counts[WORK] < budget:
        left = n
        for i in range(branches.actions.shape[0] - 1, -1, -1):
            if branches.actions[i] == action:
                size = branches.starts[i + 1] - branches.starts[i]
                program.choice[i] = branches.starts[i] + left % size
                left //= size
        if action >= 0:
            write_backup(branches, action, program.choice, program.v)
        fates[n], bound = judge(program, branches, action, margin)
        n += 1
    return n, bound
