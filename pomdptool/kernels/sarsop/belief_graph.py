"""The belief graph: nodes, looked up by a hash of their belief, and their successors by action.

    b_ao[s'] = sum over s of b[s] T(s' | s, a) Z(o | s', a) / P(o | b, a)

Nodes start with the smaller of two upper bounds, from Q-values for a state that is known after the
step and from the corners, and with the best blind policy's lower bound. The informed bound
(`solving.sarsop.informed_bound`) is applied to a node or an action only when it matters.
"""

from __future__ import annotations

import numpy as np

from pomdptool.kernels.jit import kernel
from pomdptool.kernels.sarsop import layout as at
from pomdptool.kernels.sarsop.lower_bound import check_vectors

GRID = 1e9
"""Beliefs are hashed with probabilities rounded to multiples of 1 / GRID."""


@kernel(inner=True)
def belief_hash(s, first, size, block):
    """Hash of a rounded belief and its block."""
    h = np.uint64(1469598103934665603) ^ np.uint64(block)
    for k in range(size):
        h = (h ^ np.uint64(np.int64(s.f[first + k] * GRID + 0.5))) * np.uint64(1099511628211)
        h ^= h >> np.uint64(29)
    return np.int64(h & np.uint64(s.i[at.TABLE_CAPACITY] - 1))


@kernel(inner=True)
def is_belief_of(s, n, block, begin, size, negligible):
    """Whether a node has a block and, up to `negligible`, the belief that begins at `begin`."""
    node = s.i[at.NODES_AT] + n * at.NODE
    if s.i[node + at.BLOCK] != block:
        return False
    belief = s.i[node + at.BELIEF]
    for k in range(size):
        if abs(s.f[belief + k] - s.f[begin + k]) > negligible:
            return False
    return True


@kernel(inner=True)
def find_node(m, s, block):
    """Node of the belief at the end of the heap, over a block; a new node takes that belief."""
    first = m.i[m.i[at.BLOCK_FIRST] + block]
    size = m.i[m.i[at.BLOCK_FIRST] + block + 1] - first
    begin, table = s.i[at.N_FLOATS], s.i[at.TABLE_AT]
    h = belief_hash(s, begin, size, block)
    while s.i[table + h] != at.NONE:
        if is_belief_of(s, s.i[table + h], block, begin, size, m.f[at.NEGLIGIBLE]):
            return s.i[table + h]
        h = (h + 1) & (s.i[at.TABLE_CAPACITY] - 1)
    n, k, mask = s.i[at.N_NODES], s.i[at.N_INTEGERS], 0
    node, bounds = s.i[at.NODES_AT] + n * at.NODE, s.i[at.BOUNDS_AT] + n * at.BOUND
    s.i[table + h] = n
    s.i[at.N_NODES] += 1
    s.i[at.N_FLOATS] += size
    for column in range(at.NODE):
        s.i[node + column] = 0
    s.i[node + at.BLOCK], s.i[node + at.BELIEF], s.i[node + at.SUPPORT] = block, begin, k
    s.i[node + at.EXPANSION], s.i[node + at.BEST] = at.NONE, at.NONE
    corner = 0.0
    for i in range(size):
        if s.f[begin + i] > 0.0:
            s.i[k] = i
            k += 1
            mask |= 1 << (i % at.BITS)
            corner += s.f[begin + i] * m.f[m.i[at.CORNERS] + first + i]
    s.i[node + at.N_SUPPORT], s.i[node + at.MASK] = k - s.i[at.N_INTEGERS], mask
    s.i[at.N_INTEGERS] = k
    best = -np.inf
    for a in range(m.i[at.N_ACTIONS]):
        best = max(best, expectation(m, s, m.i[at.SLOT_Q], n, a))
    s.f[bounds + at.LOWER], s.f[bounds + at.UPPER] = -np.inf, min(corner, best)
    s.f[bounds + at.BASE], s.f[bounds + at.LISTED], s.f[bounds + at.SLACK] = corner, np.inf, 0.0
    check_vectors(m, s, n, m.i[at.N_ACTIONS])
    return n


@kernel(inner=True)
def expectation(m, s, table, n, a):
    """Expectation under a node's belief of column a of a table over (slot, action) at `table`."""
    node = s.i[at.NODES_AT] + n * at.NODE
    belief, support = np.uint64(s.i[node + at.BELIEF]), s.i[node + at.SUPPORT]
    n_actions = m.i[at.N_ACTIONS]
    row = table + m.i[m.i[at.BLOCK_FIRST] + s.i[node + at.BLOCK]] * n_actions + a
    value = 0.0
    for t in range(np.uint64(support), np.uint64(support + s.i[node + at.N_SUPPORT])):
        i = s.i[t]
        value += s.f[belief + np.uint64(i)] * m.f[np.uint64(row + i * n_actions)]
    return value


@kernel(inner=True, inline="always")
def apply_informed_bound(m, s, n):
    """Lower a node's upper bound to the informed one, once; actions in order of their bounds."""
    node = s.i[at.NODES_AT] + n * at.NODE
    if s.i[node + at.INFORMED] == 1:
        return
    s.i[node + at.INFORMED] = 1
    n_actions, q = m.i[at.N_ACTIONS], s.i[at.SCRATCH_AT]
    for a in range(n_actions):
        s.f[q + a] = expectation(m, s, m.i[at.SLOT_Q], n, a)
    best = -np.inf
    while True:
        a = 0
        for k in range(1, n_actions):
            if s.f[q + k] > s.f[q + a]:
                a = k
        if s.f[q + a] <= best:
            break
        best = max(best, min(s.f[q + a], informed_q(m, s, n, a)))
        s.f[q + a] = -np.inf
    upper = s.i[at.BOUNDS_AT] + n * at.BOUND + at.UPPER
    s.f[upper] = min(s.f[upper], best)


@kernel(inner=True)
def informed_q(m, s, n, a):
    """Informed upper bound of Q at a node."""
    n_actions, node = m.i[at.N_ACTIONS], s.i[at.NODES_AT] + n * at.NODE
    block, belief, support = s.i[node + at.BLOCK], s.i[node + at.BELIEF], s.i[node + at.SUPPORT]
    first = m.i[m.i[at.BLOCK_FIRST] + block]
    edge = m.i[at.EDGE_FIRST] + block * n_actions + a
    n_edges = m.i[edge + 1] - m.i[edge]
    successors = s.i[at.SCRATCH_AT] + n_actions
    for k in range(successors, successors + n_edges * n_actions):
        s.f[k] = 0.0
    for t in range(support, support + s.i[node + at.N_SUPPORT]):
        i = s.i[t]
        row = m.i[at.STEP_FIRST] + (first + i) * n_actions + a
        for step in range(m.i[row], m.i[row + 1]):
            p = s.f[belief + i] * m.f[m.i[at.STEP_WEIGHTS] + step]
            sums = np.uint64(successors + m.i[m.i[at.STEPS] + 2 * step] * n_actions)
            q = np.uint64(m.i[at.BELIEF_Q] + m.i[m.i[at.STEPS] + 2 * step + 1] * n_actions)
            for c in range(np.uint64(n_actions)):
                s.f[sums + c] += p * m.f[q + c]
    value = 0.0
    for e in range(n_edges):
        most = s.f[successors + e * n_actions]
        for c in range(1, n_actions):
            most = max(most, s.f[successors + e * n_actions + c])
        value += most
    return expectation(m, s, m.i[at.REWARDS], n, a) + m.f[at.DISCOUNT] * value


@kernel(inner=True, inline="always")
def expand(m, s, n):
    """Give a node its actions, none of them with successors yet."""
    n_actions, x = m.i[at.N_ACTIONS], s.i[at.N_EXPANDED]
    s.i[at.N_EXPANDED] += 1
    s.i[s.i[at.NODES_AT] + n * at.NODE + at.EXPANSION] = x
    for a in range(n_actions):
        q_row = s.i[at.Q_VALUES_AT] + (x * n_actions + a) * at.Q_VALUE
        s.i[s.i[at.ACTIONS_AT] + (x * n_actions + a) * at.ACTION + at.CHILDREN] = at.NOT_BOUNDED
        s.f[q_row + at.REWARD] = expectation(m, s, m.i[at.REWARDS], n, a)
        s.f[q_row + at.Q_UPPER] = expectation(m, s, m.i[at.SLOT_Q], n, a)
        s.f[q_row + at.Q_LOWER] = -np.inf


@kernel(inner=True)
def expand_action(m, s, n, a):
    """Look up or add the successors of a node under an action.

    The L1 distance between the weighted successors and the nodes that represent them updates DRIFT.
    """
    n_actions, node = m.i[at.N_ACTIONS], s.i[at.NODES_AT] + n * at.NODE
    block, belief, support = s.i[node + at.BLOCK], s.i[node + at.BELIEF], s.i[node + at.SUPPORT]
    first = m.i[m.i[at.BLOCK_FIRST] + block]
    edge = m.i[at.EDGE_FIRST] + block * n_actions + a
    edges, n_edges = m.i[edge], m.i[edge + 1] - m.i[edge]
    joint, end = s.i[at.SCRATCH_AT], s.i[at.SCRATCH_AT]
    for e in range(edges, edges + n_edges):
        target = m.i[at.BLOCK_FIRST] + m.i[m.i[at.EDGES] + 2 * e]
        end += m.i[target + 1] - m.i[target]
    for k in range(joint, end):
        s.f[k] = 0.0
    for t in range(support, support + s.i[node + at.N_SUPPORT]):
        p = s.f[belief + s.i[t]]
        row = m.i[at.ENTRY_FIRST] + (first + s.i[t]) * n_actions + a
        for entry in range(m.i[row], m.i[row + 1]):
            s.f[joint + m.i[m.i[at.ENTRIES] + 2 * entry + 1]] += p * m.f[m.i[at.WEIGHTS] + entry]
    children, probabilities, drift = s.i[at.N_INTEGERS], s.i[at.N_FLOATS], 0.0
    s.i[at.N_INTEGERS] += n_edges
    s.i[at.N_FLOATS] += n_edges
    for e in range(n_edges):
        target = m.i[m.i[at.EDGES] + 2 * (edges + e)]
        size = m.i[m.i[at.BLOCK_FIRST] + target + 1] - m.i[m.i[at.BLOCK_FIRST] + target]
        total = 0.0
        for k in range(joint, joint + size):
            total += s.f[k]
        s.f[probabilities + e] = 0.0
        s.i[children + e] = at.NONE
        if total > m.f[at.NEGLIGIBLE]:
            s.f[probabilities + e] = total
            least, kept = m.f[at.NEGLIGIBLE] * total, 0.0
            for k in range(joint, joint + size):
                if s.f[k] >= least:
                    kept += s.f[k]
            for k in range(size):
                p = s.f[joint + k]
                s.f[s.i[at.N_FLOATS] + k] = p / kept if p >= least else 0.0
            child = find_node(m, s, target)
            s.i[children + e] = child
            stored = s.i[s.i[at.NODES_AT] + child * at.NODE + at.BELIEF]
            for k in range(size):
                drift += abs(s.f[joint + k] - total * s.f[stored + k])
        else:
            drift += total
        joint += size
    s.f[at.DRIFT] = max(s.f[at.DRIFT], drift)
    row = s.i[at.ACTIONS_AT] + (s.i[node + at.EXPANSION] * n_actions + a) * at.ACTION
    s.i[row + at.CHILDREN], s.i[row + at.PROBABILITIES] = children, probabilities


@kernel(inner=True, inline="always")
def apply_informed_q(m, s, n, a):
    """Lower an action's upper bound to the informed one."""
    row = s.i[s.i[at.NODES_AT] + n * at.NODE + at.EXPANSION] * m.i[at.N_ACTIONS] + a
    s.i[s.i[at.ACTIONS_AT] + row * at.ACTION + at.CHILDREN] = at.NOT_EXPANDED
    q_row = s.i[at.Q_VALUES_AT] + row * at.Q_VALUE + at.Q_UPPER
    s.f[q_row] = min(s.f[q_row], informed_q(m, s, n, a))


@kernel
def rehash(m, s):
    """Enter every node into an empty hash table."""
    for n in range(s.i[at.N_NODES]):
        node = s.i[at.NODES_AT] + n * at.NODE
        block = m.i[at.BLOCK_FIRST] + s.i[node + at.BLOCK]
        size = m.i[block + 1] - m.i[block]
        h = belief_hash(s, s.i[node + at.BELIEF], size, s.i[node + at.BLOCK])
        while s.i[s.i[at.TABLE_AT] + h] != at.NONE:
            h = (h + 1) & (s.i[at.TABLE_CAPACITY] - 1)
        s.i[s.i[at.TABLE_AT] + h] = n
