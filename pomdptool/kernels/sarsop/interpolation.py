"""Interpolation between all points of a small block by a linear program.

    minimise  sum of w[u] v[u]   subject to   sum of w[u] u = b,  w >= 0

over the points u with values v[u]. Every feasible w gives an upper bound at b, so the primal
simplex method may stop at any pivot: it does so when no reduced cost is below -gain, or after
`MAX_PIVOTS`.
"""

from __future__ import annotations

import numpy as np

from pomdptool.kernels.jit import kernel
from pomdptool.kernels.sarsop import layout as at
from pomdptool.kernels.sarsop.policy_evaluation import size_of
from pomdptool.kernels.sarsop.upper_bound import allocate_mix, rounding, update_upper

LP_STATES = 12
"""Number of states of the largest block in which linear programs are solved."""

LP_GROWTH = 0.2
"""Share by which a block's list must grow before a node's program is solved again."""

MAX_PIVOTS = 20


@kernel(inner=True, inline="always")
def interpolate(m, s, n, gain):
    """Lower a node's upper bound by a linear program, if its block is small and has new points."""
    node, bounds = s.i[at.NODES_AT] + n * at.NODE, s.i[at.BOUNDS_AT] + n * at.BOUND
    block = s.i[node + at.BLOCK]
    if size_of(m, block) > LP_STATES:
        return
    length = s.i[s.i[at.LISTS_AT] + (at.LISTS * block + at.POINT_LIST) * at.LIST + at.LENGTH]
    if length - s.i[node + at.LP_POINTS] <= LP_GROWTH * length:
        return
    s.i[node + at.LP_POINTS] = length
    upper = update_upper(m, s, n)
    if solve_lp(m, s, n, gain) < upper and s.f[bounds + at.LISTED] < np.inf:
        unlist(s, n)
        s.f[bounds + at.LISTED] = np.inf


@kernel(inner=True)
def unlist(s, n):
    """Remove a node from its block's set of points; the last one takes its index."""
    node = s.i[at.NODES_AT] + n * at.NODE
    row = s.i[at.LISTS_AT] + (at.LISTS * s.i[node + at.BLOCK] + at.POINT_SET) * at.LIST
    s.i[row + at.LENGTH] -= 1
    place, last = (
        s.i[node + at.SET_INDEX],
        s.i[row + at.FIRST] + s.i[row + at.LENGTH] * at.POINT_ELEMENT,
    )
    for k in range(at.POINT_ELEMENT):
        s.i[s.i[row + at.FIRST] + place * at.POINT_ELEMENT + k] = s.i[last + k]
    s.i[s.i[at.NODES_AT] + s.i[last + at.ITEM] * at.NODE + at.SET_INDEX] = place


@kernel(inner=True, inline="always")
def gather_points(s, n, points):
    """Write the points inside a node's support and below the corners' interpolation to scratch.

    For each its number, its value, and its probabilities along the support. Returns their number.
    """
    node = s.i[at.NODES_AT] + n * at.NODE
    count, support, outside = s.i[node + at.N_SUPPORT], s.i[node + at.SUPPORT], ~s.i[node + at.MASK]
    row = s.i[at.LISTS_AT] + (at.LISTS * s.i[node + at.BLOCK] + at.POINT_SET) * at.LIST
    end, first = points, s.i[row + at.FIRST]
    for k in range(first, first + s.i[row + at.LENGTH] * at.POINT_ELEMENT, at.POINT_ELEMENT):
        if s.i[k + at.POINT_MASK] & outside != 0 or s.i[k + at.ITEM] == n:
            continue
        point = s.i[at.NODES_AT] + s.i[k + at.ITEM] * at.NODE
        bounds = s.i[at.BOUNDS_AT] + s.i[k + at.ITEM] * at.BOUND
        if s.f[bounds + at.UPPER] >= s.f[bounds + at.BASE]:
            continue
        s.f[end], s.f[end + 1] = s.i[k + at.ITEM], s.f[bounds + at.UPPER]
        for t in range(count):
            s.f[end + 2 + t] = s.f[s.i[point + at.BELIEF] + s.i[support + t]]
        end += count + 2
    return (end - points) // (count + 2)


@kernel(inner=True)
def entering_point(f, points, count, size, price, x, first, gain):
    """Point of least reduced cost (in the first round: of the largest decrease), and that cost.

    Reduced costs above -gain count as 0.
    """
    entering, least, reduced = at.NONE, -gain, 0.0
    for point in range(points, points + count * (size + 2), size + 2):
        r = f[point + 1]
        for i in range(size):
            r -= f[price + i] * f[point + 2 + i]
        gain = r
        if first and r < least:
            ratio = np.inf
            for i in range(size):
                if f[x + i] < ratio * f[point + 2 + i]:
                    ratio = f[x + i] / f[point + 2 + i]
            gain = r * ratio
        if gain < least:
            entering, least, reduced = point, gain, r
    return entering, reduced


@kernel(inner=True, inline="always")
def pivot(f, inverse, x, price, column, point, reduced, size):
    """Let a point enter the basis; returns its row, NONE if no row can leave."""
    ratio, leaving = np.inf, at.NONE
    for i in range(size):
        f[column + i] = 0.0
        for k in range(size):
            f[column + i] += f[inverse + i * size + k] * f[point + 2 + k]
        if f[column + i] > 1e-9 and f[x + i] < ratio * f[column + i]:
            ratio, leaving = f[x + i] / f[column + i], i
    if leaving == at.NONE:
        return at.NONE
    for i in range(size):
        f[x + i] = max(f[x + i] - ratio * f[column + i], 0.0)
    f[x + leaving] = ratio
    row = inverse + leaving * size
    for k in range(size):
        f[row + k] /= f[column + leaving]
        f[price + k] += reduced * f[row + k]
    for i in range(size):
        if i != leaving and f[column + i] != 0.0:
            for k in range(size):
                f[inverse + i * size + k] -= f[column + i] * f[row + k]
    return leaving


@kernel(inner=True)
def solve_lp(m, s, n, gain):
    """Interpolate between the points inside the node's support, and lower its upper bound.

    Returns the optimal value, plus an allowance for rounding: twice VALUE_BOUND for each unit by
    which the weighted points miss the belief.
    """
    node, bounds = s.i[at.NODES_AT] + n * at.NODE, s.i[at.BOUNDS_AT] + n * at.BOUND
    size, support = s.i[node + at.N_SUPPORT], s.i[node + at.SUPPORT]
    corner = m.i[at.CORNERS] + m.i[m.i[at.BLOCK_FIRST] + s.i[node + at.BLOCK]]
    x = s.i[at.SCRATCH_AT]
    price, column, basis, rest = x + size, x + 2 * size, x + 3 * size, x + 4 * size
    inverse = x + 5 * size
    points = inverse + size * size
    count = gather_points(s, n, points)
    if size == 1 or count == 0:
        return s.f[bounds + at.UPPER]
    for k in range(inverse, points):
        s.f[k] = 0.0
    for i in range(size):
        s.f[rest + i] = s.f[s.i[node + at.BELIEF] + s.i[support + i]]
        s.f[x + i], s.f[price + i] = s.f[rest + i], m.f[corner + s.i[support + i]]
        s.f[basis + i], s.f[inverse + i * size + i] = at.NONE, 1.0
    for k in range(MAX_PIVOTS):
        entering, reduced = entering_point(s.f, points, count, size, price, x, k == 0, gain)
        if entering == at.NONE:
            break
        row = pivot(s.f, inverse, x, price, column, entering, reduced, size)
        if row == at.NONE:
            break
        s.f[basis + row] = entering
    value, missed, mixed = s.f[bounds + at.BASE], 0.0, 0
    for i in range(size):
        member = np.int64(s.f[basis + i])
        if member == at.NONE:
            s.f[rest + i] -= s.f[x + i]
        elif s.f[x + i] > 0.0:
            mixed += 1
            point = s.i[at.BOUNDS_AT] + np.int64(s.f[member]) * at.BOUND
            value += s.f[x + i] * (s.f[member + 1] - s.f[point + at.BASE])
            for k in range(size):
                s.f[rest + k] -= s.f[x + i] * s.f[member + 2 + k]
    for k in range(size):
        missed += abs(s.f[rest + k])
    slack = 2.0 * missed * m.f[at.VALUE_BOUND] + rounding(m, size + mixed)
    if value + slack < s.f[bounds + at.UPPER]:
        s.f[bounds + at.UPPER], s.f[bounds + at.SLACK] = value + slack, slack
        allocate_mix(s, n, mixed)
        mixed = 0
        for i in range(size):
            member = np.int64(s.f[basis + i])
            if member != at.NONE and s.f[x + i] > 0.0:
                s.i[s.i[node + at.MIX_POINTS] + mixed] = np.int64(s.f[member])
                s.f[s.i[node + at.MIX_WEIGHTS] + mixed] = s.f[x + i]
                mixed += 1
    return value + slack
