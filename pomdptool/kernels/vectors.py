"""The lower bound: vectors over blocks, each with links to those that it was backed up from.

A vector is what the controller earns that does its action and goes on, after each observation, with
the vector linked. A node remembers its largest vector and how many of its block's list it has seen,
so that looking again costs what is new.
"""

from __future__ import annotations

import numpy as np

from pomdptool.kernels import kernel
from pomdptool.kernels.search import (
    ABOVE,
    BELIEF,
    BELOW,
    BEST,
    BLOCK,
    CHANCES,
    CHILDREN,
    EXPANSION,
    FIRST,
    LENGTH,
    LISTS,
    LOWER,
    N_BACKUPS,
    N_FLOATS,
    N_INTEGERS,
    N_NODES,
    N_SUPPORT,
    N_VECTORS,
    NONE,
    REWARD,
    SEEN_VECTORS,
    SUPPORT,
    UPPER,
    V_ACTION,
    V_BLOCK,
    V_LINKS,
    V_VALUES,
    VECTORS,
    append,
)

SPARSE = 4
"""A belief is summed along its support where the block is this many times larger."""

OTHERS = 8
"""Actions that are neither the best from above nor from below are looked at every so many times."""

SHARE = 0.002
"""Children whose part in a gap is smaller than this are not looked at again."""


@kernel(fastmath={"reassoc", "contract"}, inner=True)
def dot(x, i, y, j, n):
    """Inner product of x[i:i + n] and y[j:j + n]."""
    total = 0.0
    for k in range(n):
        total += x[i + k] * y[j + k]
    return total


@kernel(inner=True)
def value_of(blocks, search, n, v):
    """Value of a vector at a node of its block."""
    values, belief = search.vector_i[v, V_VALUES], search.node_i[n, BELIEF]
    block, count = search.node_i[n, BLOCK], search.node_i[n, N_SUPPORT]
    size = blocks.block_first[block + 1] - blocks.block_first[block]
    if SPARSE * count > size:
        return dot(search.floats, belief, search.floats, values, size)
    total, k = 0.0, search.node_i[n, SUPPORT]
    for t in range(k, k + count):
        i = search.integers[t]
        total += search.floats[belief + i] * search.floats[values + i]
    return total


@kernel(inner=True)
def update_lower(blocks, search, n):
    """Lower bound of a node, from the vectors of its block that it has not seen."""
    length = search.list_i[LISTS * search.node_i[n, BLOCK] + VECTORS, LENGTH]
    if search.node_i[n, SEEN_VECTORS] < length:
        see_vectors(blocks, search, n, length)
    return search.node_f[n, LOWER]


@kernel(inner=True)
def see_vectors(blocks, search, n, length):
    """Show a node the vectors of its block up to some length of the list."""
    first = search.list_i[LISTS * search.node_i[n, BLOCK] + VECTORS, FIRST]
    best = search.node_f[n, LOWER]
    for i in range(first + search.node_i[n, SEEN_VECTORS], first + length):
        v = search.integers[i]
        value = value_of(blocks, search, n, v)
        if value > best:
            best = value
            search.node_i[n, BEST] = v
    search.node_i[n, SEEN_VECTORS] = length
    search.node_f[n, LOWER] = best


@kernel(inner=True)
def lower_of_action(blocks, search, n, a):
    """What an expanded action is worth from below, by its children."""
    n_actions = blocks.rewards.shape[1]
    row = search.node_i[n, EXPANSION] * n_actions + a
    edges = search.node_i[n, BLOCK] * n_actions + a
    small = SHARE * (search.node_f[n, UPPER] - search.node_f[n, LOWER])
    value = 0.0
    for e in range(blocks.edge_first[edges + 1] - blocks.edge_first[edges]):
        child = search.integers[search.action_i[row, CHILDREN] + e]
        if child == NONE:
            continue
        p = search.floats[search.action_i[row, CHANCES] + e]
        lower = search.node_f[child, LOWER]
        if p * (search.node_f[child, UPPER] - lower) > small:
            lower = update_lower(blocks, search, child)
        value += p * lower
    return search.action_f[row, REWARD] + blocks.discount * value


@kernel(inner=True)
def backup_lower(blocks, search, n, gain):
    """Add the vector of the best action where it raises a node's lower bound by more than `gain`.

    Returns the best action from below.

    Of the other actions those are skipped that an upper bound rules out.
    """
    n_actions = blocks.rewards.shape[1]
    lower = update_lower(blocks, search, n)
    first = search.node_i[n, EXPANSION] * n_actions
    top, low = 0, 0
    for a in range(1, n_actions):
        if search.action_f[first + a, ABOVE] > search.action_f[first + top, ABOVE]:
            top = a
        if search.action_f[first + a, BELOW] > search.action_f[first + low, BELOW]:
            low = a
    best, action = -np.inf, NONE
    for a in range(n_actions):
        row = first + a
        if search.action_i[row, CHILDREN] < 0 or search.action_f[row, ABOVE] < lower:
            continue
        seen = search.action_f[row, BELOW] > -np.inf
        if seen and a != top and a != low and (search.counts[N_BACKUPS] + a) % OTHERS != 0:
            continue
        value = lower_of_action(blocks, search, n, a)
        search.action_f[row, BELOW] = value
        if value > search.action_f[first + low, BELOW]:
            low = a
        if value > best:
            best, action = value, a
    if action != NONE and best > lower + gain:
        add_vector(blocks, search, n, action)
    return low


@kernel(inner=True)
def write_vector(blocks, search, v):
    """Back up a vector from those linked; only what rises is written. By how much at most."""
    n_actions = blocks.rewards.shape[1]
    block, a = search.vector_i[v, V_BLOCK], search.vector_i[v, V_ACTION]
    values, links = search.vector_i[v, V_VALUES], search.vector_i[v, V_LINKS]
    first = blocks.block_first[block]
    rise = 0.0
    for i in range(blocks.block_first[block + 1] - first):
        row = (first + i) * n_actions + a
        ahead = 0.0
        for entry in range(blocks.entry_first[row], blocks.entry_first[row + 1]):
            link = search.integers[links + blocks.entry_edge[entry]]
            at = search.vector_i[link, V_VALUES] + blocks.entry_slot[entry]
            ahead += blocks.weights[entry] * search.floats[at]
        value = blocks.rewards[first + i, a] + blocks.discount * ahead
        rise = max(rise, value - search.floats[values + i])
        search.floats[values + i] = max(value, search.floats[values + i])
    return rise


@kernel(inner=True)
def add_vector(blocks, search, n, a):
    """Back a node up: its children's largest vectors make a new one, unless it is no larger."""
    n_actions = blocks.rewards.shape[1]
    block = search.node_i[n, BLOCK]
    edges = blocks.edge_first[block * n_actions + a]
    n_edges = blocks.edge_first[block * n_actions + a + 1] - edges
    children = search.action_i[search.node_i[n, EXPANSION] * n_actions + a, CHILDREN]
    v, values, links = (
        search.counts[N_VECTORS],
        search.counts[N_FLOATS],
        search.counts[N_INTEGERS],
    )
    search.vector_i[v, V_BLOCK], search.vector_i[v, V_ACTION] = block, a
    search.vector_i[v, V_VALUES], search.vector_i[v, V_LINKS] = values, links
    for e in range(n_edges):
        child = search.integers[children + e]
        if child == NONE:
            # The block's first vector is that of a blind policy; any successor is sound.
            row = LISTS * blocks.edge_target[edges + e] + VECTORS
            search.integers[links + e] = search.integers[search.list_i[row, FIRST]]
        else:
            search.integers[links + e] = search.node_i[child, BEST]
    size = blocks.block_first[block + 1] - blocks.block_first[block]
    for i in range(size):
        search.floats[values + i] = -np.inf
    write_vector(blocks, search, v)
    value = value_of(blocks, search, n, v)
    if value <= search.node_f[n, LOWER]:
        return
    search.counts[N_VECTORS] += 1
    search.counts[N_FLOATS] += size
    search.counts[N_INTEGERS] += n_edges
    append(search, LISTS * block + VECTORS, v)
    search.node_f[n, LOWER], search.node_i[n, BEST] = value, v


@kernel
def evaluate_vectors(blocks, search, first, sweeps, tolerance):
    """Evaluate the controllers in place, oldest vectors first; they only rise."""
    for _ in range(sweeps):
        rise = 0.0
        for v in range(first, search.counts[N_VECTORS]):
            rise = max(rise, write_vector(blocks, search, v))
        if rise <= tolerance:
            break
    for n in range(search.counts[N_NODES]):
        if search.node_i[n, BEST] != NONE:
            value = value_of(blocks, search, n, search.node_i[n, BEST])
            search.node_f[n, LOWER] = max(search.node_f[n, LOWER], value)
