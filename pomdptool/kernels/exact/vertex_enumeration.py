"""The polytope under which a value function grows, by its vertices and their adjacency.

For d states it is {(b, v): b in the simplex, w_j . b + delta_j <= v for every vector j}, cut off at
the top. Its lower hull is V(b) = max over j of w_j . b + delta_j. The small offsets delta_j, each
another one, make every vertex simple: exactly d constraints are tight at it, and leaving one of
them leads along an edge to exactly one neighbour.

Constraints are numbered: 0 .. d-1 for b[i] >= 0, d for the top, d + 1 + j for vector j.

A vector that exceeds the hull cuts off a connected set of vertices. It is found from one of them
along the edges; each edge that leaves it yields a new vertex on the new facet; and new vertices
that share all but one of their constraints are neighbours, which a hash of the constraints finds
(the classic double description step, on adjacency; Motzkin et al. 1953, Seidel 1991).

`sweep` asks a backup of every vertex: where it exceeds the hull by more than `tolerance`, the
backed-up vector is added. When no vertex is left to ask, the backup exceeds the hull nowhere by
more than `tolerance`, for the backup is convex and the hull linear between its vertices.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pomdptool.kernels.jit import kernel

# Slots of Polytope.counts.
USED, FREE, ALIVE, STAMP, LAST, VECTORS, CURSOR, BACKUPS, MISSED = range(9)
COUNTS = 9

# What a kernel returns.
DONE, BUDGET, VERTICES_FULL, VECTORS_FULL, TABLE_FULL = range(5)


class Polytope(NamedTuple):
    """Vertices in slots 0 .. n-1 (those in `free` are not in use) and vectors.

    position (n, d + 1): b and v; tight (n, d): constraints; adjacent (n, d): the neighbour on
    leaving that constraint (-1: none); alive, asked (n,); mark (n,): stamp of the last search;
    slack (n,): of the vector at hand; key (n,): hash of the constraints; free, cut, fresh (n,):
    lists of slots; table_* (m,): hash table, m a power of two; vectors (k, d), offsets (k,),
    actions (k,); counts (COUNTS,).
    """

    position: np.ndarray
    tight: np.ndarray
    adjacent: np.ndarray
    alive: np.ndarray
    asked: np.ndarray
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


class Branches(NamedTuple):
    """One backup.

    rewards (A, d); vectors (n, d) ahead, those of branch i in starts[i]:starts[i + 1]; actions
    (n_branches,), ascending.
    """

    rewards: np.ndarray
    starts: np.ndarray
    vectors: np.ndarray
    actions: np.ndarray


@kernel
def mix(x):
    """Scramble an integer (splitmix64)."""
    z = np.uint64(x) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(0xD1B54A32D192ED03)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@kernel
def backup(b, branches, choice):
    """Value and action of the best backup at b; `choice` receives the row of each branch."""
    d = branches.rewards.shape[1]
    n_branches = branches.actions.shape[0]
    best, action, i = -np.inf, -1, 0
    for a in range(branches.rewards.shape[0]):
        value = 0.0
        for s in range(d):
            value += branches.rewards[a, s] * b[s]
        while i < n_branches and branches.actions[i] == a:
            most, at = -np.inf, -1
            for j in range(branches.starts[i], branches.starts[i + 1]):
                x = 0.0
                for s in range(d):
                    x += branches.vectors[j, s] * b[s]
                if x > most:
                    most, at = x, j
            value += most
            choice[i] = at
            i += 1
        if value > best:
            best, action = value, a
    return best, action


@kernel
def write_backup(branches, action, choice, w):
    """Write the vector of an action and its choices to w."""
    d = w.shape[0]
    for s in range(d):
        w[s] = branches.rewards[action, s]
    for i in range(branches.actions.shape[0]):
        if branches.actions[i] == action:
            for s in range(d):
                w[s] += branches.vectors[choice[i], s]


@kernel
def backups(beliefs, branches, vectors, actions):
    """Backed-up vectors at some beliefs."""
    choice = np.zeros(max(branches.actions.shape[0], 1), np.int64)
    for i in range(beliefs.shape[0]):
        _, actions[i] = backup(beliefs[i], branches, choice)
        write_backup(branches, actions[i], choice, vectors[i])


@kernel
def choices(beliefs, branches, actions, rows):
    """Best action at some beliefs, and for every branch the row that is largest there."""
    choice = np.zeros(max(branches.actions.shape[0], 1), np.int64)
    for i in range(beliefs.shape[0]):
        _, actions[i] = backup(beliefs[i], branches, choice)
        for j in range(branches.actions.shape[0]):
            rows[i, j] = choice[j] - branches.starts[j]


@kernel
def begin(polytope, top):
    """Build the prism under `top` over the first vector, with two vertices at each corner."""
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
            polytope.asked[n] = upper == 1
            polytope.mark[n] = 0
    polytope.counts[USED] = 2 * d
    polytope.counts[ALIVE] = 2 * d
    polytope.counts[VECTORS] = 1
    polytope.counts[LAST] = 0


@kernel
def excess(polytope, w, offset, n):
    """How far a vector with its offset lies above vertex n."""
    d = w.shape[0]
    x = offset - polytope.position[n, d]
    for s in range(d):
        x += w[s] * polytope.position[n, s]
    return x


@kernel
def climb(polytope, w, offset, tolerance):
    """A vertex that the vector exceeds by more than the tolerance, by steepest ascent; -1: none."""
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
    """List the vertices below the vector, from one of them; how many, and how many edges leave."""
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
    """Place the new vertex p on the edge that leaves the cut vertex n along its i-th slot."""
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
    polytope.asked[p] = False
    polytope.mark[p] = 0


@kernel
def link(polytope, n_fresh, constraint):
    """Make neighbours of the new vertices that share all constraints but one."""
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
    """Add a vector that exceeds vertex `start`. Where room lacks nothing is changed."""
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


@kernel
def offset_of(j, delta):
    """Offset of the j-th vector: between 0 and delta, each another one."""
    return delta * (np.float64(mix(j) >> np.uint64(11)) / 9007199254740992.0)


@kernel
def offer(polytope, vectors, actions, first, tolerance, delta):
    """Add those of some vectors, from the `first`, that exceed the hull; status and how far."""
    for i in range(first, vectors.shape[0]):
        offset = offset_of(polytope.counts[VECTORS], delta)
        start = climb(polytope, vectors[i], offset, tolerance)
        if start >= 0:
            status = insert(polytope, vectors[i], actions[i], offset, start)
            if status != DONE:
                return status, i
    return DONE, vectors.shape[0]


@kernel
def sweep(polytope, branches, tolerance, delta, budget):
    """Ask the vertices for backups, add what exceeds the hull; at most `budget` backups.

    Returns DONE once every vertex has been asked; another status, and the caller makes room and
    calls again.
    """
    d = polytope.vectors.shape[1]
    choice = np.zeros(max(branches.actions.shape[0], 1), np.int64)
    w = np.zeros(d)
    counts = polytope.counts
    spent, passed = 0, 0
    while passed <= counts[USED]:
        n = counts[CURSOR]
        if n >= counts[USED]:
            n = 0
        counts[CURSOR] = n + 1
        passed += 1
        if not polytope.alive[n] or polytope.asked[n]:
            continue
        if spent >= budget:
            counts[CURSOR] = n
            return BUDGET
        value, action = backup(polytope.position[n, :d], branches, choice)
        spent += 1
        counts[BACKUPS] += 1
        if value - polytope.position[n, d] > tolerance:
            write_backup(branches, action, choice, w)
            offset = offset_of(counts[VECTORS], delta)
            status = insert(polytope, w, action, offset, n)
            if status != DONE:
                counts[CURSOR] = n
                return status
        else:
            polytope.asked[n] = True
        passed = 0
    return DONE


@kernel
def regions(polytope, centroids, corners):
    """Mean of the vertices at which each vector is tight, and how many there are."""
    d = polytope.vectors.shape[1]
    centroids[:] = 0.0
    corners[:] = 0
    for n in range(polytope.counts[USED]):
        if polytope.alive[n]:
            for i in range(d):
                j = polytope.tight[n, i] - d - 1
                if j >= 0:
                    corners[j] += 1
                    for s in range(d):
                        centroids[j, s] += polytope.position[n, s]
    for j in range(polytope.counts[VECTORS]):
        if corners[j] > 0:
            for s in range(d):
                centroids[j, s] /= corners[j]
