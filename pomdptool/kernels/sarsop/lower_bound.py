"""The lower bound: alpha vectors over blocks, linked to the vectors that they were backed up from.

A vector is the value of the controller that takes its action and continues, after each observation,
with the linked vector. The lower bound at a belief is the maximum over vectors; a node remembers
its maximal vector and how many vectors of its block it has checked, so that an update costs only
the new ones.

A new vector that dominates the node's previous best takes its place: every vector linked to the old
one then has at least its value (Hansen 1998). So controllers acquire loops, and evaluating them
raises many vectors at once (see `policy_evaluation`).
"""

from __future__ import annotations

import numpy as np

from pomdptool.kernels.jit import kernel
from pomdptool.kernels.sarsop import layout as at
from pomdptool.kernels.sarsop.layout import append
from pomdptool.kernels.sarsop.policy_evaluation import (
    SPARSE,
    dot,
    fast_dot,
    size_of,
    sparse_dot,
    value_of,
    write_values,
)

OTHERS = 8
"""Backups between updates of actions that are best by neither bound."""

SMALL_SHARE = 0.002
"""Successors that contribute less than this share of a node's gap are not updated."""


@kernel(inner=True)
def update_lower(m, s, n):
    """Lower bound of a node, after checking the new vectors of its block."""
    node = s.i[at.NODES_AT] + n * at.NODE
    row = s.i[at.LISTS_AT] + (at.LISTS * s.i[node + at.BLOCK] + at.VECTOR_LIST) * at.LIST
    if s.i[node + at.CHECKED_VECTORS] < s.i[row + at.LENGTH]:
        check_vectors(m, s, n, s.i[row + at.LENGTH])
    return s.f[s.i[at.BOUNDS_AT] + n * at.BOUND + at.LOWER]


@kernel(inner=True)
def check_vectors(m, s, n, length):
    """Check the vectors of a node's block, up to some length of the list, for a larger value.

    Of dense inner products, only those are summed in fixed order that may be the largest.
    """
    node, lower = s.i[at.NODES_AT] + n * at.NODE, s.i[at.BOUNDS_AT] + n * at.BOUND + at.LOWER
    first = s.i[
        s.i[at.LISTS_AT] + (at.LISTS * s.i[node + at.BLOCK] + at.VECTOR_LIST) * at.LIST + at.FIRST
    ]
    best, best_vector = s.f[lower], s.i[node + at.BEST]
    belief, size = s.i[node + at.BELIEF], size_of(m, s.i[node + at.BLOCK])
    support, n_support = s.i[node + at.SUPPORT], s.i[node + at.N_SUPPORT]
    begin, end = (
        first + s.i[node + at.CHECKED_VECTORS] * at.VECTOR_ELEMENT,
        first + length * at.VECTOR_ELEMENT,
    )
    rounding = 4.0 * at.ROUNDING * (size + 4) * (2.0 * m.f[at.VALUE_BOUND] + abs(best))
    dense = SPARSE * n_support > size
    for k in range(begin, end, at.VECTOR_ELEMENT):
        values = s.i[k + at.VALUES_AT]
        if dense:
            if fast_dot(s.f, belief, values, size) < best - rounding:
                continue
            value = dot(s.f, belief, values, size)
        else:
            value = sparse_dot(s, belief, values, support, n_support)
        if value > best:
            best, best_vector = value, s.i[k + at.ITEM]
    s.i[node + at.CHECKED_VECTORS], s.i[node + at.BEST], s.f[lower] = length, best_vector, best


@kernel(inner=True, inline="always")
def q_lower(m, s, n, row):
    """Lower bound of Q for an expanded action, given by its row, from its successors."""
    node, bounds = s.i[at.NODES_AT] + n * at.NODE, s.i[at.BOUNDS_AT] + n * at.BOUND
    n_actions = m.i[at.N_ACTIONS]
    edge = m.i[at.EDGE_FIRST] + s.i[node + at.BLOCK] * n_actions + row % n_actions
    action = s.i[at.ACTIONS_AT] + row * at.ACTION
    small = SMALL_SHARE * (s.f[bounds + at.UPPER] - s.f[bounds + at.LOWER])
    value = 0.0
    for e in range(m.i[edge + 1] - m.i[edge]):
        child = s.i[s.i[action + at.CHILDREN] + e]
        if child == at.NONE:
            continue
        p, bounds = s.f[s.i[action + at.PROBABILITIES] + e], s.i[at.BOUNDS_AT] + child * at.BOUND
        lower = s.f[bounds + at.LOWER]
        if p * (s.f[bounds + at.UPPER] - lower) > small:
            lower = update_lower(m, s, child)
        value += p * lower
    return s.f[s.i[at.Q_VALUES_AT] + row * at.Q_VALUE + at.REWARD] + m.f[at.DISCOUNT] * value


@kernel(inner=True, inline="always")
def backup_lower(m, s, n, gain):
    """Point-based backup: add the best action's vector if it raises the bound by more than `gain`.

    Returns the best action by lower bound. Actions that an upper bound rules out are skipped.
    """
    n_actions, lower = m.i[at.N_ACTIONS], update_lower(m, s, n)
    row = s.i[s.i[at.NODES_AT] + n * at.NODE + at.EXPANSION] * n_actions
    q_row = s.i[at.Q_VALUES_AT] + row * at.Q_VALUE
    top, low = 0, 0
    for a in range(1, n_actions):
        if s.f[q_row + a * at.Q_VALUE + at.Q_UPPER] > s.f[q_row + top * at.Q_VALUE + at.Q_UPPER]:
            top = a
        if s.f[q_row + a * at.Q_VALUE + at.Q_LOWER] > s.f[q_row + low * at.Q_VALUE + at.Q_LOWER]:
            low = a
    best, action = -np.inf, at.NONE
    for a in range(n_actions):
        if s.i[s.i[at.ACTIONS_AT] + (row + a) * at.ACTION + at.CHILDREN] < 0:
            continue
        if s.f[q_row + a * at.Q_VALUE + at.Q_UPPER] < lower:
            continue
        below = q_row + a * at.Q_VALUE + at.Q_LOWER
        known = s.f[below] > -np.inf
        if known and a != top and a != low and (s.i[at.N_BACKUPS] + a) % OTHERS != 0:
            continue
        value = q_lower(m, s, n, row + a)
        s.f[below] = value
        if value > s.f[q_row + low * at.Q_VALUE + at.Q_LOWER]:
            low = a
        if value > best:
            best, action = value, a
    if action != at.NONE and best > lower + gain:
        add_vector(m, s, n, action)
    return low


@kernel(inner=True, inline="always")
def add_vector(m, s, n, a):
    """Back up the best vectors of a node's successors; add the result if it is larger there."""
    n_actions, node = m.i[at.N_ACTIONS], s.i[at.NODES_AT] + n * at.NODE
    lower, block = s.i[at.BOUNDS_AT] + n * at.BOUND + at.LOWER, s.i[node + at.BLOCK]
    edge = m.i[at.EDGE_FIRST] + block * n_actions + a
    n_edges = m.i[edge + 1] - m.i[edge]
    row = s.i[at.ACTIONS_AT] + (s.i[node + at.EXPANSION] * n_actions + a) * at.ACTION
    values, links, size = s.i[at.N_FLOATS], s.i[at.N_INTEGERS], size_of(m, block)
    for e in range(n_edges):
        child = s.i[s.i[row + at.CHILDREN] + e]
        if child == at.NONE:
            # The observation cannot occur, so any vector is sound: the first, a blind policy's.
            target = at.LISTS * m.i[m.i[at.EDGES] + 2 * (m.i[edge] + e)] + at.VECTOR_LIST
            s.i[links + e] = s.i[s.i[s.i[at.LISTS_AT] + target * at.LIST + at.FIRST] + at.ITEM]
        else:
            s.i[links + e] = s.i[s.i[at.NODES_AT] + child * at.NODE + at.BEST]
    for i in range(size):
        s.f[values + i] = -np.inf
    write_values(m, s, block, a, links, values)
    value = value_of(m, s, n, values)
    if value <= s.f[lower]:
        return
    s.i[at.N_INTEGERS] += n_edges
    v, old = s.i[at.N_VECTORS], s.i[at.VECTORS_AT] + s.i[node + at.BEST] * at.VECTOR
    if dominates(s, values, s.i[old + at.V_VALUES], size):
        v = s.i[node + at.BEST]
        for i in range(size):
            s.f[s.i[old + at.V_VALUES] + i] = s.f[values + i]
        values = s.i[old + at.V_VALUES]
    else:
        s.i[at.N_VECTORS] += 1
        s.i[at.N_FLOATS] += size
    s.i[at.N_RISES] += 1
    vector = s.i[at.VECTORS_AT] + v * at.VECTOR
    s.i[vector + at.V_BLOCK], s.i[vector + at.V_ACTION] = block, a
    s.i[vector + at.V_VALUES], s.i[vector + at.V_LINKS] = values, links
    s.i[vector + at.ROSE], s.i[vector + at.EVALUATED] = s.i[at.N_RISES], s.i[at.N_RISES]
    element = append(s, at.LISTS * block + at.VECTOR_LIST, at.VECTOR_ELEMENT)
    s.i[element + at.ITEM], s.i[element + at.VALUES_AT] = v, values
    s.f[lower], s.i[node + at.BEST] = value, v


@kernel(inner=True)
def dominates(s, values, others, size):
    """Whether no value is smaller than its counterpart."""
    for i in range(size):
        if s.f[values + i] < s.f[others + i]:
            return False
    return True
