"""The value function on one face, grown under a polytope until no backup exceeds it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pomdptool.kernels.exact import polytope as kernel
from pomdptool.kernels.exact.backup import Branches, backups
from pomdptool.kernels.exact.polytope import Polytope
from pomdptool.kernels.exact.vertex_enumeration import offer, regions, sweep
from pomdptool.kernels.jit import scaled_budget
from pomdptool.solving.exact.value_function import Part
from pomdptool.solving.solution import Monitor
from pomdptool.sparse import FloatArray, IntArray

BACKUPS_PER_CALL = 20_000
WORK_PER_CALL = 100_000_000
"""Backups, and multiplications, after which a kernel returns, so that limits act in time."""

OFFERS_PER_CALL = 1_000
"""Vectors that are offered in one call, for the same reason."""

ROUNDING = 1e-13
"""Offsets are as large as this, relative to the numbers added: rounding must not undo them."""

COARSEST = 1e-8
"""Offsets, relative to the same, beyond which no larger ones are tried."""


class TooManyVerticesError(Exception):
    """The polytope would need more vertices than it may, or rounding keeps it from closing."""


@dataclass(frozen=True, eq=False, slots=True)
class Hull:
    """Vectors that are largest somewhere on the face.

    Attributes
    ----------
    part
        The vectors, their actions, and a belief in the region of each.
    residual
        By how much the backup exceeds the vectors given anywhere.
    lost
        By how much it exceeds the vectors found at most.
    backups, vertices
        Counts.
    """

    part: Part
    residual: float
    lost: float
    backups: int
    vertices: int


def grow(
    branches: Branches,
    given: Part,
    *,
    tolerance: float,
    monitor: Monitor,
    max_vertices: int,
) -> Hull:
    """Add backed-up vectors to those given until none exceeds their maximum by the tolerance.

    The tolerance is raised to what rounding allows. Offsets of the vectors are a tenth of it at
    most; should rounding still leave an edge of the polytope without an end, larger ones are tried.

    Raises
    ------
    TooManyVerticesError
        Where the polytope would need more than `max_vertices`, or no offsets serve.
    LimitReached
        Where the monitor says so.
    """
    reach = float(np.abs(given.vectors).max() + np.abs(branches.rewards).max())
    if len(branches.vectors):
        reach += float(np.abs(branches.vectors).max()) * int(np.bincount(branches.actions).max())
    delta = max(1e-3 * tolerance, ROUNDING * reach)
    while True:
        tolerance = max(tolerance, 10.0 * delta)
        growth = _Growth(branches, tolerance, delta, monitor, max_vertices)
        hull = growth.grow(given, 10.0 * reach + 1.0)
        if hull is not None:
            return hull
        delta *= 10.0
        if delta > COARSEST * reach:
            raise TooManyVerticesError


@dataclass(slots=True)
class _Growth:
    """One attempt: the polytope under which a backup grows, within an error and offsets."""

    branches: Branches
    tolerance: float
    delta: float
    monitor: Monitor
    max_vertices: int

    def grow(self, given: Part, top: float) -> Hull | None:
        """Offer the vectors given, then ask the vertices; None where an edge has no end."""
        polytope = self._offered(given, top)
        residual = self._residual(polytope)
        if residual > self.tolerance:
            polytope, missing = self._completed(polytope, given)
            if missing:
                residual = self._residual(polytope)
        polytope = self._swept(polytope, self.branches)
        if polytope.counts[kernel.MISSED]:
            return None
        return _read(polytope, self.delta + residual, self.tolerance + self.delta)

    def _swept(self, polytope: Polytope, branches: Branches) -> Polytope:
        """Ask the vertices that are left until none is, or an edge has no end."""
        status, per_call = kernel.BUDGET, _backups_per_call(branches)
        while status != kernel.DONE and not polytope.counts[kernel.MISSED]:
            status = sweep(polytope, branches, self.tolerance, self.delta, per_call)
            self.monitor.check(_regions(polytope)[0].size if self.monitor.max_vectors else 0)
            polytope = _make_room(polytope, status, self.max_vertices)
        return polytope

    def _completed(self, polytope: Polytope, given: Part) -> tuple[Polytope, bool]:
        """Add vectors given that an offer has missed, and say whether there were any.

        An offer climbs to a vertex that its vector exceeds, and may get stuck where vertices lie
        so close that rounding hides the way up. Here every vertex left to ask is compared.
        """
        d, before = given.vectors.shape[1], int(polytope.counts[kernel.VECTORS])
        backed_up = polytope.backed_up.copy()
        none = np.zeros(0, np.int64)
        rows = Branches(given.vectors, np.zeros(1, np.int64), np.zeros((0, d)), none)
        polytope = self._swept(polytope, rows)
        after = int(polytope.counts[kernel.VECTORS])
        polytope.actions[before:after] = given.actions[polytope.actions[before:after]]
        if after == before:
            polytope.backed_up[:] = backed_up
        else:
            polytope.backed_up[:] = False
            polytope.backed_up[d : 2 * d] = True  # those at the top
        return polytope, after > before

    def _offered(self, given: Part, top: float) -> Polytope:
        """Build the prism under the top, and add the vectors given, the largest first."""
        n, d = given.vectors.shape
        polytope = _allocate(d, min(1024, self.max_vertices + 2 * d), max(256, 2 * n))
        order = np.argsort(-given.vectors.sum(axis=1), kind="stable")
        vectors, actions = given.vectors[order], given.actions[order]
        polytope.vectors[0], polytope.actions[0] = vectors[0], actions[0]
        kernel.begin(polytope, top)
        done = 1
        while done < n:
            last = done + scaled_budget(OFFERS_PER_CALL)
            status, done = offer(
                polytope, vectors[:last], actions[:last], done, self.tolerance, self.delta
            )
            self.monitor.check()
            polytope = _make_room(polytope, status, self.max_vertices)
        return polytope

    def _residual(self, polytope: Polytope) -> float:
        """Ask every vertex; by how much the backup exceeds the hull anywhere.

        Between vertices the hull is linear and the backup convex, so no other belief exceeds more.
        """
        d, worst = polytope.vectors.shape[1], 0.0
        used = int(polytope.counts[kernel.USED])
        vertices = np.flatnonzero(polytope.alive[:used] & ~polytope.backed_up[:used])
        step = _backups_per_call(self.branches)
        for i in range(0, len(vertices), step):
            some = vertices[i : i + step]
            beliefs = np.ascontiguousarray(polytope.position[some, :d])
            vectors, actions = np.empty_like(beliefs), np.empty(len(some), np.int64)
            backups(beliefs, self.branches, vectors, actions)
            gap = (vectors * beliefs).sum(axis=1) - polytope.position[some, d]
            polytope.backed_up[some] = gap <= self.tolerance
            worst = max(worst, float(gap.max()))
            self.monitor.check()
        polytope.counts[kernel.BACKUPS] += len(vertices)
        return worst


def _backups_per_call(branches: Branches) -> int:
    multiplications = branches.rewards.size + branches.vectors.size
    return scaled_budget(max(1, min(BACKUPS_PER_CALL, WORK_PER_CALL // multiplications)))


def _regions(polytope: Polytope) -> tuple[IntArray, FloatArray]:
    """Vectors that are largest somewhere, and the mean of the corners where each is."""
    n, d = int(polytope.counts[kernel.VECTORS]), polytope.vectors.shape[1]
    centroids, corners = np.zeros((n, d)), np.zeros(n, dtype=np.int64)
    regions(polytope, centroids, corners)
    live = np.flatnonzero(corners)
    return live, centroids[live]


def _read(polytope: Polytope, residual: float, lost: float) -> Hull:
    live, beliefs = _regions(polytope)
    return Hull(
        part=Part(polytope.vectors[live], polytope.actions[live], beliefs),
        residual=residual,
        lost=lost,
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
