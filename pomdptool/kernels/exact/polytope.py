"""The polytope above a value function, by its vertices and their adjacency.

For d states it is {(b, v): b in the simplex, w_j . b + delta_j <= v for every vector j}, cut off at
the top. Its lower hull is V(b) = max over j of w_j . b + delta_j. The offsets delta_j are small and
distinct, so that every vertex is simple: exactly d constraints are tight at it, and relaxing one of
them leads along an edge to exactly one neighbour.

Constraints are numbered: 0 .. d-1 for b[i] >= 0, d for the top, d + 1 + j for vector j.

A vector that exceeds the hull cuts off a connected set of vertices. `climb` reaches one of them by
steepest ascent along the edges and `insert` collects the others. Each edge that leaves the set
yields a vertex of the new facet. Two new vertices that share all but one of their constraints are
neighbours; a hash of the constraints pairs them (the double description method on the adjacency
graph: Motzkin et al. 1953, Seidel 1991). An insertion ends when every edge that leaves is cut.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pomdptool.kernels.exact.perturbation import mix
from pomdptool.kernels.jit import kernel

# Slots of Polytope.counts.
USED, FREE, ALIVE, STAMP, LAST, VECTORS, CURSOR, BACKUPS, MISSED = range(9)
COUNTS = 9

# Statuses.
DONE, BUDGET, VERTICES_FULL, VECTORS_FULL, TABLE_FULL = range(5)


class Polytope(NamedTuple):
    """Vertices in slots 0 .. n-1 (those listed in `free` are not in use) and k vectors.

    position (n, d + 1): b and v; tight (n, d): constraints; adjacent (n, d): the neighbour when
    that constraint is relaxed (-1: none); alive, backed_up (n,): whether it is in use, and whether
    its backup is done; mark (n,): stamp of the last search; slack (n,): excess of the vector being
    inserted; key (n,): hash of the constraints; free, cut, fresh (n,): lists of slots; table_*
    (m,): hash table, m a power of two; vectors (k, d), offsets (k,), actions (k,); counts
    (COUNTS,).
    """

    position: np.ndarray
    tight: np.ndarray
    adjacent: np.ndarray
    alive: np.ndarray
    backed_up: np.ndarray
    mark: np.ndarray
    slack: np.ndarray
    key: np.ndarray
    free: np.ndarray
    cut: np.ndarray
    fresh: np.ndarray
    table_key: np.ndarray
    table_vertex: np.ndarray
    table_slot: np.ndarray
    vectors: np.ndarray
    offsets: np.ndarray
    actions: np.ndarray
    counts: np.ndarray


@kernel
def begin(polytope, top):
    """Build the prism between the first vector and `top`, with two vertices at each corner."""
    d = polytope.vectors.shape[1]
    for i in range(d):
        for upper in range(2):
            n = i + upper * d
            for s in range(d + 1):
                polytope.position[n, s] = 0.0
            polytope.position[n, i] = 1.0
            low = polytope.vectors[0, i] + polytope.offsets[0]
            polytope.position[n, d] = top if upper else low
            k = 0
            key = np.uint64(0)
            for j in range(d):
                if j != i:
                    polytope.tight[n, k] = j
                    polytope.adjacent[n, k] = j + upper * d
                    key += mix(j)
                    k += 1
            last = d if upper else d + 1
            polytope.tight[n, d - 1] = last
            polytope.adjacent[n, d - 1] = i + (1 - upper) * d
            polytope.key[n] = key + mix(last)
            polytope.alive[n] = True
            polytope.backed_up[n] = upper == 1
            polytope.mark[n] = 0
    polytope.counts[USED] = 2 * d
    polytope.counts[ALIVE] = 2 * d
    polytope.counts[VECTORS] = 1
    polytope.counts[LAST] = 0


@kernel
def excess(polytope, w, offset, n):
    """Height of a vector, with its offset, above vertex n."""
    d = w.shape[0]
    x = offset - polytope.position[n, d]
    for s in range(d):
        x += w[s] * polytope.position[n, s]
    return x


@kernel
def climb(polytope, w, offset, tolerance):
    """Climb to a vertex that the vector exceeds by more than the tolerance; -1 if there is none."""
    d = w.shape[0]
    n = polytope.counts[LAST]
    if not polytope.alive[n]:
        n = 0
        while not polytope.alive[n]:
            n += 1
    here = excess(polytope, w, offset, n)
    while here <= tolerance:
        to = -1
        for i in range(d):
            k = polytope.adjacent[n, i]
            if k >= 0:
                x = excess(polytope, w, offset, k)
                if x > here + 1e-14:
                    here, to = x, k
        if to < 0:
            polytope.counts[LAST] = n
            return -1
        n = to
    return n


@kernel
def collect(polytope, w, offset, start):
    """List the vertices below the vector, from one of them; their number and that of edges out."""
    d = w.shape[0]
    polytope.counts[STAMP] += 1
    stamp = polytope.counts[STAMP]
    polytope.mark[start] = stamp
    polytope.slack[start] = excess(polytope, w, offset, start)
    polytope.cut[0] = start
    n_cut, leaving, at = 1, 0, 0
    while at < n_cut:
        n = polytope.cut[at]
        at += 1
        for i in range(d):
            k = polytope.adjacent[n, i]
            if k < 0:
                continue
            if polytope.mark[k] != stamp:
                polytope.mark[k] = stamp
                polytope.slack[k] = excess(polytope, w, offset, k)
                if polytope.slack[k] > 0.0:
                    polytope.cut[n_cut] = k
                    n_cut += 1
            if polytope.slack[k] <= 0.0:
                leaving += 1
    return n_cut, leaving


@kernel
def make_vertex(polytope, p, n, i, constraint):
    """Place the new vertex p on the edge from cut vertex n that relaxes its i-th constraint."""
    d = polytope.tight.shape[1]
    k = polytope.adjacent[n, i]
    j = constraint - d - 1
    t = polytope.slack[n] / (polytope.slack[n] - polytope.slack[k])
    total = 0.0
    for s in range(d):
        x = polytope.position[n, s] + t * (polytope.position[k, s] - polytope.position[n, s])
        polytope.position[p, s] = max(x, 0.0)
        total += polytope.position[p, s]
    value = polytope.offsets[j]
    for s in range(d):
        polytope.position[p, s] /= total
        value += polytope.vectors[j, s] * polytope.position[p, s]
    polytope.position[p, d] = value
    for q in range(d):
        polytope.tight[p, q] = polytope.tight[n, q]
        polytope.adjacent[p, q] = -1
    polytope.tight[p, i] = constraint
    polytope.adjacent[p, i] = k
    polytope.key[p] = polytope.key[n] - mix(polytope.tight[n, i]) + mix(constraint)
    for q in range(d):
        if polytope.adjacent[k, q] == n:
            polytope.adjacent[k, q] = p
            break
    polytope.alive[p] = True
    polytope.backed_up[p] = False
    polytope.mark[p] = 0


@kernel
def link(polytope, n_fresh, constraint):
    """Make new vertices that share all constraints but one neighbours."""
    d = polytope.tight.shape[1]
    size = 16
    while size < 2 * n_fresh * d:
        size *= 2
    mask = np.uint64(size - 1)
    for h in range(size):
        polytope.table_vertex[h] = -1
    for q in range(n_fresh):
        p = polytope.fresh[q]
        for i in range(d):
            if polytope.tight[p, i] == constraint:
                continue
            key = polytope.key[p] - mix(polytope.tight[p, i])
            h = np.int64(mix(key) & mask)
            while polytope.table_vertex[h] >= 0 and polytope.table_key[h] != key:
                h = np.int64((np.uint64(h) + np.uint64(1)) & mask)
            other = polytope.table_vertex[h]
            if other < 0:
                polytope.table_key[h] = key
                polytope.table_vertex[h] = p
                polytope.table_slot[h] = i
            else:
                polytope.adjacent[p, i] = other
                polytope.adjacent[other, polytope.table_slot[h]] = p
    for q in range(n_fresh):
        for i in range(d):
            if polytope.adjacent[polytope.fresh[q], i] < 0:
                polytope.counts[MISSED] += 1


@kernel
def insert(polytope, w, action, offset, start):
    """Add a vector that exceeds vertex `start`. If an array is full, nothing is changed."""
    d = w.shape[0]
    counts = polytope.counts
    if counts[VECTORS] >= polytope.vectors.shape[0]:
        return VECTORS_FULL
    n_cut, leaving = collect(polytope, w, offset, start)
    if counts[USED] - counts[FREE] + leaving > polytope.alive.shape[0]:
        return VERTICES_FULL
    if 4 * leaving * d + 16 > polytope.table_key.shape[0]:
        return TABLE_FULL
    j = counts[VECTORS]
    for s in range(d):
        polytope.vectors[j, s] = w[s]
    polytope.offsets[j] = offset
    polytope.actions[j] = action
    counts[VECTORS] += 1
    n_fresh = 0
    for c in range(n_cut):
        n = polytope.cut[c]
        for i in range(d):
            k = polytope.adjacent[n, i]
            if k < 0 or polytope.slack[k] > 0.0:
                continue
            if counts[FREE] > 0:
                counts[FREE] -= 1
                p = polytope.free[counts[FREE]]
            else:
                p = counts[USED]
                counts[USED] += 1
            make_vertex(polytope, p, n, i, d + 1 + j)
            polytope.fresh[n_fresh] = p
            n_fresh += 1
    link(polytope, n_fresh, d + 1 + j)
    for c in range(n_cut):
        polytope.alive[polytope.cut[c]] = False
        polytope.free[counts[FREE]] = polytope.cut[c]
        counts[FREE] += 1
    counts[ALIVE] += n_fresh - n_cut
    if n_fresh > 0:
        counts[LAST] = polytope.fresh[0]
    return DONE
