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
from pomdptool.kernels.sarsop import layout as at

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
    return m.i[m.i[at.BLOCK_FIRST] + block + 1] - m.i[m.i[at.BLOCK_FIRST] + block]


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
    node = s.i[at.NODES_AT] + n * at.NODE
    size = size_of(m, s.i[node + at.BLOCK])
    if SPARSE * s.i[node + at.N_SUPPORT] > size:
        return dot(s.f, s.i[node + at.BELIEF], values, size)
    return sparse_dot(
        s, s.i[node + at.BELIEF], values, s.i[node + at.SUPPORT], s.i[node + at.N_SUPPORT]
    )


@kernel(inner=True)
def write_values(m, s, block, a, links, values):
    """Back up values from the linked vectors, in place at `values`; returns the largest increase.

    Values that would fall are kept. An allowance for rounding is subtracted, so that no value
    exceeds that of the controller.
    """
    n_actions, first, size = m.i[at.N_ACTIONS], m.i[m.i[at.BLOCK_FIRST] + block], size_of(m, block)
    edge = m.i[at.EDGE_FIRST] + block * n_actions + a
    # Past the end of the heap: for each edge, where the linked values begin, less the index of
    # their first slot.
    begins = s.i[at.N_INTEGERS] + m.i[edge + 1] - m.i[edge]
    place = 0
    for e in range(m.i[edge + 1] - m.i[edge]):
        s.i[begins + e] = s.i[s.i[at.VECTORS_AT] + s.i[links + e] * at.VECTOR + at.V_VALUES] - place
        place += size_of(m, m.i[m.i[at.EDGES] + 2 * (m.i[edge] + e)])
    rise = 0.0
    for i in range(size):
        row = m.i[at.ENTRY_FIRST] + (first + i) * n_actions + a
        expected, magnitude, reward = 0.0, 0.0, m.f[m.i[at.REWARDS] + (first + i) * n_actions + a]
        entries, weights = np.uint64(m.i[at.ENTRIES]), np.uint64(m.i[at.WEIGHTS])
        one, two = np.uint64(1), np.uint64(2)
        for entry in range(np.uint64(m.i[row]), np.uint64(m.i[row + 1])):
            edge_at = entries + two * entry
            begin = np.uint64(s.i[np.uint64(begins + m.i[edge_at])] + m.i[edge_at + one])
            term = m.f[weights + entry] * s.f[begin]
            expected += term
            magnitude += abs(term)
        largest = abs(reward) + m.f[at.DISCOUNT] * magnitude
        value = reward + m.f[at.DISCOUNT] * expected
        value -= at.ROUNDING * (m.i[row + 1] - m.i[row] + 4) * largest
        if value > s.f[values + i]:
            rise = max(rise, value - s.f[values + i])
            s.f[values + i] = value
    return rise


@kernel(inner=True)
def needs_update(m, s, vector):
    """Whether a vector is linked to one that rose since its last evaluation."""
    edge = (
        m.i[at.EDGE_FIRST]
        + s.i[vector + at.V_BLOCK] * m.i[at.N_ACTIONS]
        + s.i[vector + at.V_ACTION]
    )
    links = s.i[vector + at.V_LINKS]
    for k in range(links, links + m.i[edge + 1] - m.i[edge]):
        if s.i[s.i[at.VECTORS_AT] + s.i[k] * at.VECTOR + at.ROSE] > s.i[vector + at.EVALUATED]:
            return True
    return False


@kernel
def evaluate_vectors(m, s, begin, end, tolerance):
    """Back up the vectors `begin` to `end` that are linked to one that rose, one after the other.

    An increase of at most the tolerance does not propagate.
    """
    for v in range(begin, end):
        vector = s.i[at.VECTORS_AT] + v * at.VECTOR
        if needs_update(m, s, vector):
            s.i[vector + at.EVALUATED] = s.i[at.N_RISES]
            block, a = s.i[vector + at.V_BLOCK], s.i[vector + at.V_ACTION]
            links, values = s.i[vector + at.V_LINKS], s.i[vector + at.V_VALUES]
            if write_values(m, s, block, a, links, values) > tolerance:
                s.i[at.N_RISES] += 1
                s.i[vector + at.ROSE] = s.i[at.N_RISES]


@kernel
def raise_lower(m, s, begin, end, since):
    """Raise the lower bounds of nodes whose maximal vector rose after increase `since`."""
    for n in range(begin, end):
        best = s.i[s.i[at.NODES_AT] + n * at.NODE + at.BEST]
        vector = s.i[at.VECTORS_AT] + best * at.VECTOR
        if best != at.NONE and s.i[vector + at.ROSE] > since:
            lower = s.i[at.BOUNDS_AT] + n * at.BOUND + at.LOWER
            s.f[lower] = max(s.f[lower], value_of(m, s, n, s.i[vector + at.V_VALUES]))
