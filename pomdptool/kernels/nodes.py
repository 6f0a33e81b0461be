"""The belief graph: nodes found by their belief, actions expanded into children.

A node's bounds begin as what costs little: from above what its actions are worth where the state
is known after the step, from below the blind policies' vectors. The informed bound
(`solving.informed`) is asked where a node or an action turns out to matter.
"""

from __future__ import annotations

import numpy as np

from pomdptool.kernels import kernel
from pomdptool.kernels.search import (
    ABOVE,
    BASE,
    BELIEF,
    BELOW,
    BEST,
    BLOCK,
    CHANCES,
    CHILDREN,
    EXPANSION,
    INFORMED,
    LISTED,
    LOWER,
    N_EXPANDED,
    N_FLOATS,
    N_INTEGERS,
    N_NODES,
    N_SUPPORT,
    NONE,
    NOT_BOUNDED,
    NOT_EXPANDED,
    REWARD,
    SEEN_LP,
    SEEN_POINTS,
    SEEN_VECTORS,
    SUPPORT,
    UPPER,
)
from pomdptool.kernels.vectors import see_vectors

SAME = 1e-12
"""Beliefs are one where no probability differs by more."""

GRID = 1e9
"""Probabilities are rounded to multiples of its inverse to find equal beliefs."""

IMPOSSIBLE = 1e-14
"""Observations less likely than this are taken not to happen."""


@kernel(inner=True)
def hash_of(values, first, size, block):
    """Hash of a belief, rounded, and of its block."""
    h = np.uint64(1469598103934665603) ^ np.uint64(block)
    for i in range(size):
        h = (h ^ np.uint64(np.int64(values[first + i] * GRID + 0.5))) * np.uint64(1099511628211)
        h ^= h >> np.uint64(29)
    return h


@kernel(inner=True)
def find(blocks, above, search, block):
    """Node of the belief at the end of `floats`, over a block; a new one keeps that place."""
    floats, node_i, node_f = search.floats, search.node_i, search.node_f
    size = blocks.block_first[block + 1] - blocks.block_first[block]
    begin = search.counts[N_FLOATS]
    mask = np.uint64(search.table.shape[0] - 1)
    h = np.int64(hash_of(floats, begin, size, block) & mask)
    while search.table[h] != NONE:
        n = search.table[h]
        if node_i[n, BLOCK] == block:
            same, other = True, node_i[n, BELIEF]
            for i in range(size):
                if abs(floats[other + i] - floats[begin + i]) > SAME:
                    same = False
                    break
            if same:
                return n
        h = np.int64((np.uint64(h) + np.uint64(1)) & mask)
    n = search.counts[N_NODES]
    search.counts[N_NODES] += 1
    search.counts[N_FLOATS] += size
    search.table[h] = n
    node_i[n, BLOCK], node_i[n, BELIEF] = block, begin
    k = search.counts[N_INTEGERS]
    node_i[n, SUPPORT] = k
    corner, first = 0.0, blocks.block_first[block]
    for i in range(size):
        if floats[begin + i] > 0.0:
            search.integers[k] = i
            k += 1
            corner += floats[begin + i] * above.corner[first + i]
    node_i[n, N_SUPPORT] = k - node_i[n, SUPPORT]
    search.counts[N_INTEGERS] = k
    node_i[n, EXPANSION], node_i[n, BEST] = NONE, NONE
    node_i[n, SEEN_VECTORS], node_i[n, SEEN_POINTS], node_i[n, SEEN_LP] = 0, 0, 0
    node_i[n, INFORMED] = 0
    node_f[n, LOWER], node_f[n, BASE], node_f[n, LISTED] = -np.inf, corner, np.inf
    best = -np.inf
    for a in range(blocks.rewards.shape[1]):
        best = max(best, interpolated(blocks, above.q, search, n, a))
    node_f[n, UPPER] = min(corner, best)
    see_vectors(blocks, search, n, blocks.rewards.shape[1])
    return n


@kernel(inner=True)
def inform(blocks, above, search, n):
    """Lower a node's upper bound to the informed one, once."""
    if search.node_i[n, INFORMED] == 0:
        search.node_i[n, INFORMED] = 1
        value = informed(blocks, above, search, n)
        search.node_f[n, UPPER] = min(search.node_f[n, UPPER], value)


@kernel(inner=True)
def informed(blocks, above, search, n):
    """Informed bound of a node; the most promising actions are asked first."""
    n_actions = blocks.rewards.shape[1]
    q = np.empty(n_actions)
    for a in range(n_actions):
        q[a] = interpolated(blocks, above.q, search, n, a)
    best = -np.inf
    while True:
        a = 0
        for k in range(1, n_actions):
            if q[k] > q[a]:
                a = k
        if q[a] <= best:
            return best
        best = max(best, min(q[a], informed_action(blocks, above, search, n, a)))
        q[a] = -np.inf


@kernel(inner=True)
def interpolated(blocks, table, search, n, a):
    """Expectation at a node of a column of a table over slots."""
    b, k = search.node_i[n, BELIEF], search.node_i[n, SUPPORT]
    first = blocks.block_first[search.node_i[n, BLOCK]]
    value = 0.0
    for t in range(k, k + search.node_i[n, N_SUPPORT]):
        i = search.integers[t]
        value += search.floats[b + i] * table[first + i, a]
    return value


@kernel(inner=True)
def informed_action(blocks, above, search, n, a):
    """Informed bound of an action at a node."""
    n_actions = blocks.rewards.shape[1]
    block, b, k = search.node_i[n, BLOCK], search.node_i[n, BELIEF], search.node_i[n, SUPPORT]
    first = blocks.block_first[block]
    edges = blocks.edge_first[block * n_actions + a]
    n_edges = blocks.edge_first[block * n_actions + a + 1] - edges
    ahead = np.zeros((n_edges, n_actions))
    for t in range(k, k + search.node_i[n, N_SUPPORT]):
        i = search.integers[t]
        row = (first + i) * n_actions + a
        for step in range(above.step_first[row], above.step_first[row + 1]):
            p = search.floats[b + i] * above.step_weight[step]
            e, u = above.step_edge[step], above.step_belief[step]
            for c in range(n_actions):
                ahead[e, c] += p * above.Q[u, c]
    value = 0.0
    for e in range(n_edges):
        most = ahead[e, 0]
        for c in range(1, n_actions):
            most = max(most, ahead[e, c])
        value += most
    return interpolated(blocks, blocks.rewards, search, n, a) + blocks.discount * value


@kernel(inner=True)
def expand(blocks, above, search, n):
    """Give a node its actions, none of them with children yet."""
    n_actions = blocks.rewards.shape[1]
    x = search.counts[N_EXPANDED]
    search.counts[N_EXPANDED] += 1
    search.node_i[n, EXPANSION] = x
    for a in range(n_actions):
        row = x * n_actions + a
        search.action_i[row, CHILDREN] = NOT_BOUNDED
        search.action_f[row, REWARD] = interpolated(blocks, blocks.rewards, search, n, a)
        search.action_f[row, ABOVE] = interpolated(blocks, above.q, search, n, a)
        search.action_f[row, BELOW] = -np.inf


@kernel(inner=True)
def expand_action(blocks, above, search, n, a):
    """Find or make the children of a node under an action."""
    n_actions = blocks.rewards.shape[1]
    block, b, k = search.node_i[n, BLOCK], search.node_i[n, BELIEF], search.node_i[n, SUPPORT]
    first = blocks.block_first[block]
    edges = blocks.edge_first[block * n_actions + a]
    n_edges = blocks.edge_first[block * n_actions + a + 1] - edges
    begins = np.zeros(n_edges + 1, np.int64)
    for e in range(n_edges):
        target = blocks.edge_target[edges + e]
        size = blocks.block_first[target + 1] - blocks.block_first[target]
        begins[e + 1] = begins[e] + size
    joint = np.zeros(begins[n_edges])
    for t in range(k, k + search.node_i[n, N_SUPPORT]):
        i = search.integers[t]
        p = search.floats[b + i]
        row = (first + i) * n_actions + a
        for entry in range(blocks.entry_first[row], blocks.entry_first[row + 1]):
            joint[begins[blocks.entry_edge[entry]] + blocks.entry_slot[entry]] += (
                p * blocks.weights[entry]
            )
    row = search.node_i[n, EXPANSION] * n_actions + a
    children, chances = search.counts[N_INTEGERS], search.counts[N_FLOATS]
    search.counts[N_INTEGERS] += n_edges
    search.counts[N_FLOATS] += n_edges
    for e in range(n_edges):
        total = 0.0
        for i in range(begins[e], begins[e + 1]):
            total += joint[i]
        search.floats[chances + e] = 0.0
        search.integers[children + e] = NONE
        if total > IMPOSSIBLE:
            for i in range(begins[e], begins[e + 1]):
                search.floats[search.counts[N_FLOATS] + i - begins[e]] = joint[i] / total
            search.floats[chances + e] = total
            search.integers[children + e] = find(
                blocks, above, search, blocks.edge_target[edges + e]
            )
    search.action_i[row, CHILDREN], search.action_i[row, CHANCES] = children, chances


@kernel(inner=True)
def bound_action(blocks, above, search, n, a):
    """Lower an action's upper bound to its informed one."""
    row = search.node_i[n, EXPANSION] * blocks.rewards.shape[1] + a
    search.action_i[row, CHILDREN] = NOT_EXPANDED
    value = informed_action(blocks, above, search, n, a)
    search.action_f[row, ABOVE] = min(search.action_f[row, ABOVE], value)


@kernel
def rehash(blocks, search):
    """Enter every node in a table that is empty."""
    mask = np.uint64(search.table.shape[0] - 1)
    for n in range(search.counts[N_NODES]):
        block = search.node_i[n, BLOCK]
        size = blocks.block_first[block + 1] - blocks.block_first[block]
        h = np.int64(hash_of(search.floats, search.node_i[n, BELIEF], size, block) & mask)
        while search.table[h] != NONE:
            h = np.int64((np.uint64(h) + np.uint64(1)) & mask)
        search.table[h] = n
