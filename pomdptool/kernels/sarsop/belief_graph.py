"""The belief graph: nodes found by their belief, actions expanded into children.

A node's bounds begin as what costs little: from above what its actions are worth where the state
is known after the step, from below the blind policies' vectors. The informed bound
(`solving.informed`) is asked where a node or an action turns out to matter.
"""

from __future__ import annotations

import numpy as np

from pomdptool.kernels.jit import kernel
from pomdptool.kernels.sarsop.layout import (
    ABOVE,
    ACTION,
    ACTIONS_AT,
    BASE,
    BELIEF,
    BELIEF_Q,
    BELOW,
    BEST,
    BITS,
    BLOCK,
    BLOCK_FIRST,
    BOUND,
    BOUNDS_AT,
    CHANCES,
    CHILDREN,
    CORNERS,
    DISCOUNT,
    DRIFT,
    EDGE_FIRST,
    EDGES,
    ENTRIES,
    ENTRY_FIRST,
    EXPANSION,
    FAINT,
    INFORMED,
    LISTED,
    LOWER,
    MASK,
    N_ACTIONS,
    N_EXPANDED,
    N_FLOATS,
    N_INTEGERS,
    N_NODES,
    N_SUPPORT,
    NODE,
    NODES_AT,
    NONE,
    NOT_BOUNDED,
    NOT_EXPANDED,
    REWARD,
    REWARDS,
    SCRATCH_AT,
    SLACK,
    SLOT_Q,
    STEP_FIRST,
    STEP_WEIGHTS,
    STEPS,
    SUPPORT,
    TABLE_AT,
    TABLE_ROOM,
    UPPER,
    WEIGHTS,
    WORTH,
    WORTHS_AT,
)
from pomdptool.kernels.sarsop.lower_bound import see_vectors

GRID = 1e9
"""Probabilities are rounded to multiples of its inverse to find equal beliefs."""


@kernel(inner=True)
def hash_of(s, first, size, block):
    """Hash of a belief, rounded, and of its block."""
    h = np.uint64(1469598103934665603) ^ np.uint64(block)
    for k in range(size):
        h = (h ^ np.uint64(np.int64(s.f[first + k] * GRID + 0.5))) * np.uint64(1099511628211)
        h ^= h >> np.uint64(29)
    return np.int64(h & np.uint64(s.i[TABLE_ROOM] - 1))


@kernel(inner=True)
def is_at(s, n, block, begin, size, faint):
    """Whether a node has the block and, but for little, the belief that begins somewhere."""
    node = s.i[NODES_AT] + n * NODE
    if s.i[node + BLOCK] != block:
        return False
    belief = s.i[node + BELIEF]
    for k in range(size):
        if abs(s.f[belief + k] - s.f[begin + k]) > faint:
            return False
    return True


@kernel(inner=True)
def find(m, s, block):
    """Node of the belief at the end of the heap, over a block; a new one keeps that place."""
    first = m.i[m.i[BLOCK_FIRST] + block]
    size = m.i[m.i[BLOCK_FIRST] + block + 1] - first
    begin, table = s.i[N_FLOATS], s.i[TABLE_AT]
    h = hash_of(s, begin, size, block)
    while s.i[table + h] != NONE:
        if is_at(s, s.i[table + h], block, begin, size, m.f[FAINT]):
            return s.i[table + h]
        h = (h + 1) & (s.i[TABLE_ROOM] - 1)
    n, k, mask = s.i[N_NODES], s.i[N_INTEGERS], 0
    node, bounds = s.i[NODES_AT] + n * NODE, s.i[BOUNDS_AT] + n * BOUND
    s.i[table + h] = n
    s.i[N_NODES] += 1
    s.i[N_FLOATS] += size
    for column in range(NODE):
        s.i[node + column] = 0
    s.i[node + BLOCK], s.i[node + BELIEF], s.i[node + SUPPORT] = block, begin, k
    s.i[node + EXPANSION], s.i[node + BEST] = NONE, NONE
    corner = 0.0
    for i in range(size):
        if s.f[begin + i] > 0.0:
            s.i[k] = i
            k += 1
            mask |= 1 << (i % BITS)
            corner += s.f[begin + i] * m.f[m.i[CORNERS] + first + i]
    s.i[node + N_SUPPORT], s.i[node + MASK] = k - s.i[N_INTEGERS], mask
    s.i[N_INTEGERS] = k
    best = -np.inf
    for a in range(m.i[N_ACTIONS]):
        best = max(best, interpolated(m, s, m.i[SLOT_Q], n, a))
    s.f[bounds + LOWER], s.f[bounds + UPPER] = -np.inf, min(corner, best)
    s.f[bounds + BASE], s.f[bounds + LISTED], s.f[bounds + SLACK] = corner, np.inf, 0.0
    see_vectors(m, s, n, m.i[N_ACTIONS])
    return n


@kernel(inner=True)
def interpolated(m, s, table, n, a):
    """Expectation at a node of a column of a table over slots, which begins somewhere."""
    node = s.i[NODES_AT] + n * NODE
    belief, support = np.uint64(s.i[node + BELIEF]), s.i[node + SUPPORT]
    n_actions = m.i[N_ACTIONS]
    row = table + m.i[m.i[BLOCK_FIRST] + s.i[node + BLOCK]] * n_actions + a
    value = 0.0
    for t in range(np.uint64(support), np.uint64(support + s.i[node + N_SUPPORT])):
        i = s.i[t]
        value += s.f[belief + np.uint64(i)] * m.f[np.uint64(row + i * n_actions)]
    return value


@kernel(inner=True, inline="always")
def inform(m, s, n):
    """Lower a node's upper bound to the informed one, once; the most promising actions first."""
    node = s.i[NODES_AT] + n * NODE
    if s.i[node + INFORMED] == 1:
        return
    s.i[node + INFORMED] = 1
    n_actions, q = m.i[N_ACTIONS], s.i[SCRATCH_AT]
    for a in range(n_actions):
        s.f[q + a] = interpolated(m, s, m.i[SLOT_Q], n, a)
    best = -np.inf
    while True:
        a = 0
        for k in range(1, n_actions):
            if s.f[q + k] > s.f[q + a]:
                a = k
        if s.f[q + a] <= best:
            break
        best = max(best, min(s.f[q + a], informed_action(m, s, n, a)))
        s.f[q + a] = -np.inf
    upper = s.i[BOUNDS_AT] + n * BOUND + UPPER
    s.f[upper] = min(s.f[upper], best)


@kernel(inner=True)
def informed_action(m, s, n, a):
    """Informed bound of an action at a node."""
    n_actions, node = m.i[N_ACTIONS], s.i[NODES_AT] + n * NODE
    block, belief, support = s.i[node + BLOCK], s.i[node + BELIEF], s.i[node + SUPPORT]
    first = m.i[m.i[BLOCK_FIRST] + block]
    edge = m.i[EDGE_FIRST] + block * n_actions + a
    n_edges = m.i[edge + 1] - m.i[edge]
    ahead = s.i[SCRATCH_AT] + n_actions
    for k in range(ahead, ahead + n_edges * n_actions):
        s.f[k] = 0.0
    for t in range(support, support + s.i[node + N_SUPPORT]):
        i = s.i[t]
        row = m.i[STEP_FIRST] + (first + i) * n_actions + a
        for step in range(m.i[row], m.i[row + 1]):
            p = s.f[belief + i] * m.f[m.i[STEP_WEIGHTS] + step]
            at = np.uint64(ahead + m.i[m.i[STEPS] + 2 * step] * n_actions)
            q = np.uint64(m.i[BELIEF_Q] + m.i[m.i[STEPS] + 2 * step + 1] * n_actions)
            for c in range(np.uint64(n_actions)):
                s.f[at + c] += p * m.f[q + c]
    value = 0.0
    for e in range(n_edges):
        most = s.f[ahead + e * n_actions]
        for c in range(1, n_actions):
            most = max(most, s.f[ahead + e * n_actions + c])
        value += most
    return interpolated(m, s, m.i[REWARDS], n, a) + m.f[DISCOUNT] * value


@kernel(inner=True, inline="always")
def expand(m, s, n):
    """Give a node its actions, none of them with children yet."""
    n_actions, x = m.i[N_ACTIONS], s.i[N_EXPANDED]
    s.i[N_EXPANDED] += 1
    s.i[s.i[NODES_AT] + n * NODE + EXPANSION] = x
    for a in range(n_actions):
        worth = s.i[WORTHS_AT] + (x * n_actions + a) * WORTH
        s.i[s.i[ACTIONS_AT] + (x * n_actions + a) * ACTION + CHILDREN] = NOT_BOUNDED
        s.f[worth + REWARD] = interpolated(m, s, m.i[REWARDS], n, a)
        s.f[worth + ABOVE] = interpolated(m, s, m.i[SLOT_Q], n, a)
        s.f[worth + BELOW] = -np.inf


@kernel(inner=True)
def expand_action(m, s, n, a):
    """Find or make the children of a node under an action.

    How far the children, weighted, are from the exact successors is kept where it is the largest.
    """
    n_actions, node = m.i[N_ACTIONS], s.i[NODES_AT] + n * NODE
    block, belief, support = s.i[node + BLOCK], s.i[node + BELIEF], s.i[node + SUPPORT]
    first = m.i[m.i[BLOCK_FIRST] + block]
    edge = m.i[EDGE_FIRST] + block * n_actions + a
    edges, n_edges = m.i[edge], m.i[edge + 1] - m.i[edge]
    joint, end = s.i[SCRATCH_AT], s.i[SCRATCH_AT]
    for e in range(edges, edges + n_edges):
        target = m.i[BLOCK_FIRST] + m.i[m.i[EDGES] + 2 * e]
        end += m.i[target + 1] - m.i[target]
    for k in range(joint, end):
        s.f[k] = 0.0
    for t in range(support, support + s.i[node + N_SUPPORT]):
        p = s.f[belief + s.i[t]]
        row = m.i[ENTRY_FIRST] + (first + s.i[t]) * n_actions + a
        for entry in range(m.i[row], m.i[row + 1]):
            s.f[joint + m.i[m.i[ENTRIES] + 2 * entry + 1]] += p * m.f[m.i[WEIGHTS] + entry]
    children, chances, drift = s.i[N_INTEGERS], s.i[N_FLOATS], 0.0
    s.i[N_INTEGERS] += n_edges
    s.i[N_FLOATS] += n_edges
    for e in range(n_edges):
        target = m.i[m.i[EDGES] + 2 * (edges + e)]
        size = m.i[m.i[BLOCK_FIRST] + target + 1] - m.i[m.i[BLOCK_FIRST] + target]
        total = 0.0
        for k in range(joint, joint + size):
            total += s.f[k]
        s.f[chances + e] = 0.0
        s.i[children + e] = NONE
        if total > m.f[FAINT]:
            s.f[chances + e] = total
            least, kept = m.f[FAINT] * total, 0.0
            for k in range(joint, joint + size):
                if s.f[k] >= least:
                    kept += s.f[k]
            for k in range(size):
                p = s.f[joint + k]
                s.f[s.i[N_FLOATS] + k] = p / kept if p >= least else 0.0
            child = find(m, s, target)
            s.i[children + e] = child
            stored = s.i[s.i[NODES_AT] + child * NODE + BELIEF]
            for k in range(size):
                drift += abs(s.f[joint + k] - total * s.f[stored + k])
        else:
            drift += total
        joint += size
    s.f[DRIFT] = max(s.f[DRIFT], drift)
    row = s.i[ACTIONS_AT] + (s.i[node + EXPANSION] * n_actions + a) * ACTION
    s.i[row + CHILDREN], s.i[row + CHANCES] = children, chances


@kernel(inner=True, inline="always")
def bound_action(m, s, n, a):
    """Lower an action's upper bound to its informed one."""
    row = s.i[s.i[NODES_AT] + n * NODE + EXPANSION] * m.i[N_ACTIONS] + a
    s.i[s.i[ACTIONS_AT] + row * ACTION + CHILDREN] = NOT_EXPANDED
    worth = s.i[WORTHS_AT] + row * WORTH + ABOVE
    s.f[worth] = min(s.f[worth], informed_action(m, s, n, a))


@kernel
def rehash(m, s):
    """Enter every node in a table that is empty."""
    for n in range(s.i[N_NODES]):
        node = s.i[NODES_AT] + n * NODE
        block = m.i[BLOCK_FIRST] + s.i[node + BLOCK]
        size = m.i[block + 1] - m.i[block]
        h = hash_of(s, s.i[node + BELIEF], size, s.i[node + BLOCK])
        while s.i[s.i[TABLE_AT] + h] != NONE:
            h = (h + 1) & (s.i[TABLE_ROOM] - 1)
        s.i[s.i[TABLE_AT] + h] = n
