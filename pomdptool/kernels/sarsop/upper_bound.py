"""The upper bound: values at points of a block, interpolated between them.

The sawtooth bound at b of a point u with value v is

    c . b + (v - c . u) min over i in the support of u of b[i] / u[i],

c the values at the corners (Hauskrecht 2000). In small blocks a linear program interpolates
between all points,

    minimise  sum of w[u] v[u]   subject to   sum of w[u] u = b,  w >= 0,

and every feasible w gives a bound, so that the primal simplex method may stop at any pivot.

A node remembers which points it was interpolated between, and their weights: when these points
drop, so does it, without a look at others.
"""

from __future__ import annotations

import numpy as np

from pomdptool.kernels.jit import kernel
from pomdptool.kernels.sarsop.belief_graph import bound_action, expand_action, inform
from pomdptool.kernels.sarsop.layout import (
    ABOVE,
    ACTION,
    ACTIONS_AT,
    BASE,
    BELIEF,
    BLOCK,
    BLOCK_FIRST,
    BOUND,
    BOUNDS_AT,
    CHANCES,
    CHILDREN,
    CORNERS,
    DISCOUNT,
    EDGE_FIRST,
    EXPANSION,
    FIRST,
    LARGEST,
    LENGTH,
    LIST,
    LISTED,
    LISTS,
    LISTS_AT,
    LOWER,
    MARK,
    MARK_DROP,
    MASK,
    MASS,
    N_ACTIONS,
    N_FLOATS,
    N_INTEGERS,
    N_MIXED,
    N_SUPPORT,
    NODE,
    NODES_AT,
    NONE,
    NOT_BOUNDED,
    PEAK,
    PEAK_DROP,
    PLACE,
    POINT_BELIEF,
    POINT_DROP,
    POINT_ELEMENT,
    POINT_LIST,
    POINT_MASK,
    POINT_SET,
    POINTS_MIXED,
    REWARD,
    SCRATCH_AT,
    SEEN_LP,
    SEEN_POINTS,
    SLACK,
    SUPPORT,
    UPPER,
    WEIGHTS_MIXED,
    WHICH,
    WORTH,
    WORTHS_AT,
    append,
)
from pomdptool.kernels.sarsop.lower_bound import SHARE, size_of

INFORM = 10.0
"""Times as large a part in the gap at which a child's informed bound is asked, which costs more."""

DROP = 0.1
"""A point is listed again when it has dropped by this share of its gap."""

ROUNDING = 2.0**-51
"""Relative error of a sum, for each term and some operations more, and as much again."""

LP_STATES = 12
"""States of the largest block where linear programs interpolate."""

LP_GROWTH = 0.2
"""By how much a block's list has grown before a node's program is solved again."""

MAX_PIVOTS = 20


@kernel(inner=True)
def refresh(s, n):
    """Upper bound of a node, from the points between which it lies."""
    node, bounds = s.i[NODES_AT] + n * NODE, s.i[BOUNDS_AT] + n * BOUND
    value = s.f[bounds + BASE] + s.f[bounds + SLACK]
    for k in range(s.i[node + N_MIXED]):
        point = s.i[BOUNDS_AT] + s.i[s.i[node + POINTS_MIXED] + k] * BOUND
        drop = s.f[point + UPPER] - s.f[point + BASE]
        value += s.f[s.i[node + WEIGHTS_MIXED] + k] * drop
    value = min(value, s.f[bounds + UPPER])
    s.f[bounds + UPPER] = value
    return value


@kernel(inner=True)
def float_of(bits):
    """The float that has these bits."""
    return np.int64(bits).view(np.float64)


@kernel(inner=True)
def bits_of(x):
    """The bits of a float, as an integer."""
    return np.float64(x).view(np.int64)


@kernel(inner=True)
def fits(f, belief, point, share, size):
    """Whether a share of a point is nowhere more than a belief."""
    belief, point = np.uint64(belief), np.uint64(point)
    for k in range(np.uint64(size)):
        if f[belief + k] < share * f[point + k]:
            return False
    return True


@kernel(inner=True)
def ratio_to(s, belief, point):
    """Largest share of a point that fits into a belief."""
    u, support = s.i[point + BELIEF], s.i[point + SUPPORT]
    ratio = np.inf
    for t in range(support, support + s.i[point + N_SUPPORT]):
        ratio = min(ratio, s.f[belief + s.i[t]] / s.f[u + s.i[t]])
    return ratio


@kernel(inner=True)
def update_upper(m, s, n):
    """Upper bound of a node, also by sawtooth from the points of its block not seen yet."""
    node, bounds = s.i[NODES_AT] + n * NODE, s.i[BOUNDS_AT] + n * BOUND
    best, base, at, share = refresh(s, n), s.f[bounds + BASE], NONE, 0.0
    row = s.i[LISTS_AT] + (LISTS * s.i[node + BLOCK] + POINT_LIST) * LIST
    length, seen = s.i[row + LENGTH], s.i[node + SEEN_POINTS]
    if seen == 0:
        row += (POINT_SET - POINT_LIST) * LIST
    first, size = s.i[row + FIRST], size_of(m, s.i[node + BLOCK])
    begin, end = first + seen * POINT_ELEMENT, first + s.i[row + LENGTH] * POINT_ELEMENT
    belief, outside = s.i[node + BELIEF], ~s.i[node + MASK]
    for k in range(begin, end, POINT_ELEMENT):
        if s.i[k + POINT_MASK] & outside != 0:
            continue
        least = base - best
        if s.f[belief + s.i[k + PEAK]] * float_of(s.i[k + PEAK_DROP]) <= least:
            continue
        if s.f[belief + s.i[k + MARK]] * float_of(s.i[k + MARK_DROP]) <= least:
            continue
        drop = float_of(s.i[k + POINT_DROP])
        if drop <= least or not fits(s.f, belief, s.i[k + POINT_BELIEF], least / drop, size):
            continue
        point = s.i[NODES_AT] + s.i[k + WHICH] * NODE
        bounds_there = s.i[BOUNDS_AT] + s.i[k + WHICH] * BOUND
        drop = s.f[bounds_there + BASE] - s.f[bounds_there + UPPER]
        ratio = ratio_to(s, belief, point)
        if base - ratio * drop < best:
            best, at, share = base - ratio * drop, s.i[k + WHICH], ratio
    s.i[node + SEEN_POINTS] = length
    slack = rounding(m, s.i[node + N_SUPPORT])
    if at != NONE and at != n and best + slack < s.f[bounds + UPPER]:
        room(s, n, 1)
        s.i[s.i[node + POINTS_MIXED]], s.f[s.i[node + WEIGHTS_MIXED]] = at, share
        s.f[bounds + UPPER], s.f[bounds + SLACK] = best + slack, slack
    return s.f[bounds + UPPER]


@kernel(inner=True)
def rounding(m, size):
    """What rounding may take off an interpolation over so many states."""
    return ROUNDING * (size + 4) * m.f[LARGEST]


@kernel(inner=True)
def room(s, n, count):
    """Make room for the points that a node is interpolated between."""
    node = s.i[NODES_AT] + n * NODE
    if s.i[node + N_MIXED] < count:
        s.i[node + POINTS_MIXED], s.i[node + WEIGHTS_MIXED] = s.i[N_INTEGERS], s.i[N_FLOATS]
        s.i[N_INTEGERS] += count
        s.i[N_FLOATS] += count
    s.i[node + N_MIXED] = count


@kernel(inner=True, inline="always")
def upper_of_action(m, s, n, a):
    """Lower an action's upper bound to what its children make of it."""
    n_actions, node = m.i[N_ACTIONS], s.i[NODES_AT] + n * NODE
    bounds = s.i[BOUNDS_AT] + n * BOUND
    row = s.i[node + EXPANSION] * n_actions + a
    action = s.i[ACTIONS_AT] + row * ACTION
    if s.i[action + CHILDREN] < 0:
        expand_action(m, s, n, a)
    edge = m.i[EDGE_FIRST] + s.i[node + BLOCK] * n_actions + a
    small = SHARE * (s.f[bounds + UPPER] - s.f[bounds + LOWER])
    value = 0.0
    for e in range(m.i[edge + 1] - m.i[edge]):
        child = s.i[s.i[action + CHILDREN] + e]
        if child == NONE:
            continue
        p, bounds = s.f[s.i[action + CHANCES] + e], s.i[BOUNDS_AT] + child * BOUND
        upper = refresh(s, child)
        share = p * (upper - s.f[bounds + LOWER])
        if share > INFORM * small:
            inform(m, s, child)
        if share > small:
            upper = update_upper(m, s, child)
        value += p * upper
    worth = s.i[WORTHS_AT] + row * WORTH
    value = s.f[worth + REWARD] + m.f[DISCOUNT] * value
    s.f[worth + ABOVE] = min(s.f[worth + ABOVE], value)


@kernel(inner=True, inline="always")
def backup_upper(m, s, n, gain):
    """Lower a node's upper bound, asking the most promising actions first; the best one of them.

    A material drop, by more than `gain` too, is listed, for the nodes of the block to see.
    """
    n_actions, node = m.i[N_ACTIONS], s.i[NODES_AT] + n * NODE
    row = s.i[node + EXPANSION] * n_actions
    worth, last = s.i[WORTHS_AT] + row * WORTH, NONE
    while True:
        action = 0
        for a in range(1, n_actions):
            if s.f[worth + a * WORTH + ABOVE] > s.f[worth + action * WORTH + ABOVE]:
                action = a
        if s.i[s.i[ACTIONS_AT] + (row + action) * ACTION + CHILDREN] == NOT_BOUNDED:
            bound_action(m, s, n, action)
            continue
        if action == last:
            break
        upper_of_action(m, s, n, action)
        last = action
    value = s.f[worth + action * WORTH + ABOVE]
    bounds = s.i[BOUNDS_AT] + n * BOUND
    upper = min(update_upper(m, s, n), value)
    s.f[bounds + UPPER] = upper
    listed = s.f[bounds + LISTED]
    dropped = listed - upper > DROP * (upper - s.f[bounds + LOWER]) + gain
    if value <= upper + 0.01 * gain and dropped:
        list_point(m, s, n)
    return action


@kernel(inner=True)
def list_point(m, s, n):
    """List a node as a point, for the first time or anew."""
    node, bounds = s.i[NODES_AT] + n * NODE, s.i[BOUNDS_AT] + n * BOUND
    points, drop = LISTS * s.i[node + BLOCK] + POINT_LIST, s.f[bounds + BASE] - s.f[bounds + UPPER]
    points_set = points - POINT_LIST + POINT_SET
    set_at = s.i[LISTS_AT] + points_set * LIST
    if s.f[bounds + LISTED] == np.inf:
        s.i[node + PLACE] = s.i[set_at + LENGTH]
        append(s, points_set, POINT_ELEMENT)
    s.f[bounds + LISTED] = s.f[bounds + UPPER]
    u, support = s.i[node + BELIEF], s.i[node + SUPPORT]
    mass = MASS + m.i[m.i[BLOCK_FIRST] + s.i[node + BLOCK]]
    peak, mark = s.i[support], s.i[support]
    for t in range(support, support + s.i[node + N_SUPPORT]):
        i = s.i[t]
        s.f[mass + i] += s.f[u + i]
        if s.f[u + i] > s.f[u + peak]:
            peak = i
        if s.f[u + i] * s.f[mass + mark] > s.f[u + mark] * s.f[mass + i]:
            mark = i
    element = append(s, points, POINT_ELEMENT)
    for at in (element, s.i[set_at + FIRST] + s.i[node + PLACE] * POINT_ELEMENT):
        s.i[at + WHICH], s.i[at + POINT_MASK], s.i[at + POINT_BELIEF] = n, s.i[node + MASK], u
        s.i[at + POINT_DROP] = bits_of(drop)
        s.i[at + PEAK], s.i[at + PEAK_DROP] = peak, bits_of(drop / s.f[u + peak])
        s.i[at + MARK], s.i[at + MARK_DROP] = mark, bits_of(drop / s.f[u + mark])


@kernel(inner=True, inline="always")
def interpolate(m, s, n, gain):
    """Lower a node's upper bound by a linear program, where its block is small and has news."""
    node, bounds = s.i[NODES_AT] + n * NODE, s.i[BOUNDS_AT] + n * BOUND
    block = s.i[node + BLOCK]
    if size_of(m, block) > LP_STATES:
        return
    length = s.i[s.i[LISTS_AT] + (LISTS * block + POINT_LIST) * LIST + LENGTH]
    if length - s.i[node + SEEN_LP] <= LP_GROWTH * length:
        return
    s.i[node + SEEN_LP] = length
    upper = update_upper(m, s, n)
    if program(m, s, n, gain) < upper and s.f[bounds + LISTED] < np.inf:
        unlist(s, n)
        s.f[bounds + LISTED] = np.inf


@kernel(inner=True)
def unlist(s, n):
    """Take a node off its block's set of points; the last one takes its place."""
    node = s.i[NODES_AT] + n * NODE
    row = s.i[LISTS_AT] + (LISTS * s.i[node + BLOCK] + POINT_SET) * LIST
    s.i[row + LENGTH] -= 1
    place, last = s.i[node + PLACE], s.i[row + FIRST] + s.i[row + LENGTH] * POINT_ELEMENT
    for k in range(POINT_ELEMENT):
        s.i[s.i[row + FIRST] + place * POINT_ELEMENT + k] = s.i[last + k]
    s.i[s.i[NODES_AT] + s.i[last + WHICH] * NODE + PLACE] = place


@kernel(inner=True, inline="always")
def gather(s, n, points):
    """Write the points inside a node's support that lie below the corners to scratch.

    Of each its number, its value, and its entries along the support. How many there are.
    """
    node = s.i[NODES_AT] + n * NODE
    count, support, outside = s.i[node + N_SUPPORT], s.i[node + SUPPORT], ~s.i[node + MASK]
    row = s.i[LISTS_AT] + (LISTS * s.i[node + BLOCK] + POINT_SET) * LIST
    end, first = points, s.i[row + FIRST]
    for k in range(first, first + s.i[row + LENGTH] * POINT_ELEMENT, POINT_ELEMENT):
        if s.i[k + POINT_MASK] & outside != 0 or s.i[k + WHICH] == n:
            continue
        point = s.i[NODES_AT] + s.i[k + WHICH] * NODE
        bounds = s.i[BOUNDS_AT] + s.i[k + WHICH] * BOUND
        if s.f[bounds + UPPER] >= s.f[bounds + BASE]:
            continue
        s.f[end], s.f[end + 1] = s.i[k + WHICH], s.f[bounds + UPPER]
        for t in range(count):
            s.f[end + 2 + t] = s.f[s.i[point + BELIEF] + s.i[support + t]]
        end += count + 2
    return (end - points) // (count + 2)


@kernel(inner=True)
def entering(f, points, count, size, price, x, first, gain):
    """Point of the least reduced cost (in the first round: of the largest gain), and that cost.

    Costs down to -gain count as 0.
    """
    at, least, reduced = NONE, -gain, 0.0
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
            at, least, reduced = point, gain, r
    return at, reduced


@kernel(inner=True, inline="always")
def pivot(f, inverse, x, price, column, point, reduced, size):
    """Bring a point into the basis; the row that it takes, NONE where no one can go."""
    ratio, leaving = np.inf, NONE
    for i in range(size):
        f[column + i] = 0.0
        for k in range(size):
            f[column + i] += f[inverse + i * size + k] * f[point + 2 + k]
        if f[column + i] > 1e-9 and f[x + i] < ratio * f[column + i]:
            ratio, leaving = f[x + i] / f[column + i], i
    if leaving == NONE:
        return NONE
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
def program(m, s, n, gain):
    """Interpolate between the points inside the node's support, and lower its upper bound.

    Returns the value found. What the weights miss of the belief, by rounding, is made up for by
    twice the largest value there is.
    """
    node, bounds = s.i[NODES_AT] + n * NODE, s.i[BOUNDS_AT] + n * BOUND
    size, support = s.i[node + N_SUPPORT], s.i[node + SUPPORT]
    corner = m.i[CORNERS] + m.i[m.i[BLOCK_FIRST] + s.i[node + BLOCK]]
    x = s.i[SCRATCH_AT]
    price, column, basis, rest = x + size, x + 2 * size, x + 3 * size, x + 4 * size
    inverse = x + 5 * size
    points = inverse + size * size
    count = gather(s, n, points)
    if size == 1 or count == 0:
        return s.f[bounds + UPPER]
    for k in range(inverse, points):
        s.f[k] = 0.0
    for i in range(size):
        s.f[rest + i] = s.f[s.i[node + BELIEF] + s.i[support + i]]
        s.f[x + i], s.f[price + i] = s.f[rest + i], m.f[corner + s.i[support + i]]
        s.f[basis + i], s.f[inverse + i * size + i] = NONE, 1.0
    for k in range(MAX_PIVOTS):
        at, reduced = entering(s.f, points, count, size, price, x, k == 0, gain)
        if at == NONE:
            break
        row = pivot(s.f, inverse, x, price, column, at, reduced, size)
        if row == NONE:
            break
        s.f[basis + row] = at
    value, missed, mixed = s.f[bounds + BASE], 0.0, 0
    for i in range(size):
        at = np.int64(s.f[basis + i])
        if at == NONE:
            s.f[rest + i] -= s.f[x + i]
        elif s.f[x + i] > 0.0:
            mixed += 1
            point = s.i[BOUNDS_AT] + np.int64(s.f[at]) * BOUND
            value += s.f[x + i] * (s.f[at + 1] - s.f[point + BASE])
            for k in range(size):
                s.f[rest + k] -= s.f[x + i] * s.f[at + 2 + k]
    for k in range(size):
        missed += abs(s.f[rest + k])
    slack = 2.0 * missed * m.f[LARGEST] + rounding(m, size + mixed)
    if value + slack < s.f[bounds + UPPER]:
        s.f[bounds + UPPER], s.f[bounds + SLACK] = value + slack, slack
        room(s, n, mixed)
        mixed = 0
        for i in range(size):
            at = np.int64(s.f[basis + i])
            if at != NONE and s.f[x + i] > 0.0:
                s.i[s.i[node + POINTS_MIXED] + mixed] = np.int64(s.f[at])
                s.f[s.i[node + WEIGHTS_MIXED] + mixed] = s.f[x + i]
                mixed += 1
    return value + slack
