"""The upper bound: values at the beliefs of a block's points, interpolated between them.

The sawtooth interpolation at b of a point u with value v is

    c . b + (v - c . u) min over i in the support of u of b[i] / u[i],

c the values at the corners (Hauskrecht 2000). In small blocks a linear program interpolates between
all points at once (see `interpolation`).

A node remembers the points that it was interpolated between, and their weights: when these points
drop, its bound drops too, without a scan of the others. A backup ends when the action with the
largest upper bound is the one that was updated last.
"""

from __future__ import annotations

import numpy as np

from pomdptool.kernels.jit import kernel
from pomdptool.kernels.sarsop.belief_graph import (
    apply_informed_bound,
    apply_informed_q,
    expand_action,
)
from pomdptool.kernels.sarsop.layout import (
    ACTION,
    ACTIONS_AT,
    BASE,
    BELIEF,
    BLOCK,
    BLOCK_FIRST,
    BOUND,
    BOUNDS_AT,
    CHECKED_POINTS,
    CHILDREN,
    DISCOUNT,
    EDGE_FIRST,
    EXPANSION,
    FIRST,
    ITEM,
    LENGTH,
    LIST,
    LISTED,
    LISTS,
    LISTS_AT,
    LOWER,
    MARK,
    MARK_DROP,
    MASK,
    MIX_POINTS,
    MIX_WEIGHTS,
    N_ACTIONS,
    N_FLOATS,
    N_INTEGERS,
    N_MIX,
    N_SUPPORT,
    NODE,
    NODES_AT,
    NONE,
    NOT_BOUNDED,
    PEAK,
    PEAK_DROP,
    POINT_BELIEF,
    POINT_DROP,
    POINT_ELEMENT,
    POINT_LIST,
    POINT_MASK,
    POINT_MASS,
    POINT_SET,
    PROBABILITIES,
    Q_UPPER,
    Q_VALUE,
    Q_VALUES_AT,
    REWARD,
    ROUNDING,
    SET_INDEX,
    SLACK,
    SUPPORT,
    UPPER,
    VALUE_BOUND,
    append,
)
from pomdptool.kernels.sarsop.lower_bound import SMALL_SHARE
from pomdptool.kernels.sarsop.policy_evaluation import size_of

INFORM = 10.0
"""The informed bound, which costs more, needs a share of the gap that is so many times larger."""

DROP = 0.1
"""A point is listed again when its bound has dropped by this share of its gap."""


@kernel(inner=True)
def refresh_upper(s, n):
    """Upper bound of a node, from the points that it is interpolated between."""
    node, bounds = s.i[NODES_AT] + n * NODE, s.i[BOUNDS_AT] + n * BOUND
    value = s.f[bounds + BASE] + s.f[bounds + SLACK]
    for k in range(s.i[node + N_MIX]):
        point = s.i[BOUNDS_AT] + s.i[s.i[node + MIX_POINTS] + k] * BOUND
        drop = s.f[point + UPPER] - s.f[point + BASE]
        value += s.f[s.i[node + MIX_WEIGHTS] + k] * drop
    value = min(value, s.f[bounds + UPPER])
    s.f[bounds + UPPER] = value
    return value


@kernel(inner=True)
def float_of(bits):
    """The float with these bits."""
    return np.int64(bits).view(np.float64)


@kernel(inner=True)
def bits_of(x):
    """The bits of a float, as an integer."""
    return np.float64(x).view(np.int64)


@kernel(inner=True)
def fits(f, belief, point, share, size):
    """Whether a share of a point nowhere exceeds a belief."""
    belief, point = np.uint64(belief), np.uint64(point)
    for k in range(np.uint64(size)):
        if f[belief + k] < share * f[point + k]:
            return False
    return True


@kernel(inner=True)
def sawtooth_ratio(s, belief, point):
    """Sawtooth ratio: the largest share of a point that nowhere exceeds a belief."""
    u, support = s.i[point + BELIEF], s.i[point + SUPPORT]
    ratio = np.inf
    for t in range(support, support + s.i[point + N_SUPPORT]):
        ratio = min(ratio, s.f[belief + s.i[t]] / s.f[u + s.i[t]])
    return ratio


@kernel(inner=True)
def update_upper(m, s, n):
    """Upper bound of a node, after sawtooth interpolation from the new points of its block."""
    node, bounds = s.i[NODES_AT] + n * NODE, s.i[BOUNDS_AT] + n * BOUND
    best, base, at, share = refresh_upper(s, n), s.f[bounds + BASE], NONE, 0.0
    row = s.i[LISTS_AT] + (LISTS * s.i[node + BLOCK] + POINT_LIST) * LIST
    length, checked = s.i[row + LENGTH], s.i[node + CHECKED_POINTS]
    if checked == 0:
        row += (POINT_SET - POINT_LIST) * LIST
    first, size = s.i[row + FIRST], size_of(m, s.i[node + BLOCK])
    begin, end = first + checked * POINT_ELEMENT, first + s.i[row + LENGTH] * POINT_ELEMENT
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
        point = s.i[NODES_AT] + s.i[k + ITEM] * NODE
        bounds_there = s.i[BOUNDS_AT] + s.i[k + ITEM] * BOUND
        drop = s.f[bounds_there + BASE] - s.f[bounds_there + UPPER]
        ratio = sawtooth_ratio(s, belief, point)
        if base - ratio * drop < best:
            best, at, share = base - ratio * drop, s.i[k + ITEM], ratio
    s.i[node + CHECKED_POINTS] = length
    slack = rounding(m, s.i[node + N_SUPPORT])
    if at != NONE and at != n and best + slack < s.f[bounds + UPPER]:
        allocate_mix(s, n, 1)
        s.i[s.i[node + MIX_POINTS]], s.f[s.i[node + MIX_WEIGHTS]] = at, share
        s.f[bounds + UPPER], s.f[bounds + SLACK] = best + slack, slack
    return s.f[bounds + UPPER]


@kernel(inner=True)
def rounding(m, size):
    """Allowance for rounding in an interpolation over so many states."""
    return 2.0 * ROUNDING * (size + 4) * m.f[VALUE_BOUND]


@kernel(inner=True)
def allocate_mix(s, n, count):
    """Allocate space for the points that a node is interpolated between, and their weights."""
    node = s.i[NODES_AT] + n * NODE
    if s.i[node + N_MIX] < count:
        s.i[node + MIX_POINTS], s.i[node + MIX_WEIGHTS] = s.i[N_INTEGERS], s.i[N_FLOATS]
        s.i[N_INTEGERS] += count
        s.i[N_FLOATS] += count
    s.i[node + N_MIX] = count


@kernel(inner=True, inline="always")
def update_q_upper(m, s, n, a):
    """Lower the upper bound of Q for an action by its successors' bounds."""
    n_actions, node = m.i[N_ACTIONS], s.i[NODES_AT] + n * NODE
    bounds = s.i[BOUNDS_AT] + n * BOUND
    row = s.i[node + EXPANSION] * n_actions + a
    action = s.i[ACTIONS_AT] + row * ACTION
    if s.i[action + CHILDREN] < 0:
        expand_action(m, s, n, a)
    edge = m.i[EDGE_FIRST] + s.i[node + BLOCK] * n_actions + a
    small = SMALL_SHARE * (s.f[bounds + UPPER] - s.f[bounds + LOWER])
    value = 0.0
    for e in range(m.i[edge + 1] - m.i[edge]):
        child = s.i[s.i[action + CHILDREN] + e]
        if child == NONE:
            continue
        p, bounds = s.f[s.i[action + PROBABILITIES] + e], s.i[BOUNDS_AT] + child * BOUND
        upper = refresh_upper(s, child)
        share = p * (upper - s.f[bounds + LOWER])
        if share > INFORM * small:
            apply_informed_bound(m, s, child)
        if share > small:
            upper = update_upper(m, s, child)
        value += p * upper
    q_row = s.i[Q_VALUES_AT] + row * Q_VALUE
    value = s.f[q_row + REWARD] + m.f[DISCOUNT] * value
    s.f[q_row + Q_UPPER] = min(s.f[q_row + Q_UPPER], value)


@kernel(inner=True, inline="always")
def backup_upper(m, s, n, gain):
    """Back up a node's upper bound, by actions in order of their bounds; returns the best action.

    After a material drop, by more than `gain` too, the node is listed as a point of its block.
    """
    n_actions, node = m.i[N_ACTIONS], s.i[NODES_AT] + n * NODE
    row = s.i[node + EXPANSION] * n_actions
    q_row, last = s.i[Q_VALUES_AT] + row * Q_VALUE, NONE
    while True:
        action = 0
        for a in range(1, n_actions):
            if s.f[q_row + a * Q_VALUE + Q_UPPER] > s.f[q_row + action * Q_VALUE + Q_UPPER]:
                action = a
        if s.i[s.i[ACTIONS_AT] + (row + action) * ACTION + CHILDREN] == NOT_BOUNDED:
            apply_informed_q(m, s, n, action)
            continue
        if action == last:
            break
        update_q_upper(m, s, n, action)
        last = action
    value = s.f[q_row + action * Q_VALUE + Q_UPPER]
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
    """List a node as a point, for the first time or again."""
    node, bounds = s.i[NODES_AT] + n * NODE, s.i[BOUNDS_AT] + n * BOUND
    points, drop = LISTS * s.i[node + BLOCK] + POINT_LIST, s.f[bounds + BASE] - s.f[bounds + UPPER]
    points_set = points - POINT_LIST + POINT_SET
    set_at = s.i[LISTS_AT] + points_set * LIST
    if s.f[bounds + LISTED] == np.inf:
        s.i[node + SET_INDEX] = s.i[set_at + LENGTH]
        append(s, points_set, POINT_ELEMENT)
    s.f[bounds + LISTED] = s.f[bounds + UPPER]
    u, support = s.i[node + BELIEF], s.i[node + SUPPORT]
    mass = POINT_MASS + m.i[m.i[BLOCK_FIRST] + s.i[node + BLOCK]]
    peak, mark = s.i[support], s.i[support]
    for t in range(support, support + s.i[node + N_SUPPORT]):
        i = s.i[t]
        s.f[mass + i] += s.f[u + i]
        if s.f[u + i] > s.f[u + peak]:
            peak = i
        if s.f[u + i] * s.f[mass + mark] > s.f[u + mark] * s.f[mass + i]:
            mark = i
    element = append(s, points, POINT_ELEMENT)
    for at in (element, s.i[set_at + FIRST] + s.i[node + SET_INDEX] * POINT_ELEMENT):
        s.i[at + ITEM], s.i[at + POINT_MASK], s.i[at + POINT_BELIEF] = n, s.i[node + MASK], u
        s.i[at + POINT_DROP] = bits_of(drop)
        s.i[at + PEAK], s.i[at + PEAK_DROP] = peak, bits_of(drop / s.f[u + peak])
        s.i[at + MARK], s.i[at + MARK_DROP] = mark, bits_of(drop / s.f[u + mark])
