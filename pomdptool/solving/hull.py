"""The value function on one face, grown under a polytope until no backup exceeds it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pomdptool.kernels import budget
from pomdptool.kernels import polytope as kernel
from pomdptool.kernels.polytope import Branches, Polytope
from pomdptool.solving.solution import Watch
from pomdptool.solving.stage import Part

BACKUPS_PER_CALL = 20_000
"""Backups after which a sweep returns, so that limits act in time."""


class TooManyVerticesError(Exception):
    """The polytope would need more vertices than it may."""


@dataclass(frozen=True, eq=False, slots=True)
class Hull:
    """Vectors that are largest somewhere on the face.

    Attributes
    ----------
    part
        The vectors, their actions, and a belief in the region of each.
    residual
        By how much the backup exceeds the vectors given anywhere.
    backups, vertices
        Counts.
    """

    part: Part
    residual: float
    backups: int
    vertices: int


def grow(
    branches: Branches,
    given: Part,
    *,
    tolerance: float,
    watch: Watch,
    max_vertices: int,
) -> Hull:
    """Add backed-up vectors to those given until none exceeds their maximum by the tolerance.

    Offsets of the vectors are a thousandth of the tolerance at most.

    Raises
    ------
    TooManyVerticesError
        Where the polytope would need more than `max_vertices`.
    Stopped
        Where the watch says so.
    """
    delta = tolerance * 1e-3
    order = np.argsort(-given.vectors.sum(axis=1), kind="stable")
    first = np.ascontiguousarray(given.vectors[order])
    actions = given.actions[order]
    d = first.shape[1]
    reach = np.abs(first).max() + np.abs(branches.rewards).max()
    if len(branches.vectors):
        reach += np.abs(branches.vectors).max() * len(branches.actions)
    polytope = _allocate(d, min(1024, max_vertices + 2 * d), max(256, 2 * len(first)))
    polytope.vectors[0], polytope.actions[0] = first[0], actions[0]
    kernel.begin(polytope, 10.0 * reach + 1.0)
    offered, status = 1, kernel.BUDGET
    while offered < len(first):
        status, offered = kernel.offer(polytope, first, actions, offered, tolerance, delta)
        polytope = _make_room(polytope, status, max_vertices)
    residual = delta + kernel.residual(polytope, branches, tolerance)
    while True:
        status = kernel.sweep(polytope, branches, tolerance, delta, budget(BACKUPS_PER_CALL))
        if status == kernel.DONE:
            break
        watch.check()
        polytope = _make_room(polytope, status, max_vertices)
    return _read(polytope, residual)


def _read(polytope: Polytope, residual: float) -> Hull:
    n = int(polytope.counts[kernel.VECTORS])
    centroids, corners = np.zeros((n, polytope.vectors.shape[1])), np.zeros(n, dtype=np.int64)
    kernel.regions(polytope, centroids, corners)
    live = np.flatnonzero(corners)
    values = centroids[live] @ polytope.vectors[live].T
    own = values.diagonal().copy()
    np.fill_diagonal(values, -np.inf)
    kept = live[own > values.max(axis=1)] if len(live) > 1 else live
    return Hull(
        part=Part(polytope.vectors[kept], polytope.actions[kept], centroids[kept]),
        residual=residual,
        backups=int(polytope.counts[kernel.BACKUPS]),
        vertices=int(polytope.counts[kernel.ALIVE]),
    )


def _allocate(d: int, n: int, n_vectors: int) -> Polytope:
    integers = np.int64
    table = 16
    while table < 4 * n * d + 16:
        table *= 2
    return Polytope(
        position=np.empty((n, d + 1)),
        tight=np.empty((n, d), integers),
        adjacent=np.full((n, d), -1, integers),
        alive=np.zeros(n, np.bool_),
        asked=np.zeros(n, np.bool_),
        mark=np.zeros(n, integers),
        slack=np.zeros(n),
        key=np.zeros(n, np.uint64),
        free=np.empty(n, integers),
        cut=np.empty(n, integers),
        fresh=np.empty(n, integers),
        table_key=np.empty(table, np.uint64),
        table_vertex=np.empty(table, integers),
        table_slot=np.empty(table, integers),
        vectors=np.empty((n_vectors, d)),
        offsets=np.zeros(n_vectors),
        actions=np.zeros(n_vectors, integers),
        counts=np.zeros(kernel.COUNTS, integers),
    )


def _make_room(polytope: Polytope, status: int, max_vertices: int) -> Polytope:
    """Double what was full; nothing where nothing was."""
    if status in (kernel.DONE, kernel.BUDGET):
        return polytope
    d = polytope.vectors.shape[1]
    n, n_vectors = len(polytope.alive), len(polytope.offsets)
    if status == kernel.VECTORS_FULL:
        n_vectors *= 2
    else:
        n *= 2
        if n > 2 * max_vertices:
            raise TooManyVerticesError
    larger = _allocate(d, n, n_vectors)
    for old, new, name in zip(polytope, larger, Polytope._fields, strict=True):
        if not name.startswith("table"):
            new[: len(old)] = old
    return larger
