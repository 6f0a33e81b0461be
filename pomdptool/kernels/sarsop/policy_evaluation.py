"""Policy evaluation of linked alpha vectors, by backups in place.

A vector v with action a and the vector v_o linked for each observation o is backed up to

    v[s] = r(s, a) + discount * sum over s' and o of T(s' | s, a) Z(o | s', a) v_o[s']

A value only ever rises, and an allowance for rounding is subtracted, so that every vector stays
below the value of its controller. A sweep backs up the vectors that are linked to one that rose; an
increase of at most `tolerance` does not propagate.
"""

from __future__ import annotations

import numpy as np

from pomdptool.kernels.jit import kernel
from pomdptool.kernels.sarsop.layout import (
    BELIEF,
    BEST,
    BLOCK,
    BLOCK_FIRST,
    BOUND,
    BOUNDS_AT,
    DISCOUNT,
    EDGE_FIRST,
    EDGES,
    ENTRIES,
    ENTRY_FIRST,
    EVALUATED,
    LOWER,
    N_ACTIONS,
    N_INTEGERS,
    N_RISES,
    N_SUPPORT,
    NODE,
    NODES_AT,
    NONE,
    REWARDS,
    ROSE,
    ROUNDING,
    SUPPORT,
    V_ACTION,
    V_BLOCK,
    V_LINKS,
    V_VALUES,
    VECTOR,
    VECTORS_AT,
    WEIGHTS,
)

SPARSE = 8
"""Inner products follow a belief's support if its block is more than this many times larger."""


@kernel(fastmath={"reassoc", "contract"}, inner=True)
def fast_dot(x, i, j, n):
    """Inner product of x[i:i + n] and x[j:j + n], summed in the fastest order."""
    total, i, j = 0.0, np.uint64(i), np.uint64(j)
    for k in range(np.uint64(n)):
        total += x[i + k] * x[j + k]
    return total


@kernel(inner=True)
def dot(x, i, j, n):
    """The same in a fixed order, so that compiled and interpreted code agree to the last bit."""
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
    """Inner product of a belief and the values at `values`, along the belief's support."""
    total, belief, values = 0.0, np.uint64(belief), np.uint64(values)
    for t in range(np.uint64(support), np.uint64(support + n)):
        i = np.uint64(s.i[t])
        total += s.f[belief + i] * s.f[values + i]
    return total


@kernel(inner=True)
def value_of(m, s, n, values):
    """Value at a node of the alpha vector over its block whose values begin at `values`."""
    node = s.i[NODES_AT] + n * NODE
    size = size_of(m, s.i[node + BLOCK])
    if SPARSE * s.i[node + N_SUPPORT] > size:
        return dot(s.f, s.i[node + BELIEF], values, size)
    return sparse_dot(s, s.i[node + BELIEF], values, s.i[node + SUPPORT], s.i[node + N_SUPPORT])


@kernel(inner=True)
def write_values(m, s, block, a, links, values):
    """Back up values from the linked vectors, in place at `values`; returns the largest increase.

    Values that would fall are kept. An allowance for rounding is subtracted, so that no value
    exceeds that of the controller.
    """
    n_actions, first, size = m.i[N_ACTIONS], m.i[m.i[BLOCK_FIRST] + block], size_of(m, block)
    edge = m.i[EDGE_FIRST] + block * n_actions + a
    # Past the end of the heap: for each edge, where the linked values begin, less the index of
    # their first slot.
    begins = s.i[N_INTEGERS] + m.i[edge + 1] - m.i[edge]
    place = 0
    for e in range(m.i[edge + 1] - m.i[edge]):
        s.i[begins + e] = s.i[s.i[VECTORS_AT] + s.i[links + e] * VECTOR + V_VALUES] - place
        place += size_of(m, m.i[m.i[EDGES] + 2 * (m.i[edge] + e)])
    rise = 0.0
    for i in range(size):
        row = m.i[ENTRY_FIRST] + (first + i) * n_actions + a
        expected, magnitude, reward = 0.0, 0.0, m.f[m.i[REWARDS] + (first + i) * n_actions + a]
        entries, weights = np.uint64(m.i[ENTRIES]), np.uint64(m.i[WEIGHTS])
        one, two = np.uint64(1), np.uint64(2)
        for entry in range(np.uint64(m.i[row]), np.uint64(m.i[row + 1])):
            at = entries + two * entry
            begin = np.uint64(s.i[np.uint64(begins + m.i[at])] + m.i[at + one])
            term = m.f[weights + entry] * s.f[begin]
            expected += term
            magnitude += abs(term)
        largest = abs(reward) + m.f[DISCOUNT] * magnitude
        value = reward + m.f[DISCOUNT] * expected
        value -= ROUNDING * (m.i[row + 1] - m.i[row] + 4) * largest
        if value > s.f[values + i]:
            rise = max(rise, value - s.f[values + i])
            s.f[values + i] = value
    return rise


@kernel(inner=True)
def needs_update(m, s, vector):
    """Whether a vector is linked to one that rose since its last evaluation."""
    edge = m.i[EDGE_FIRST] + s.i[vector + V_BLOCK] * m.i[N_ACTIONS] + s.i[vector + V_ACTION]
    links = s.i[vector + V_LINKS]
    for k in range(links, links + m.i[edge + 1] - m.i[edge]):
        if s.i[s.i[VECTORS_AT] + s.i[k] * VECTOR + ROSE] > s.i[vector + EVALUATED]:
            return True
    return False


@kernel
def evaluate_vectors(m, s, begin, end, tolerance):
    """Back up the vectors `begin` to `end` that are linked to one that rose, one after the other.

    An increase of at most the tolerance does not propagate.
    """
    for v in range(begin, end):
        vector = s.i[VECTORS_AT] + v * VECTOR
        if needs_update(m, s, vector):
            s.i[vector + EVALUATED] = s.i[N_RISES]
            block, a = s.i[vector + V_BLOCK], s.i[vector + V_ACTION]
            links, values = s.i[vector + V_LINKS], s.i[vector + V_VALUES]
            if write_values(m, s, block, a, links, values) > tolerance:
                s.i[N_RISES] += 1
                s.i[vector + ROSE] = s.i[N_RISES]


@kernel
def raise_lower(m, s, begin, end, since):
    """Raise the lower bounds of nodes whose maximal vector rose after increase `since`."""
    for n in range(begin, end):
        best = s.i[s.i[NODES_AT] + n * NODE + BEST]
        vector = s.i[VECTORS_AT] + best * VECTOR
        if best != NONE and s.i[vector + ROSE] > since:
            lower = s.i[BOUNDS_AT] + n * BOUND + LOWER
            s.f[lower] = max(s.f[lower], value_of(m, s, n, s.i[vector + V_VALUES]))
