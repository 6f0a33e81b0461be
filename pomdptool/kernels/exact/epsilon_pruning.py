"""A set of vectors grown until no combination of others exceeds its maximum by a tolerance.

The set is a polyhedron {(b, u): b in the simplex, w_j . b + delta_j <= u for every vector j}. How
far a candidate v exceeds the set somewhere is the linear program

    maximise v . b - u   over the polyhedron

in which only the objective depends on v. So the primal simplex method (Dantzig 1951) goes on from
the vertex where the program before ended: the next candidate's is often the same, or near. At every
vertex v . b - u is a lower bound of the excess, and the multipliers of the tight vectors, less
those below 0 and scaled to 1, mix a vector u that the set's maximum nowhere falls below; so the
largest entry of v - u is an upper bound. Most candidates are settled before the two meet. Mixtures
are kept as shields, for many candidates lie behind the same one.

The small offsets delta_j, each another one, keep vertices apart that would coincide. Neither bound
trusts the inverse: a belief is taken from the vertex, and the excess there computed anew.

Constraints are numbered: 0 .. d-1 for b[s] >= 0, d + j for vector j. Values are scaled by the
caller, so that differences between candidates are about 1.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pomdptool.kernels.exact.cutting_planes import weigh
from pomdptool.kernels.exact.vertex_enumeration import backup, offset_of, write_backup
from pomdptool.kernels.jit import kernel

# Slots of Cover.counts.
SIZE, WORK, PROGRAMS, ACTION, NEXT, SHIELDS = range(6)
COUNTS = 6

# What `absorb` and `rise` return.
DONE, BUDGET, FULL = range(3)

ROUNDING = 1e-13
"""What counts as 0 in values and beliefs."""

SMALLEST_PIVOT = 1e-9
"""Slower approaches to a constraint are none."""

TIMES_SIZE = 100
"""Pivots per state after which a program is given up."""

REFRESH = 32
"""Pivots after which slacks are computed anew."""


class Cover(NamedTuple):
    """A set of up to k vectors over d states, and the vertex at hand.

    columns (d, k): the vectors, transposed; offsets, actions (k,); beliefs (k, d): where each came
    in; slack, rate (k,): distance of each from the vertex, and how fast it shrinks along an edge;
    edges (d + 1, d + 1): row d is the vertex (b, u), row i where it moves as tight constraint i is
    relaxed; tight, multipliers (d,); mixture, v, w (d,); choice (n_branches,); shields (m, d);
    lost (1,): the largest upper bound of what was left out; counts (COUNTS,).
    """

    columns: np.ndarray
    offsets: np.ndarray
    actions: np.ndarray
    beliefs: np.ndarray
    slack: np.ndarray
    rate: np.ndarray
    edges: np.ndarray
    tight: np.ndarray
    multipliers: np.ndarray
    mixture: np.ndarray
    v: np.ndarray
    w: np.ndarray
    choice: np.ndarray
    shields: np.ndarray
    lost: np.ndarray
    counts: np.ndarray


@kernel(error_model="numpy")
def refresh(cover):
    """Compute how far every vector lies below the vertex."""
    d, n = cover.v.shape[0], cover.counts[SIZE]
    weigh(cover.columns, n, cover.edges[d, :d], cover.slack)
    for j in range(n):
        cover.slack[j] = cover.edges[d, d] - cover.offsets[j] - cover.slack[j]


@kernel(error_model="numpy")
def restart(cover):
    """Go to the corner of the simplex where v exceeds the set most."""
    d, edges = cover.v.shape[0], cover.edges
    cover.counts[WORK] += d * cover.counts[SIZE]
    top, most, at = 0, -np.inf, 0
    for s in range(d):
        high, highest = -np.inf, 0
        for j in range(cover.counts[SIZE]):
            x = cover.columns[s, j] + cover.offsets[j]
            if x > high:
                high, highest = x, j
        if cover.v[s] - high > most:
            top, most, at = s, cover.v[s] - high, highest
    for i in range(d + 1):
        for s in range(d + 1):
            edges[i, s] = 0.0
    for s in range(d):
        cover.tight[s] = s
        edges[s, s] = 1.0
        edges[s, top] = -1.0
        edges[s, d] = cover.columns[s, at] - cover.columns[top, at]
    cover.tight[top] = d + at
    edges[top, top] = 0.0
    edges[top, d] = 1.0
    edges[d, top] = 1.0
    edges[d, d] = cover.columns[top, at] + cover.offsets[at]
    refresh(cover)


@kernel(error_model="numpy")
def steepest(cover):
    """Compute the multipliers; the edge along which v gains most on the set, -1: none."""
    d, edges = cover.v.shape[0], cover.edges
    best, at = 0.0, -1
    for i in range(d):
        gain, length = -edges[i, d], 0.0
        for s in range(d):
            gain += cover.v[s] * edges[i, s]
            length += edges[i, s] * edges[i, s]
        cover.multipliers[i] = -gain
        if gain > ROUNDING and gain * gain > best * length:
            best, at = gain * gain / length, i
    return at


@kernel(error_model="numpy")
def upper_bound(cover):
    """Mix the tight vectors by their multipliers; the largest entry of v less the mixture."""
    d = cover.v.shape[0]
    total = 0.0
    for s in range(d):
        cover.mixture[s] = 0.0
    for i in range(d):
        weight = cover.multipliers[i]
        if cover.tight[i] >= d and weight > 0.0:
            total += weight
            for s in range(d):
                cover.mixture[s] += weight * cover.columns[s, cover.tight[i] - d]
    most = -np.inf
    for s in range(d):
        cover.mixture[s] /= total
        most = max(most, cover.v[s] - cover.mixture[s])
    return most if total > 0.0 else np.inf


@kernel(error_model="numpy")
def first_met(cover, out):
    """The constraint that the edge meets first, -1: none, and how far along.

    Of those met within rounding of one another it is the one approached fastest (Harris 1973).
    """
    d, n, edge = cover.v.shape[0], cover.counts[SIZE], cover.edges[out]
    b, rate, slack = cover.edges[d], cover.rate, cover.slack
    weigh(cover.columns, n, edge[:d], rate)
    cover.counts[WORK] += d * n
    for i in range(d):
        if cover.tight[i] >= d:
            rate[cover.tight[i] - d] = edge[d]
    limit, at, fastest = np.inf, -1, SMALLEST_PIVOT
    for s in range(d):
        if -edge[s] > SMALLEST_PIVOT:
            limit = min(limit, (max(b[s], 0.0) + ROUNDING) / -edge[s])
    for j in range(n):
        rate[j] -= edge[d]
        if rate[j] > SMALLEST_PIVOT and slack[j] + ROUNDING < limit * rate[j]:
            limit = (max(slack[j], 0.0) + ROUNDING) / rate[j]
    for s in range(d):
        if -edge[s] > fastest and b[s] <= limit * -edge[s]:
            at, fastest = s, -edge[s]
    for j in range(n):
        if rate[j] > fastest and slack[j] <= limit * rate[j]:
            at, fastest = d + j, rate[j]
    if at < 0:
        return at, 0.0
    return at, max(b[at] if at < d else slack[at - d], 0.0) / fastest


@kernel(error_model="numpy")
def move(cover, out, constraint, step):
    """Go along edge `out` to the vertex where the constraint is tight."""
    d, edges = cover.v.shape[0], cover.edges
    for j in range(cover.counts[SIZE]):
        cover.slack[j] -= step * cover.rate[j]
    if cover.tight[out] >= d:
        cover.slack[cover.tight[out] - d] = step
    for s in range(d + 1):
        edges[d, s] += step * edges[out, s]
    for i in range(d):
        x = edges[i, constraint] if constraint < d else edges[i, d]
        if constraint >= d:
            for s in range(d):
                x -= cover.columns[s, constraint - d] * edges[i, s]
        cover.multipliers[i] = x  # by how much the constraint is relaxed along each edge
    speed = cover.multipliers[out]
    for s in range(d + 1):
        edges[out, s] /= speed
    for i in range(d):
        x = cover.multipliers[i]
        if i != out and x != 0.0:
            for s in range(d + 1):
                edges[i, s] -= x * edges[out, s]
    cover.tight[out] = constraint


@kernel(error_model="numpy")
def climb(cover, tolerance):
    """Bounds on how far v exceeds the set: a lower and an upper one.

    Ends when the upper one is within the tolerance, the lower one is not, or they meet.
    """
    d, edges = cover.v.shape[0], cover.edges
    cover.counts[PROGRAMS] += 1
    excess, least = -np.inf, np.inf
    for pivots in range(TIMES_SIZE * d):
        cover.counts[WORK] += d * d
        out = steepest(cover)
        least = min(least, upper_bound(cover))
        excess = -edges[d, d]
        for s in range(d):
            excess += cover.v[s] * edges[d, s]
        if least <= tolerance or excess > tolerance or out < 0:
            break
        constraint, step = first_met(cover, out)
        if constraint < 0:
            break
        move(cover, out, constraint, step)
        if pivots % REFRESH == REFRESH - 1:
            refresh(cover)
    return excess, least


@kernel(error_model="numpy")
def excess_at(cover, b):
    """Take the vertex's belief to b; how far v exceeds the set there."""
    d, n = b.shape[0], cover.counts[SIZE]
    total = 0.0
    for s in range(d):
        b[s] = max(cover.edges[d, s], 0.0)
        total += b[s]
    value, most = 0.0, -np.inf
    for s in range(d):
        b[s] /= total
        value += cover.v[s] * b[s]
    weigh(cover.columns, n, b, cover.rate)
    for j in range(n):
        most = max(most, cover.rate[j])
    return value - most


@kernel(error_model="numpy")
def add(cover, w, action, delta):
    """Add a vector. Its belief is written by the caller."""
    n = cover.counts[SIZE]
    for s in range(w.shape[0]):
        cover.columns[s, n] = w[s]
    cover.actions[n] = action
    cover.offsets[n] = offset_of(n, delta)
    cover.counts[SIZE] += 1


@kernel(error_model="numpy")
def shield(cover, tolerance):
    """Whether v lies behind a shield. One that serves moves forward."""
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


@kernel(error_model="numpy")
def keep_shield(cover):
    """Make a shield of the mixture; once they are full, in place of one in the rear half."""
    m, n = cover.shields.shape[0], cover.counts[SHIELDS]
    k = n if n < m else m // 2 + n % (m - m // 2)
    for s in range(cover.shields.shape[1]):
        cover.shields[k, s] = cover.mixture[s]
    cover.counts[SHIELDS] += 1


@kernel(error_model="numpy")
def settle(cover, oracle, action, tolerance, delta):
    """Add vectors until v exceeds the set nowhere by more than the tolerance; False: no room.

    They are the oracle's best at the belief where v exceeds. Offsets, which hide as much as delta,
    come on top of the tolerance.
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
        found = excess_at(cover, cover.beliefs[n]) > tolerance
        if found:
            _, best = backup(cover.beliefs[n], oracle, cover.choice)
            write_backup(oracle, best, cover.choice, cover.w)
            add(cover, cover.w, best, delta)
        else:
            add(cover, cover.v, action, delta)
        restart(cover)
        if not found:
            return True  # the program is too hard to say more: v itself covers it


@kernel(error_model="numpy")
def absorb(cover, candidates, oracle, tolerance, delta, budget):
    """Settle every combination of the candidates, from that which `counts` tell.

    The oracle has the same actions. A call ends after `budget` operations.
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
        behind = shield(cover, tolerance)
        if not (behind or settle(cover, oracle, action, tolerance, delta)):
            return FULL
        counts[NEXT] += 1
    return DONE


@kernel(error_model="numpy")
def rise(cover, vectors, first, budget):
    """Raise `lost` to how far some vectors, from the `first`, exceed the set; the next one."""
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
