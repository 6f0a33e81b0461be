"""Vertex enumeration: Bellman backups at the vertices of the polytope above a value function.

`sweep` backs up every vertex of the polytope (see `polytope`). Where the backup exceeds the lower
hull by more than `tolerance`, the backed-up vector is added. The backup is convex and the hull is
linear between its vertices, so when every vertex has been backed up, the backup exceeds the hull
nowhere by more than `tolerance` (Cheng 1988).
"""

from __future__ import annotations

import numpy as np

from pomdptool.kernels.exact.backup import backup, write_backup
from pomdptool.kernels.exact.perturbation import offset_of
from pomdptool.kernels.exact.polytope import (
    BACKUPS,
    BUDGET,
    CURSOR,
    DONE,
    USED,
    VECTORS,
    climb,
    insert,
)
from pomdptool.kernels.jit import kernel


@kernel
def offer(polytope, vectors, actions, first, tolerance, delta):
    """Add the vectors, from `first` on, that exceed the hull; a status and the next number."""
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
    """Back up the vertices and add the vectors that exceed the hull; at most `budget` backups.

    Returns DONE when every vertex has been backed up. At another status the caller enlarges the
    arrays that are full, and calls again.
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
        if not polytope.alive[n] or polytope.backed_up[n]:
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
            polytope.backed_up[n] = True
        passed = 0
    return DONE


@kernel
def regions(polytope, centroids, corners):
    """Mean and number of the vertices at which each vector is tight."""
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
