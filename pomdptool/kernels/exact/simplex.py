"""The largest excess of a vector over a set of vectors: the primal simplex method.

The set is the polyhedron {(b, u): b in the simplex, w_j . b + delta_j <= u for every vector j}. The
largest excess of a candidate v is the linear program

    maximise v . b - u   over the polyhedron

in which only the objective depends on v. So the primal simplex method (Dantzig 1951) starts at the
vertex where the previous program ended: the next candidate's optimum is often the same, or near.
At every vertex v . b - u is a lower bound of the excess. The multipliers of the tight vectors,
negative ones set to 0 and the rest scaled to sum to 1, define a mixture u of vectors that lies
nowhere above the set's maximum, so the largest entry of v - u is an upper bound. `climb` stops when
one of the bounds decides, when they meet, or after `TIMES_SIZE` pivots per state.

The offsets delta_j are small and distinct and keep vertices apart that would coincide. Neither
bound relies on the accuracy of the inverse: the lower one is recomputed at the vertex's belief, the
upper one holds for any multipliers.

Constraints are numbered: 0 .. d-1 for b[s] >= 0, d + j for vector j. The caller scales values so
that candidates differ by about 1.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pomdptool.kernels.exact.backup import weigh
from pomdptool.kernels.jit import kernel

# Slots of Cover.counts.
SIZE, WORK, PROGRAMS, ACTION, NEXT, SHIELDS = range(6)
COUNTS = 6

# Statuses of `epsilon_pruning.absorb`.
DONE, BUDGET, FULL = range(3)

ROUNDING = 1e-13
"""Values and probabilities below this count as 0."""

SMALLEST_PIVOT = 1e-9
"""An edge along which a constraint's slack shrinks more slowly does not meet it."""

TIMES_SIZE = 100
"""Pivots per state after which a program is abandoned."""

REFRESH = 32
"""Pivots after which slacks are recomputed."""


class Cover(NamedTuple):
    """A set of up to k vectors over d states, and the current vertex.

    columns (d, k): the vectors, transposed; offsets, actions (k,); beliefs (k, d): where each was
    added; slack, rate (k,): distance of each from the vertex, and how fast it shrinks along an
    edge; edges (d + 1, d + 1): row d is the vertex (b, u), row i the direction in which it moves
    when tight constraint i is relaxed; tight, multipliers (d,); mixture, v, w (d,); choice
    (n_branches,); shields (m, d): mixtures; lost (1,): largest upper bound of the excess of a
    candidate that was left out; counts (COUNTS,).
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


@kernel
def refresh(cover):
    """Recompute the slack of every vector at the vertex."""
    d, n = cover.v.shape[0], cover.counts[SIZE]
    weigh(cover.columns, n, cover.edges[d, :d], cover.slack)
    for j in range(n):
        cover.slack[j] = cover.edges[d, d] - cover.offsets[j] - cover.slack[j]


@kernel
def restart(cover):
    """Start at the corner of the simplex where v exceeds the set most."""
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


@kernel
def steepest(cover):
    """Compute the multipliers; the edge of steepest ascent of the excess, -1 if there is none."""
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


@kernel
def upper_bound(cover):
    """Mix the tight vectors by their multipliers; the largest entry of v minus the mixture."""
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


@kernel
def first_met(cover, out):
    """Ratio test: the constraint that the edge meets first (-1: none) and the step length.

    Of constraints met within rounding of one another, the one with the largest pivot (Harris 1973).
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


@kernel
def move(cover, out, constraint, step):
    """Pivot: move along edge `out` to the vertex where the constraint is tight."""
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
        cover.multipliers[i] = x  # rate at which the constraint is relaxed along each edge
    speed = cover.multipliers[out]
    for s in range(d + 1):
        edges[out, s] /= speed
    for i in range(d):
        x = cover.multipliers[i]
        if i != out and x != 0.0:
            for s in range(d + 1):
                edges[i, s] -= x * edges[out, s]
    cover.tight[out] = constraint


@kernel
def climb(cover, tolerance):
    """Lower and upper bound of the largest excess of v over the set.

    Stops when the upper bound is within the tolerance, the lower one is not, or they meet.
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


@kernel
def excess_at(cover, b):
    """Copy the vertex's belief to b; the excess of v over the set there."""
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
