"""The lower bound: vectors over blocks, each with links to those that it was backed up from.

A vector is what the controller earns that does its action and goes on, after each observation, with
the vector linked. A node remembers its largest vector and how many of its block's list it has seen,
so that looking again costs what is new.

Where a new vector is nowhere smaller than the one it is to follow, it takes its place: all that is
linked to the old one earns no less with the new (Hansen 1998). So controllers come to have loops,
and evaluating them lifts many vectors at once.
"""

from __future__ import annotations

import numpy as np

from pomdptool.kernels.jit import kernel
from pomdptool.kernels.sarsop.layout import (
    ABOVE,
    ACTION,
    ACTIONS_AT,
    BELIEF,
    BELOW,
    BEST,
    BLOCK,
    BLOCK_FIRST,
    BOUND,
    BOUNDS_AT,
    CHANCES,
    CHILDREN,
    DISCOUNT,
    EDGE_FIRST,
    EDGES,
    ENTRIES,
    ENTRY_FIRST,
    EVALUATED,
    EXPANSION,
    FIRST,
    LARGEST,
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
    REWARD,
    REWARDS,
    ROSE,
    SEEN_VECTORS,
    SUPPORT,
    UPPER,
    V_ACTION,
    V_BLOCK,
    V_LINKS,
    V_VALUES,
    VALUES_AT,
    VECTOR,
    VECTOR_ELEMENT,
    VECTOR_LIST,
    VECTORS_AT,
    WEIGHTS,
    WHICH,
    WORTH,
    WORTHS_AT,
    append,
)

ROUNDING = 2.0**-52
"""Relative error of a sum, for each term and some operations more, and as much again."""

SPARSE = 8
"""A belief is summed along its support where the block is this many times larger."""

OTHERS = 8
"""Actions that are neither the best from above nor from below are looked at every so many times."""

SHARE = 0.002
"""Children whose part in a gap is smaller than this are not looked at again."""


@kernel(fastmath={"reassoc", "contract"}, inner=True)
def quick_dot(x, i, j, n):
    """Inner product of x[i:i + n] and x[j:j + n], in whichever order is fastest."""
    total, i, j = 0.0, np.uint64(i), np.uint64(j)
    for k in range(np.uint64(n)):
        total += x[i + k] * x[j + k]
    return total


@kernel(inner=True)
def dot(x, i, j, n):
    """The same in a fixed order, so that it is the same to the last bit compiled or interpreted."""
    even, odd, i, j = 0.0, 0.0, np.uint64(i), np.uint64(j)
    for k in range(np.uint64(0), np.uint64(n - n % 2), np.uint64(2)):
        even += x[i + k] * x[j + k]
        odd += x[i + k + np.uint64(1)] * x[j + k + np.uint64(1)]
    if n % 2 == 1:
        even += x[i + np.uint64(n - 1)] * x[j + np.uint64(n - 1)]
    return even + odd


@kernel(inner=True)
def size_of(m, block):
    """Number of slots of a block."""
    return m.i[m.i[BLOCK_FIRST] + block + 1] - m.i[m.i[BLOCK_FIRST] + block]


@kernel(inner=True)
def sparse_dot(s, belief, values, support, n):
    """Inner product of a belief and values that begin somewhere, along the belief's support."""
    total, belief, values = 0.0, np.uint64(belief), np.uint64(values)
    for t in range(np.uint64(support), np.uint64(support + n)):
        i = np.uint64(s.i[t])
        total += s.f[belief + i] * s.f[values + i]
    return total


@kernel(inner=True)
def value_of(m, s, n, values):
    """Value at a node of a vector over its block, whose values begin somewhere."""
    node = s.i[NODES_AT] + n * NODE
    size = size_of(m, s.i[node + BLOCK])
    if SPARSE * s.i[node + N_SUPPORT] > size:
        return dot(s.f, s.i[node + BELIEF], values, size)
    return sparse_dot(s, s.i[node + BELIEF], values, s.i[node + SUPPORT], s.i[node + N_SUPPORT])


@kernel(inner=True)
def update_lower(m, s, n):
    """Lower bound of a node, from the vectors of its block that it has not seen."""
    node = s.i[NODES_AT] + n * NODE
    row = s.i[LISTS_AT] + (LISTS * s.i[node + BLOCK] + VECTOR_LIST) * LIST
    if s.i[node + SEEN_VECTORS] < s.i[row + LENGTH]:
        see_vectors(m, s, n, s.i[row + LENGTH])
    return s.f[s.i[BOUNDS_AT] + n * BOUND + LOWER]


@kernel(inner=True)
def see_vectors(m, s, n, length):
    """Show a node the vectors of its block up to some length of the list.

    A dense inner product is summed in a fixed order only where a quick one may be the largest.
    """
    node, lower = s.i[NODES_AT] + n * NODE, s.i[BOUNDS_AT] + n * BOUND + LOWER
    first = s.i[s.i[LISTS_AT] + (LISTS * s.i[node + BLOCK] + VECTOR_LIST) * LIST + FIRST]
    best, at = s.f[lower], s.i[node + BEST]
    belief, size = s.i[node + BELIEF], size_of(m, s.i[node + BLOCK])
    support, n_support = s.i[node + SUPPORT], s.i[node + N_SUPPORT]
    begin, end = first + s.i[node + SEEN_VECTORS] * VECTOR_ELEMENT, first + length * VECTOR_ELEMENT
    rounding = 4.0 * ROUNDING * (size + 4) * (2.0 * m.f[LARGEST] + abs(best))
    dense = SPARSE * n_support > size
    for k in range(begin, end, VECTOR_ELEMENT):
        values = s.i[k + VALUES_AT]
        if dense:
            if quick_dot(s.f, belief, values, size) < best - rounding:
                continue
            value = dot(s.f, belief, values, size)
        else:
            value = sparse_dot(s, belief, values, support, n_support)
        if value > best:
            best, at = value, s.i[k + WHICH]
    s.i[node + SEEN_VECTORS], s.i[node + BEST], s.f[lower] = length, at, best


@kernel(inner=True, inline="always")
def lower_of_action(m, s, n, row):
    """What an expanded action, a row, is worth from below, by its children."""
    node, bounds = s.i[NODES_AT] + n * NODE, s.i[BOUNDS_AT] + n * BOUND
    n_actions = m.i[N_ACTIONS]
    edge = m.i[EDGE_FIRST] + s.i[node + BLOCK] * n_actions + row % n_actions
    action = s.i[ACTIONS_AT] + row * ACTION
    small = SHARE * (s.f[bounds + UPPER] - s.f[bounds + LOWER])
    value = 0.0
    for e in range(m.i[edge + 1] - m.i[edge]):
        child = s.i[s.i[action + CHILDREN] + e]
        if child == NONE:
            continue
        p, bounds = s.f[s.i[action + CHANCES] + e], s.i[BOUNDS_AT] + child * BOUND
        lower = s.f[bounds + LOWER]
        if p * (s.f[bounds + UPPER] - lower) > small:
            lower = update_lower(m, s, child)
        value += p * lower
    return s.f[s.i[WORTHS_AT] + row * WORTH + REWARD] + m.f[DISCOUNT] * value


@kernel(inner=True, inline="always")
def backup_lower(m, s, n, gain):
    """Add the vector of the best action where it raises a node's lower bound by more than `gain`.

    Returns the best action from below.

    Of the other actions those are skipped that an upper bound rules out.
    """
    n_actions, lower = m.i[N_ACTIONS], update_lower(m, s, n)
    row = s.i[s.i[NODES_AT] + n * NODE + EXPANSION] * n_actions
    worth = s.i[WORTHS_AT] + row * WORTH
    top, low = 0, 0
    for a in range(1, n_actions):
        if s.f[worth + a * WORTH + ABOVE] > s.f[worth + top * WORTH + ABOVE]:
            top = a
        if s.f[worth + a * WORTH + BELOW] > s.f[worth + low * WORTH + BELOW]:
            low = a
    best, action = -np.inf, NONE
    for a in range(n_actions):
        if s.i[s.i[ACTIONS_AT] + (row + a) * ACTION + CHILDREN] < 0:
            continue
        if s.f[worth + a * WORTH + ABOVE] < lower:
            continue
        below = worth + a * WORTH + BELOW
        seen = s.f[below] > -np.inf
        if seen and a != top and a != low and (s.i[N_BACKUPS] + a) % OTHERS != 0:
            continue
        value = lower_of_action(m, s, n, row + a)
        s.f[below] = value
        if value > s.f[worth + low * WORTH + BELOW]:
            low = a
        if value > best:
            best, action = value, a
    if action != NONE and best > lower + gain:
        add_vector(m, s, n, action)
    return low


@kernel(inner=True)
def write_values(m, s, block, a, links, values):
    """Back values up from the vectors linked, and write them somewhere.

    Returns by how much at most they rise. What would fall stays. What rounding may add is taken
    off, so that no value exceeds what is earned.
    """
    n_actions, first, size = m.i[N_ACTIONS], m.i[m.i[BLOCK_FIRST] + block], size_of(m, block)
    edge = m.i[EDGE_FIRST] + block * n_actions + a
    # Past the end of the heap: for each edge, where the values linked begin, less the place of
    # their first slot.
    begins = s.i[N_INTEGERS] + m.i[edge + 1] - m.i[edge]
    place = 0
    for e in range(m.i[edge + 1] - m.i[edge]):
        s.i[begins + e] = s.i[s.i[VECTORS_AT] + s.i[links + e] * VECTOR + V_VALUES] - place
        place += size_of(m, m.i[m.i[EDGES] + 2 * (m.i[edge] + e)])
    rise = 0.0
    for i in range(size):
        row = m.i[ENTRY_FIRST] + (first + i) * n_actions + a
        ahead, size_ahead, reward = 0.0, 0.0, m.f[m.i[REWARDS] + (first + i) * n_actions + a]
        entries, weights = np.uint64(m.i[ENTRIES]), np.uint64(m.i[WEIGHTS])
        one, two = np.uint64(1), np.uint64(2)
        for entry in range(np.uint64(m.i[row]), np.uint64(m.i[row + 1])):
            at = entries + two * entry
            begin = np.uint64(s.i[np.uint64(begins + m.i[at])] + m.i[at + one])
            term = m.f[weights + entry] * s.f[begin]
            ahead += term
            size_ahead += abs(term)
        most = abs(reward) + m.f[DISCOUNT] * size_ahead
        value = reward + m.f[DISCOUNT] * ahead
        value -= ROUNDING * (m.i[row + 1] - m.i[row] + 4) * most
        if value > s.f[values + i]:
            rise = max(rise, value - s.f[values + i])
            s.f[values + i] = value
    return rise


@kernel(inner=True, inline="always")
def add_vector(m, s, n, a):
    """Back a node up: its children's largest vectors make a new one, unless it is no larger."""
    n_actions, node = m.i[N_ACTIONS], s.i[NODES_AT] + n * NODE
    lower, block = s.i[BOUNDS_AT] + n * BOUND + LOWER, s.i[node + BLOCK]
    edge = m.i[EDGE_FIRST] + block * n_actions + a
    n_edges = m.i[edge + 1] - m.i[edge]
    row = s.i[ACTIONS_AT] + (s.i[node + EXPANSION] * n_actions + a) * ACTION
    values, links, size = s.i[N_FLOATS], s.i[N_INTEGERS], size_of(m, block)
    for e in range(n_edges):
        child = s.i[s.i[row + CHILDREN] + e]
        if child == NONE:
            # The block's first vector is that of a blind policy; any successor is sound.
            target = LISTS * m.i[m.i[EDGES] + 2 * (m.i[edge] + e)] + VECTOR_LIST
            s.i[links + e] = s.i[s.i[s.i[LISTS_AT] + target * LIST + FIRST] + WHICH]
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
    if is_above(s, values, s.i[old + V_VALUES], size):
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
    s.i[element + WHICH], s.i[element + VALUES_AT] = v, values
    s.f[lower], s.i[node + BEST] = value, v


@kernel(inner=True)
def is_above(s, values, others, size):
    """Whether no value is smaller than the other."""
    for i in range(size):
        if s.f[values + i] < s.f[others + i]:
            return False
    return True


@kernel(inner=True)
def is_due(m, s, vector):
    """Whether a vector is linked to one that rose since it was last evaluated."""
    edge = m.i[EDGE_FIRST] + s.i[vector + V_BLOCK] * m.i[N_ACTIONS] + s.i[vector + V_ACTION]
    links = s.i[vector + V_LINKS]
    for k in range(links, links + m.i[edge + 1] - m.i[edge]):
        if s.i[s.i[VECTORS_AT] + s.i[k] * VECTOR + ROSE] > s.i[vector + EVALUATED]:
            return True
    return False


@kernel
def evaluate_vectors(m, s, begin, end, tolerance):
    """Back vectors up in place from those that they are linked to, in turn; they only rise.

    A rise of no more than the tolerance does not spread.
    """
    for v in range(begin, end):
        vector = s.i[VECTORS_AT] + v * VECTOR
        if is_due(m, s, vector):
            s.i[vector + EVALUATED] = s.i[N_RISES]
            block, a = s.i[vector + V_BLOCK], s.i[vector + V_ACTION]
            links, values = s.i[vector + V_LINKS], s.i[vector + V_VALUES]
            if write_values(m, s, block, a, links, values) > tolerance:
                s.i[N_RISES] += 1
                s.i[vector + ROSE] = s.i[N_RISES]


@kernel
def raise_lower(m, s, begin, end, since):
    """Raise the lower bounds of nodes whose largest vector rose since then."""
    for n in range(begin, end):
        best = s.i[s.i[NODES_AT] + n * NODE + BEST]
        vector = s.i[VECTORS_AT] + best * VECTOR
        if best != NONE and s.i[vector + ROSE] > since:
            lower = s.i[BOUNDS_AT] + n * BOUND + LOWER
            s.f[lower] = max(s.f[lower], value_of(m, s, n, s.i[vector + V_VALUES]))
