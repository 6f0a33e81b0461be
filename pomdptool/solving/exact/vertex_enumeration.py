"""The backup of one face by vertex enumeration of the polytope above its vectors.

The polytope is {(b, u): w . b <= u for every vector w}. The backup is convex, so it exceeds the set
most at a vertex. Backups at the vertices are added until none exceeds the set by the tolerance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pomdptool.kernels.exact import polytope as kernel
from pomdptool.kernels.exact.backup import Branches, backups
from pomdptool.kernels.exact.polytope import Polytope
from pomdptool.kernels.exact.vertex_enumeration import offer, regions, sweep
from pomdptool.kernels.jit import scaled_budget
from pomdptool.solving.exact.backup import FaceBackup
from pomdptool.solving.exact.value_function import VectorSet
from pomdptool.solving.solution import Monitor
from pomdptool.sparse import FloatArray, IntArray

BACKUPS_PER_CALL = 20_000
WORK_PER_CALL = 100_000_000
"""Backups, and multiplications, of one kernel call, so that limits act in time."""

OFFERS_PER_CALL = 1_000
"""Initial vectors of one kernel call, for the same reason."""

ROUNDING = 1e-13
"""Smallest offsets, relative to the numbers added, that survive rounding."""

COARSEST = 1e-8
"""Largest offsets tried, relative to the same."""


class TooManyVerticesError(Exception):
    """The polytope has too many vertices, or rounding errors leave an edge open."""


def backup_by_vertex_enumeration(
    branches: Branches, initial: VectorSet, *, tolerance: float, monitor: Monitor, max_vertices: int
) -> FaceBackup:
    """Add backups to initial vectors until none exceeds their maximum by the tolerance.

    The residual is that of the initial vectors. The tolerance is raised to what rounding allows.
    Vectors are offset by at most a tenth of it; larger offsets are tried if rounding errors leave
    an edge of the polytope open.

    Raises
    ------
    TooManyVerticesError
        If the polytope needs more than `max_vertices`, or all offsets leave an edge open.
    LimitReached
        If the monitor stops the run.
    """
    reach = float(np.abs(initial.vectors).max() + np.abs(branches.rewards).max())
    if len(branches.vectors):
        reach += float(np.abs(branches.vectors).max()) * int(np.bincount(branches.actions).max())
    delta = max(1e-3 * tolerance, ROUNDING * reach)
    while True:
        tolerance = max(tolerance, 10.0 * delta)
        attempt = _Attempt(branches, tolerance, delta, monitor, max_vertices)
        result = attempt.run(initial, 10.0 * reach + 1.0)
        if result is not None:
            return result
        delta *= 10.0
        if delta > COARSEST * reach:
            raise TooManyVerticesError


@dataclass(slots=True)
class _Attempt:
    """An attempt with one tolerance and one size of offsets."""

    branches: Branches
    tolerance: float
    delta: float
    monitor: Monitor
    max_vertices: int

    def run(self, initial: VectorSet, top: float) -> FaceBackup | None:
        """Insert the initial vectors, then back up at the vertices; None if an edge stays open."""
        polytope = self._offered(initial, top)
        residual = self._residual(polytope)
        if residual > self.tolerance:
            polytope, missing = self._completed(polytope, initial)
            if missing:
                residual = self._residual(polytope)
        polytope = self._swept(polytope, self.branches)
        if polytope.counts[kernel.MISSED]:
            return None
        return _read(polytope, self.delta + residual, self.tolerance + self.delta)

    def _swept(self, polytope: Polytope, branches: Branches) -> Polytope:
        """Back up at the remaining vertices until none is left, or an edge stays open."""
        status, per_call = kernel.BUDGET, _backups_per_call(branches)
        while status != kernel.DONE and not polytope.counts[kernel.MISSED]:
            status = sweep(polytope, branches, self.tolerance, self.delta, per_call)
            self.monitor.check(_regions(polytope)[0].size if self.monitor.max_vectors else 0)
            polytope = _enlarged(polytope, status, self.max_vertices)
        return polytope

    def _completed(self, polytope: Polytope, initial: VectorSet) -> tuple[Polytope, bool]:
        """Add initial vectors that `_offered` missed; also return whether there were any.

        The kernel climbs to a vertex that the vector exceeds, and may get stuck at vertices so
        close that rounding hides the ascent. Here the vectors are compared at all vertices.
        """
        d, before = initial.vectors.shape[1], int(polytope.counts[kernel.VECTORS])
        backed_up = polytope.backed_up.copy()
        none = np.zeros(0, np.int64)
        rows = Branches(initial.vectors, np.zeros(1, np.int64), np.zeros((0, d)), none)
        polytope = self._swept(polytope, rows)
        after = int(polytope.counts[kernel.VECTORS])
        polytope.actions[before:after] = initial.actions[polytope.actions[before:after]]
        if after == before:
            polytope.backed_up[:] = backed_up
        else:
            polytope.backed_up[:] = False
            polytope.backed_up[d : 2 * d] = True  # the vertices at the top
        return polytope, after > before

    def _offered(self, initial: VectorSet, top: float) -> Polytope:
        """Build the prism below the top and insert the initial vectors, the largest first."""
        n, d = initial.vectors.shape
        polytope = _allocate(d, min(1024, self.max_vertices + 2 * d), max(256, 2 * n))
        order = np.argsort(-initial.vectors.sum(axis=1), kind="stable")
        vectors, actions = initial.vectors[order], initial.actions[order]
        polytope.vectors[0], polytope.actions[0] = vectors[0], actions[0]
        kernel.begin(polytope, top)
        done = 1
        while done < n:
            last = done + scaled_budget(OFFERS_PER_CALL)
            status, done = offer(
                polytope, vectors[:last], actions[:last], done, self.tolerance, self.delta
            )
            self.monitor.check()
            polytope = _enlarged(polytope, status, self.max_vertices)
        return polytope

    def _residual(self, polytope: Polytope) -> float:
        """Largest excess of the backup over the set, which is attained at a vertex."""
        d, worst = polytope.vectors.shape[1], 0.0
        used = int(polytope.counts[kernel.USED])
        vertices = np.flatnonzero(polytope.alive[:used] & ~polytope.backed_up[:used])
        step = _backups_per_call(self.branches)
        for i in range(0, len(vertices), step):
            block = vertices[i : i + step]
            beliefs = np.ascontiguousarray(polytope.position[block, :d])
            vectors, actions = np.empty_like(beliefs), np.empty(len(block), np.int64)
            backups(beliefs, self.branches, vectors, actions)
            gap = (vectors * beliefs).sum(axis=1) - polytope.position[block, d]
            polytope.backed_up[block] = gap <= self.tolerance
            worst = max(worst, float(gap.max()))
            self.monitor.check()
        polytope.counts[kernel.BACKUPS] += len(vertices)
        return worst


def _backups_per_call(branches: Branches) -> int:
    multiplications = branches.rewards.size + branches.vectors.size
    return scaled_budget(max(1, min(BACKUPS_PER_CALL, WORK_PER_CALL // multiplications)))


def _regions(polytope: Polytope) -> tuple[IntArray, FloatArray]:
    """Vectors that are maximal somewhere, and the centroid of each one's vertices."""
    n, d = int(polytope.counts[kernel.VECTORS]), polytope.vectors.shape[1]
    centroids, corners = np.zeros((n, d)), np.zeros(n, dtype=np.int64)
    regions(polytope, centroids, corners)
    live = np.flatnonzero(corners)
    return live, centroids[live]


def _read(polytope: Polytope, residual: float, loss: float) -> FaceBackup:
    live, beliefs = _regions(polytope)
    new = VectorSet(polytope.vectors[live], polytope.actions[live], beliefs)
    n_backups, n_vertices = map(int, polytope.counts[[kernel.BACKUPS, kernel.ALIVE]])
    return FaceBackup(new, residual, loss, vertices=n_vertices, backups=n_backups)


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
        backed_up=np.zeros(n, np.bool_),
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


def _enlarged(polytope: Polytope, status: int, max_vertices: int) -> Polytope:
    """Double the arrays that were full, if any."""
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
