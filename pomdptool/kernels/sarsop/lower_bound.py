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
from pomdptool.kernels.sarsop.layout import (
    ACTION,
    ACTIONS_AT,
    BELIEF,
    BEST,
    BLOCK,
    BOUND,
    BOUNDS_AT,
    CHECKED_VECTORS,
    CHILDREN,
    DISCOUNT,
    EDGE_FIRST,
    EDGES,
    EVALUATED,
    EXPANSION,
    FIRST,
    ITEM,
    LENGTH,
    LIST,
    LISTS,
    LISTS_AT,
    LOWER,
    N_ACTIONS,
    N_BACKUPS,
    N_FLOATS,
    N_INTEGERS,
    N_RISES,
    N_SUPPORT,
    N_VECTORS,
    NODE,
    NODES_AT,
    NONE,
    PROBABILITIES,
    Q_LOWER,
    Q_UPPER,
    Q_VALUE,
    Q_VALUES_AT,
    REWARD,
    ROSE,
    ROUNDING,
    SUPPORT,
    UPPER,
    V_ACTION,
    V_BLOCK,
    V_LINKS,
    V_VALUES,
    VALUE_BOUND,
    VALUES_AT,
    VECTOR,
    VECTOR_ELEMENT,
    VECTOR_LIST,
    VECTORS_AT,
    append,
)
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
"""Actions that are best by neither bound are updated once in so many backups."""

SMALL_SHARE = 0.002
"""Successors that contribute less than this share of a node's gap are not updated."""


@kernel(inner=True)
def update_lower(m, s, n):
    """Lower bound of a node, after checking the new vectors of its block."""
    node = s.i[NODES_AT] + n * NODE
    row = s.i[LISTS_AT] + (LISTS * s.i[node + BLOCK] + VECTOR_LIST) * LIST
    if s.i[node + CHECKED_VECTORS] < s.i[row + LENGTH]:
        check_vectors(m, s, n, s.i[row + LENGTH])
    return s.f[s.i[BOUNDS_AT] + n * BOUND + LOWER]


@kernel(inner=True)
def check_vectors(m, s, n, length):
    """Check the vectors of a node's block, up to some length of the list, for a larger value.

    Of dense inner products, only those are summed in fixed order that may be the largest.
    """
    node, lower = s.i[NODES_AT] + n * NODE, s.i[BOUNDS_AT] + n * BOUND + LOWER
    first = s.i[s.i[LISTS_AT] + (LISTS * s.i[node + BLOCK] + VECTOR_LIST) * LIST + FIRST]
    best, at = s.f[lower], s.i[node + BEST]
    belief, size = s.i[node + BELIEF], size_of(m, s.i[node + BLOCK])
    support, n_support = s.i[node + SUPPORT], s.i[node + N_SUPPORT]
    begin, end = (
        first + s.i[node + CHECKED_VECTORS] * VECTOR_ELEMENT,
        first + length * VECTOR_ELEMENT,
    )
    rounding = 4.0 * ROUNDING * (size + 4) * (2.0 * m.f[VALUE_BOUND] + abs(best))
    dense = SPARSE * n_support > size
    for k in range(begin, end, VECTOR_ELEMENT):
        values = s.i[k + VALUES_AT]
        if dense:
            if fast_dot(s.f, belief, values, size) < best - rounding:
                continue
            value = dot(s.f, belief, values, size)
        else:
            value = sparse_dot(s, belief, values, support, n_support)
        if value > best:
            best, at = value, s.i[k + ITEM]
    s.i[node + CHECKED_VECTORS], s.i[node + BEST], s.f[lower] = length, at, best


@kernel(inner=True, inline="always")
def q_lower(m, s, n, row):
    """Lower bound of Q for an expanded action, given by its row, from its successors."""
    node, bounds = s.i[NODES_AT] + n * NODE, s.i[BOUNDS_AT] + n * BOUND
    n_actions = m.i[N_ACTIONS]
    edge = m.i[EDGE_FIRST] + s.i[node + BLOCK] * n_actions + row % n_actions
    action = s.i[ACTIONS_AT] + row * ACTION
    small = SMALL_SHARE * (s.f[bounds + UPPER] - s.f[bounds + LOWER])
    value = 0.0
    for e in range(m.i[edge + 1] - m.i[edge]):
        child = s.i[s.i[action + CHILDREN] + e]
        if child == NONE:
            continue
        p, bounds = s.f[s.i[action + PROBABILITIES] + e], s.i[BOUNDS_AT] + child * BOUND
        lower = s.f[bounds + LOWER]
        if p * (s.f[bounds + UPPER] - lower) > small:
            lower = update_lower(m, s, child)
        value += p * lower
    return s.f[s.i[Q_VALUES_AT] + row * Q_VALUE + REWARD] + m.f[DISCOUNT] * value


@kernel(inner=True, inline="always")
def backup_lower(m, s, n, gain):
    """Point-based backup: add the best action's vector if it raises the bound by more than `gain`.

    Returns the best action by lower bound. Actions that an upper bound rules out are skipped.
    """
    n_actions, lower = m.i[N_ACTIONS], update_lower(m, s, n)
    row = s.i[s.i[NODES_AT] + n * NODE + EXPANSION] * n_actions
    q_row = s.i[Q_VALUES_AT] + row * Q_VALUE
    top, low = 0, 0
    for a in range(1, n_actions):
        if s.f[q_row + a * Q_VALUE + Q_UPPER] > s.f[q_row + top * Q_VALUE + Q_UPPER]:
            top = a
        if s.f[q_row + a * Q_VALUE + Q_LOWER] > s.f[q_row + low * Q_VALUE + Q_LOWER]:
            low = a
    best, action = -np.inf, NONE
    for a in range(n_actions):
        if s.i[s.i[ACTIONS_AT] + (row + a) * ACTION + CHILDREN] < 0:
            continue
        if s.f[q_row + a * Q_VALUE + Q_UPPER] < lower:
            continue
        below = q_row + a * Q_VALUE + Q_LOWER
        known = s.f[below] > -np.inf
        if known and a != top and a != low and (s.i[N_BACKUPS] + a) % OTHERS != 0:
            continue
        value = q_lower(m, s, n, row + a)
        s.f[below] = value
        if value > s.f[q_row + low * Q_VALUE + Q_LOWER]:
            low = a
        if value > best:
            best, action = value, a
    if action != NONE and best > lower + gain:
        add_vector(m, s, n, action)
    return low


@kernel(inner=True, inline="always")
def add_vector(m, s, n, a):
    """Back up the best vectors of a node's successors; add the result if it is larger there."""
    n_actions, node = m.i[N_ACTIONS], s.i[NODES_AT] + n * NODE
    lower, block = s.i[BOUNDS_AT] + n * BOUND + LOWER, s.i[node + BLOCK]
    edge = m.i[EDGE_FIRST] + block * n_actions + a
    n_edges = m.i[edge + 1] - m.i[edge]
    row = s.i[ACTIONS_AT] + (s.i[node + EXPANSION] * n_actions + a) * ACTION
    values, links, size = s.i[N_FLOATS], s.i[N_INTEGERS], size_of(m, block)
    for e in range(n_edges):
        child = s.i[s.i[row + CHILDREN] + e]
        if child == NONE:
            # The observation cannot occur, so any vector is sound: the first, a blind policy's.
            target = LISTS * m.i[m.i[EDGES] + 2 * (m.i[edge] + e)] + VECTOR_LIST
            s.i[links + e] = s.i[s.i[s.i[LISTS_AT] + target * LIST + FIRST] + ITEM]
        else:
            s.i[links + e] = s.i[s.i[NODES_AT] + child * NODE + BEST]
    for i in range(size):
        s.f[values + i] = -np.inf
    write_values(m, s, block, a, links, values)
    value = value_of(m, s, n, values)
    if value <= s.f[lower]:
        return
    s.i[N_INTEGERS] += n_edges
    v, old = s.i[N_VECTORS], s.i[VECTORS_AT] + s.i[node + BEST] * VECTOR
    if dominates(s, values, s.i[old + V_VALUES], size):
        v = s.i[node + BEST]
        for i in range(size):
            s.f[s.i[old + V_VALUES] + i] = s.f[values + i]
        values = s.i[old + V_VALUES]
    else:
        s.i[N_VECTORS] += 1
        s.i[N_FLOATS] += size
    s.i[N_RISES] += 1
    vector = s.i[VECTORS_AT] + v * VECTOR
    s.i[vector + V_BLOCK], s.i[vector + V_ACTION] = block, a
    s.i[vector + V_VALUES], s.i[vector + V_LINKS] = values, links
    s.i[vector + ROSE], s.i[vector + EVALUATED] = s.i[N_RISES], s.i[N_RISES]
    element = append(s, LISTS * block + VECTOR_LIST, VECTOR_ELEMENT)
    s.i[element + ITEM], s.i[element + VALUES_AT] = v, values
    s.f[lower], s.i[node + BEST] = value, v


@kernel(inner=True)
def dominates(s, values, others, size):
    """Whether no value is smaller than its counterpart."""
    for i in range(size):
        if s.f[values + i] < s.f[others + i]:
            return False
    return True
