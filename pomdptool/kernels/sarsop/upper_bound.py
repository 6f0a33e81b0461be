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
from pomdptool.kernels.sarsop import layout as at
from pomdptool.kernels.sarsop.belief_graph import (
    apply_informed_bound,
    apply_informed_q,
    expand_action,
)
from pomdptool.kernels.sarsop.layout import append
from pomdptool.kernels.sarsop.lower_bound import SMALL_SHARE
from pomdptool.kernels.sarsop.policy_evaluation import size_of

INFORM = 10.0
"""Factor by which the costlier informed bound needs a larger share of the gap."""

DROP = 0.1
"""A point is listed again when its bound has dropped by this share of its gap."""


@kernel(inner=True)
def refresh_upper(s, n):
    """Upper bound of a node, from the points that it is interpolated between."""
    node, bounds = s.i[at.NODES_AT] + n * at.NODE, s.i[at.BOUNDS_AT] + n * at.BOUND
    value = s.f[bounds + at.BASE] + s.f[bounds + at.SLACK]
    for k in range(s.i[node + at.N_MIX]):
        point = s.i[at.BOUNDS_AT] + s.i[s.i[node + at.MIX_POINTS] + k] * at.BOUND
        drop = s.f[point + at.UPPER] - s.f[point + at.BASE]
        value += s.f[s.i[node + at.MIX_WEIGHTS] + k] * drop
    value = min(value, s.f[bounds + at.UPPER])
    s.f[bounds + at.UPPER] = value
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
    u, support = s.i[point + at.BELIEF], s.i[point + at.SUPPORT]
    ratio = np.inf
    for t in range(support, support + s.i[point + at.N_SUPPORT]):
        ratio = min(ratio, s.f[belief + s.i[t]] / s.f[u + s.i[t]])
    return ratio


@kernel(inner=True)
def update_upper(m, s, n):
    """Upper bound of a node, after sawtooth interpolation from the new points of its block."""
    node, bounds = s.i[at.NODES_AT] + n * at.NODE, s.i[at.BOUNDS_AT] + n * at.BOUND
    best, base, nearest, share = refresh_upper(s, n), s.f[bounds + at.BASE], at.NONE, 0.0
    row = s.i[at.LISTS_AT] + (at.LISTS * s.i[node + at.BLOCK] + at.POINT_LIST) * at.LIST
    length, checked = s.i[row + at.LENGTH], s.i[node + at.CHECKED_POINTS]
    if checked == 0:
        row += (at.POINT_SET - at.POINT_LIST) * at.LIST
    first, size = s.i[row + at.FIRST], size_of(m, s.i[node + at.BLOCK])
    begin, end = first + checked * at.POINT_ELEMENT, first + s.i[row + at.LENGTH] * at.POINT_ELEMENT
    belief, outside = s.i[node + at.BELIEF], ~s.i[node + at.MASK]
    for k in range(begin, end, at.POINT_ELEMENT):
        if s.i[k + at.POINT_MASK] & outside != 0:
            continue
        least = base - best
        if s.f[belief + s.i[k + at.PEAK]] * float_of(s.i[k + at.PEAK_DROP]) <= least:
            continue
        if s.f[belief + s.i[k + at.MARK]] * float_of(s.i[k + at.MARK_DROP]) <= least:
            continue
        drop = float_of(s.i[k + at.POINT_DROP])
        if drop <= least or not fits(s.f, belief, s.i[k + at.POINT_BELIEF], least / drop, size):
            continue
        point = s.i[at.NODES_AT] + s.i[k + at.ITEM] * at.NODE
        bounds_there = s.i[at.BOUNDS_AT] + s.i[k + at.ITEM] * at.BOUND
        drop = s.f[bounds_there + at.BASE] - s.f[bounds_there + at.UPPER]
        ratio = sawtooth_ratio(s, belief, point)
        if base - ratio * drop < best:
            best, nearest, share = base - ratio * drop, s.i[k + at.ITEM], ratio
    s.i[node + at.CHECKED_POINTS] = length
    slack = rounding(m, s.i[node + at.N_SUPPORT])
    if nearest != at.NONE and nearest != n and best + slack < s.f[bounds + at.UPPER]:
        allocate_mix(s, n, 1)
        s.i[s.i[node + at.MIX_POINTS]], s.f[s.i[node + at.MIX_WEIGHTS]] = nearest, share
        s.f[bounds + at.UPPER], s.f[bounds + at.SLACK] = best + slack, slack
    return s.f[bounds + at.UPPER]


@kernel(inner=True)
def rounding(m, size):
    """Allowance for rounding in an interpolation over `size` states."""
    return 2.0 * at.ROUNDING * (size + 4) * m.f[at.VALUE_BOUND]


@kernel(inner=True)
def allocate_mix(s, n, count):
    """Allocate space for the points that a node is interpolated between, and their weights."""
    node = s.i[at.NODES_AT] + n * at.NODE
    if s.i[node + at.N_MIX] < count:
        s.i[node + at.MIX_POINTS], s.i[node + at.MIX_WEIGHTS] = s.i[at.N_INTEGERS], s.i[at.N_FLOATS]
        s.i[at.N_INTEGERS] += count
        s.i[at.N_FLOATS] += count
    s.i[node + at.N_MIX] = count


@kernel(inner=True, inline="always")
def update_q_upper(m, s, n, a):
    """Lower the upper bound of Q for an action by its successors' bounds."""
    n_actions, node = m.i[at.N_ACTIONS], s.i[at.NODES_AT] + n * at.NODE
    bounds = s.i[at.BOUNDS_AT] + n * at.BOUND
    row = s.i[node + at.EXPANSION] * n_actions + a
    action = s.i[at.ACTIONS_AT] + row * at.ACTION
    if s.i[action + at.CHILDREN] < 0:
        expand_action(m, s, n, a)
    edge = m.i[at.EDGE_FIRST] + s.i[node + at.BLOCK] * n_actions + a
    small = SMALL_SHARE * (s.f[bounds + at.UPPER] - s.f[bounds + at.LOWER])
    value = 0.0
    for e in range(m.i[edge + 1] - m.i[edge]):
        child = s.i[s.i[action + at.CHILDREN] + e]
        if child == at.NONE:
            continue
        p, bounds = s.f[s.i[action + at.PROBABILITIES] + e], s.i[at.BOUNDS_AT] + child * at.BOUND
        upper = refresh_upper(s, child)
        share = p * (upper - s.f[bounds + at.LOWER])
        if share > INFORM * small:
            apply_informed_bound(m, s, child)
        if share > small:
            upper = update_upper(m, s, child)
        value += p * upper
    q_row = s.i[at.Q_VALUES_AT] + row * at.Q_VALUE
    value = s.f[q_row + at.REWARD] + m.f[at.DISCOUNT] * value
    s.f[q_row + at.Q_UPPER] = min(s.f[q_row + at.Q_UPPER], value)


@kernel(inner=True, inline="always")
def backup_upper(m, s, n, gain):
    """Back up a node's upper bound, by actions in order of their bounds; returns the best action.

    After a material drop, by more than `gain` too, the node is listed as a point of its block.
    """
    n_actions, node = m.i[at.N_ACTIONS], s.i[at.NODES_AT] + n * at.NODE
    row = s.i[node + at.EXPANSION] * n_actions
    q_row, last = s.i[at.Q_VALUES_AT] + row * at.Q_VALUE, at.NONE
    while True:
        action = 0
        for a in range(1, n_actions):
            if (
                s.f[q_row + a * at.Q_VALUE + at.Q_UPPER]
                > s.f[q_row + action * at.Q_VALUE + at.Q_UPPER]
            ):
                action = a
        if s.i[s.i[at.ACTIONS_AT] + (row + action) * at.ACTION + at.CHILDREN] == at.NOT_BOUNDED:
            apply_informed_q(m, s, n, action)
            continue
        if action == last:
            break
        update_q_upper(m, s, n, action)
        last = action
    value = s.f[q_row + action * at.Q_VALUE + at.Q_UPPER]
    bounds = s.i[at.BOUNDS_AT] + n * at.BOUND
    upper = min(update_upper(m, s, n), value)
    s.f[bounds + at.UPPER] = upper
    listed = s.f[bounds + at.LISTED]
    dropped = listed - upper > DROP * (upper - s.f[bounds + at.LOWER]) + gain
    if value <= upper + 0.01 * gain and dropped:
        list_point(m, s, n)
    return action


@kernel(inner=True)
def list_point(m, s, n):
    """List a node as a point, for the first time or again."""
    node, bounds = s.i[at.NODES_AT] + n * at.NODE, s.i[at.BOUNDS_AT] + n * at.BOUND
    points, drop = (
        at.LISTS * s.i[node + at.BLOCK] + at.POINT_LIST,
        s.f[bounds + at.BASE] - s.f[bounds + at.UPPER],
    )
    points_set = points - at.POINT_LIST + at.POINT_SET
    set_at = s.i[at.LISTS_AT] + points_set * at.LIST
    if s.f[bounds + at.LISTED] == np.inf:
        s.i[node + at.SET_INDEX] = s.i[set_at + at.LENGTH]
        append(s, points_set, at.POINT_ELEMENT)
    s.f[bounds + at.LISTED] = s.f[bounds + at.UPPER]
    u, support = s.i[node + at.BELIEF], s.i[node + at.SUPPORT]
    mass = at.POINT_MASS + m.i[m.i[at.BLOCK_FIRST] + s.i[node + at.BLOCK]]
    peak, mark = s.i[support], s.i[support]
    for t in range(support, support + s.i[node + at.N_SUPPORT]):
        i = s.i[t]
        s.f[mass + i] += s.f[u + i]
        if s.f[u + i] > s.f[u + peak]:
            peak = i
        if s.f[u + i] * s.f[mass + mark] > s.f[u + mark] * s.f[mass + i]:
            mark = i
    element = append(s, points, at.POINT_ELEMENT)
    for slot in (element, s.i[set_at + at.FIRST] + s.i[node + at.SET_INDEX] * at.POINT_ELEMENT):
        s.i[slot + at.ITEM], s.i[slot + at.POINT_MASK], s.i[slot + at.POINT_BELIEF] = (
            n,
            s.i[node + at.MASK],
            u,
        )
        s.i[slot + at.POINT_DROP] = bits_of(drop)
        s.i[slot + at.PEAK], s.i[slot + at.PEAK_DROP] = peak, bits_of(drop / s.f[u + peak])
        s.i[slot + at.MARK], s.i[slot + at.MARK_DROP] = mark, bits_of(drop / s.f[u + mark])
