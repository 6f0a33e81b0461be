"""The upper bound: values at points of a block, interpolated between them.

The sawtooth bound at b of a point u with value v is

    c . b + (v - c . u) min over i in the support of u of b[i] / u[i],

c the values at the corners (Hauskrecht 2000). In small blocks a linear program interpolates
between all points,

    minimise  sum of w[u] v[u]   subject to   sum of w[u] u = b,  w >= 0,

and every feasible w gives a bound, so that the primal simplex method may stop at any pivot.
"""

from __future__ import annotations

import numpy as np

from pomdptool.kernels import kernel
from pomdptool.kernels.nodes import bound_action, expand_action, inform
from pomdptool.kernels.search import (
    ABOVE,
    BASE,
    BELIEF,
    BLOCK,
    CHANCES,
    CHILDREN,
    CORNERS,
    EXPANSION,
    FIRST,
    LENGTH,
    LISTED,
    LISTS,
    LOWER,
    N_SUPPORT,
    NONE,
    NOT_BOUNDED,
    POINTS,
    REWARD,
    SEEN_LP,
    SEEN_POINTS,
    SUPPORT,
    UPPER,
    append,
)
from pomdptool.kernels.vectors import SHARE

DROP = 0.1
"""A point is listed again when it has dropped by this share of its gap."""

LP_STATES = 32
"""States of the largest block where linear programs interpolate."""

LP_GROWTH = 0.2
"""By how much a block's list has grown before a node's program is solved again."""

MAX_PIVOTS = 20


@kernel(inner=True)
def update_upper(search, n):
    """Upper bound of a node, by sawtooth from the points of its block that it has not seen."""
    row = LISTS * search.node_i[n, BLOCK] + POINTS
    length = search.list_i[row, LENGTH]
    seen = search.node_i[n, SEEN_POINTS]
    best, base = search.node_f[n, UPPER], search.node_f[n, BASE]
    b, count = search.node_i[n, BELIEF], search.node_i[n, N_SUPPORT]
    first = search.list_i[row, FIRST]
    for i in range(first + seen, first + length):
        point = search.integers[i]
        drop = search.node_f[point, UPPER] - search.node_f[point, BASE]
        if drop >= 0.0 or search.node_i[point, N_SUPPORT] > count:
            continue
        needed = max((best - base) / drop, 0.0)
        if needed >= 1.0:
            continue
        u, k = search.node_i[point, BELIEF], search.node_i[point, SUPPORT]
        ratio = np.inf
        for t in range(k, k + search.node_i[point, N_SUPPORT]):
            s = search.integers[t]
            if search.floats[b + s] < ratio * search.floats[u + s]:
                ratio = search.floats[b + s] / search.floats[u + s]
                if ratio <= needed:
                    break
        if ratio > needed:
            best = min(best, base + ratio * drop)
    search.node_i[n, SEEN_POINTS] = length
    search.node_f[n, UPPER] = best
    return best


@kernel(inner=True)
def upper_of_action(blocks, above, search, n, a):
    """Lower an action's upper bound to what its children make of it."""
    n_actions = blocks.rewards.shape[1]
    row = search.node_i[n, EXPANSION] * n_actions + a
    if search.action_i[row, CHILDREN] < 0:
        expand_action(blocks, above, search, n, a)
    edges = search.node_i[n, BLOCK] * n_actions + a
    small = SHARE * (search.node_f[n, UPPER] - search.node_f[n, LOWER])
    value = 0.0
    for e in range(blocks.edge_first[edges + 1] - blocks.edge_first[edges]):
        child = search.integers[search.action_i[row, CHILDREN] + e]
        if child == NONE:
            continue
        p = search.floats[search.action_i[row, CHANCES] + e]
        upper = search.node_f[child, UPPER]
        if p * (upper - search.node_f[child, LOWER]) > small:
            inform(blocks, above, search, child)
            upper = update_upper(search, child)
        value += p * upper
    value = search.action_f[row, REWARD] + blocks.discount * value
    search.action_f[row, ABOVE] = min(search.action_f[row, ABOVE], value)


@kernel(inner=True)
def backup_upper(blocks, above, search, n):
    """Lower a node's upper bound, asking the most promising actions first; the best one of them.

    A material drop is listed, for the nodes of the block to see.
    """
    n_actions = blocks.rewards.shape[1]
    first = search.node_i[n, EXPANSION] * n_actions
    done = np.zeros(n_actions, np.bool_)
    while True:
        action = 0
        for a in range(1, n_actions):
            if search.action_f[first + a, ABOVE] > search.action_f[first + action, ABOVE]:
                action = a
        if done[action]:
            break
        if search.action_i[first + action, CHILDREN] == NOT_BOUNDED:
            bound_action(blocks, above, search, n, action)
        else:
            done[action] = True
            upper_of_action(blocks, above, search, n, action)
    value = search.action_f[first + action, ABOVE]
    upper = min(update_upper(search, n), value)
    search.node_f[n, UPPER] = upper
    gap = upper - search.node_f[n, LOWER]
    if value <= upper + 1e-12 and search.node_f[n, LISTED] - upper > DROP * gap + 1e-9:
        block = search.node_i[n, BLOCK]
        if search.node_f[n, LISTED] == np.inf:
            append(search, LISTS * block + CORNERS, n)
        append(search, LISTS * block + POINTS, n)
        search.node_f[n, LISTED] = upper
    return action


@kernel(inner=True)
def interpolate(blocks, above, search, n):
    """Lower a node's upper bound by a linear program, where its block is small and has news."""
    block = search.node_i[n, BLOCK]
    if blocks.block_first[block + 1] - blocks.block_first[block] > LP_STATES:
        return
    length = search.list_i[LISTS * block + POINTS, LENGTH]
    if length - search.node_i[n, SEEN_LP] <= LP_GROWTH * length:
        return
    search.node_i[n, SEEN_LP] = length
    upper = update_upper(search, n)
    value = program(blocks, above, search, n)
    if value < upper:
        search.node_f[n, UPPER] = value
        if search.node_f[n, LISTED] < np.inf:
            unlist(search, LISTS * block + CORNERS, n)
            search.node_f[n, LISTED] = np.inf


@kernel(inner=True)
def unlist(search, row, n):
    """Take a node off a list; the last one takes its place."""
    first, length = search.list_i[row, FIRST], search.list_i[row, LENGTH]
    for i in range(first, first + length):
        if search.integers[i] == n:
            search.integers[i] = search.integers[first + length - 1]
            search.list_i[row, LENGTH] -= 1
            return


@kernel(inner=True)
def gather(search, n, points, values):
    """Copy the points inside a node's support that lie below the corners; how many there are."""
    m, support = search.node_i[n, N_SUPPORT], search.node_i[n, SUPPORT]
    row = LISTS * search.node_i[n, BLOCK] + CORNERS
    first, length = search.list_i[row, FIRST], search.list_i[row, LENGTH]
    count = 0
    for i in range(first, first + length):
        point = search.integers[i]
        drops = search.node_f[point, UPPER] < search.node_f[point, BASE]
        if point == n or not drops or search.node_i[point, N_SUPPORT] > m:
            continue
        total, u = 0.0, search.node_i[point, BELIEF]
        for t in range(m):
            points[count, t] = search.floats[u + search.integers[support + t]]
            total += points[count, t]
        if total >= 1.0 - 1e-12:
            values[count] = search.node_f[point, UPPER]
            count += 1
    return count


@kernel(fastmath={"reassoc", "contract"}, inner=True)
def entering(points, values, count, price, x, first):
    """Point of the least reduced cost (in the first round: of the largest gain), and that cost."""
    m = price.shape[0]
    at, least, reduced = NONE, -1e-8, 0.0
    for t in range(count):
        r = values[t]
        for i in range(m):
            r -= price[i] * points[t, i]
        gain = r
        if first and r < least:
            ratio = np.inf
            for i in range(m):
                if x[i] < ratio * points[t, i]:
                    ratio = x[i] / points[t, i]
            gain = r * ratio
        if gain < least:
            at, least, reduced = t, gain, r
    return at, reduced


@kernel(inner=True)
def pivot(inverse, x, price, column, point, reduced):
    """Bring a point into the basis; the row that it takes, NONE where no one can go."""
    m = x.shape[0]
    ratio, leaving = np.inf, NONE
    for i in range(m):
        column[i] = 0.0
        for k in range(m):
            column[i] += inverse[i, k] * point[k]
        if column[i] > 1e-9 and x[i] < ratio * column[i]:
            ratio, leaving = x[i] / column[i], i
    if leaving == NONE:
        return NONE
    for i in range(m):
        x[i] = max(x[i] - ratio * column[i], 0.0)
    x[leaving] = ratio
    for k in range(m):
        inverse[leaving, k] /= column[leaving]
    for i in range(m):
        if i != leaving and column[i] != 0.0:
            for k in range(m):
                inverse[i, k] -= column[i] * inverse[leaving, k]
    for k in range(m):
        price[k] += reduced * inverse[leaving, k]
    return leaving


@kernel(inner=True)
def program(blocks, above, search, n):
    """Value of the best interpolation found between the points inside the node's support.

    What the weights miss of the belief, by rounding, is added at the largest value there is.
    """
    m, support = search.node_i[n, N_SUPPORT], search.node_i[n, SUPPORT]
    length = search.list_i[LISTS * search.node_i[n, BLOCK] + CORNERS, LENGTH]
    points, values = np.empty((length, m)), np.empty(length)
    count = gather(search, n, points, values)
    if m == 1 or count == 0:
        return search.node_f[n, UPPER]
    belief, x, cost, price = np.empty(m), np.empty(m), np.empty(m), np.empty(m)
    basis, inverse, column = np.full(m, NONE), np.zeros((m, m)), np.empty(m)
    for i in range(m):
        s = search.integers[support + i]
        belief[i] = search.floats[search.node_i[n, BELIEF] + s]
        cost[i] = above.corner[blocks.block_first[search.node_i[n, BLOCK]] + s]
        x[i], price[i], inverse[i, i] = belief[i], cost[i], 1.0
    for k in range(MAX_PIVOTS):
        at, reduced = entering(points, values, count, price, x, k == 0)
        if at == NONE:
            break
        row = pivot(inverse, x, price, column, points[at], reduced)
        if row == NONE:
            break
        basis[row], cost[row] = at, values[at]
    value = 0.0
    for i in range(m):
        value += cost[i] * x[i]
        for k in range(m):
            if basis[i] != NONE:
                belief[k] -= x[i] * points[basis[i], k]
        if basis[i] == NONE:
            belief[i] -= x[i]
    for k in range(m):
        value += abs(belief[k]) * above.largest
    return value
