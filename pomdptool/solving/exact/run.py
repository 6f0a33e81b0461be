"""State of one run of exact value iteration: faces, how each is backed up, and the result.

A face is backed up by vertex enumeration, by epsilon-pruning if its polytope would be too large, or
by the classic algorithm requested.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise

import numpy as np

from pomdptool.kernels.exact.backup import Branches, backups
from pomdptool.lookahead import LookAhead
from pomdptool.model import Model
from pomdptool.policy import AlphaVectors, Bounds, SolvedPolicy, ValueFunction
from pomdptool.solving.exact.algorithms import Backup
from pomdptool.solving.exact.backup import FaceBackup, backup_single
from pomdptool.solving.exact.epsilon_pruning import TooManyVectorsError, backup_by_epsilon_pruning
from pomdptool.solving.exact.faces import Faces, equivalent_faces, find_faces
from pomdptool.solving.exact.parsimonious import parsimonious_set
from pomdptool.solving.exact.value_function import (
    FaceValues,
    VectorSet,
    face_vectors,
    lookahead_value,
    n_vectors,
    project_undominated,
    sorted_by_action,
)
from pomdptool.solving.exact.vertex_enumeration import (
    TooManyVerticesError,
    backup_by_vertex_enumeration,
)
from pomdptool.solving.solution import LimitReached, Monitor, Solution
from pomdptool.sparse import FloatArray

POLYTOPE_STATES = 7
"""Largest face that is backed up by vertex enumeration."""

MAX_VERTICES = 400_000
"""Vertices of a polytope above which its face is backed up by epsilon-pruning instead."""

PRECISE_VECTORS = 400
"""Maximum number of vectors for which epsilon-pruning keeps to `HORIZON_TOLERANCE`."""

MAX_SIZES = 8
"""Maximum number of faces whose sizes are listed."""

PARSIMONIOUS_MARGIN = 1e-10
"""Smallest excess of a vector over all states, relative to the largest reward of its backup."""


@dataclass(frozen=True, eq=False, slots=True)
class Iteration:
    """The backup of all faces: the maximum of residuals and losses, the sum of counts."""

    V: FaceValues
    residual: float
    loss: float
    vertices: int
    programs: int

    def report(self, monitor: Monitor, iteration: int, bounds: Bounds, error: float) -> None:
        """Report progress to the monitor."""
        counts = {"vertices": self.vertices, "programs": self.programs}
        monitor.step(iteration, n_vectors(self.V), bounds, error=error, **counts)


@dataclass(slots=True)
class ExactRun:
    """The faces of a model, the methods of their backups, and counts.

    `large` are the faces backed up by epsilon-pruning, and `coarse` those of them with too many
    vectors for exact sets. `full_face` is the index of the face of all states, if there is one; the
    last step then needs no look-ahead. `algorithm` is the name of `classic`, which backs up all
    faces.
    """

    model: Model
    monitor: Monitor
    full_simplex: bool
    algorithm: str | None = None
    classic: Backup | None = None
    faces: Faces = field(init=False)
    equivalent: list[int] = field(init=False)
    full_face: int | None = field(init=False)
    large: set[int] = field(init=False)
    coarse: set[int] = field(default_factory=set)
    backups: int = 0

    def __post_init__(self) -> None:
        self.faces = find_faces(self.model)
        self.equivalent = equivalent_faces(self.faces)
        sizes = enumerate(face.size for face in self.faces.faces)
        most = POLYTOPE_STATES if self.classic is None else 1
        self.large = {k for k, size in sizes if size > most}
        self.full_face = 0 if self.faces.faces[0] is self.faces.full_simplex else None

    @property
    def error_factor(self) -> float:
        """Ratio of the error at the initial belief to that on the faces."""
        return 1.0 if self.full_face is not None else self.model.discount

    def initial_value(self, V: FaceValues) -> float:
        """Value at the initial belief."""
        if self.full_face is None:
            return lookahead_value(self.faces, V, self.model.start)
        return float((V[self.full_face].vectors @ self.model.start).max())

    def value_function(self, V: FaceValues) -> ValueFunction:
        """Values at all beliefs."""
        if self.full_face is not None:
            return sorted_by_action(V[self.full_face])
        vectors = face_vectors(self.faces, V)
        return LookAhead(self.model, vectors, vectors)

    def full_values(self, V: FaceValues) -> ValueFunction:
        """Values as vectors over all states."""
        if self.full_face is not None:
            return self.value_function(V)
        branches = project_undominated(self.faces.full_simplex, V)
        margin = PARSIMONIOUS_MARGIN * float(np.abs(branches.rewards).max())
        vectors, actions = parsimonious_set(branches, margin=margin, monitor=self.monitor)
        return AlphaVectors(actions, vectors)

    def restrict(self, vectors: FloatArray) -> FaceValues:
        """Restrict vectors over all states, shape (n, S), to the faces."""
        n = len(vectors)
        return tuple(
            VectorSet(
                np.ascontiguousarray(vectors[:, face.states]),
                np.arange(n) % self.model.n_actions,
                np.full((n, face.size), 1.0 / face.size),
            )
            for face in self.faces.faces
        )

    def backup(
        self, V: FaceValues, tolerance: float, coarse: float, *, keep_old: bool
    ) -> Iteration:
        """Back up every face; `keep_old` keeps the vectors of V where they are maximal.

        Backups are within `tolerance`, or within `coarse` on large faces with many vectors.
        """
        results: list[FaceBackup] = []
        for k, first in enumerate(self.equivalent):
            if first < k and np.array_equal(V[k].vectors, V[first].vectors):
                results.append(replace(results[first], vertices=0, programs=0))
            else:
                results.append(self._backup_face(k, V, tolerance, coarse, keep_old))
                self.backups += results[-1].backups
        return Iteration(
            tuple(result.new for result in results),
            max(result.residual for result in results),
            max(result.loss for result in results),
            sum(result.vertices for result in results),
            sum(result.programs for result in results),
        )

    def _backup_face(
        self, k: int, V: FaceValues, tolerance: float, coarse: float, keep_old: bool
    ) -> FaceBackup:
        """Back up a face with values scaled by a power of 2 to about 1."""
        old = V[k]
        self.monitor.check(n_vectors(V))
        branches = project_undominated(self.faces.faces[k], V)
        scale = _scale(branches, old)
        rewards, vectors = branches.rewards / scale, branches.vectors / scale
        branches = branches._replace(rewards=rewards, vectors=vectors)
        old = replace(old, vectors=old.vectors / scale)
        scaled = self._backup_scaled(k, branches, old, tolerance / scale, coarse / scale, keep_old)
        new = replace(scaled.new, vectors=scale * scaled.new.vectors)
        return replace(scaled, new=new, residual=scale * scaled.residual, loss=scale * scaled.loss)

    def _backup_scaled(
        self,
        k: int,
        branches: Branches,
        old: VectorSet,
        tolerance: float,
        coarse: float,
        keep_old: bool,
    ) -> FaceBackup:
        if old.vectors.shape[1] == 1:
            return backup_single(branches, old, keep_old=keep_old)
        if self.classic is not None:
            return self.classic(branches, old, keep_old=keep_old, monitor=self.monitor)
        if k not in self.large:
            try:
                return backup_by_vertex_enumeration(
                    branches,
                    old if keep_old else _backups(branches, old.beliefs),
                    tolerance=tolerance,
                    monitor=self.monitor,
                    max_vertices=MAX_VERTICES,
                )
            except TooManyVerticesError:
                self.large.add(k)
        prune = partial(
            backup_by_epsilon_pruning, branches, old, keep_old=keep_old, monitor=self.monitor
        )
        if not keep_old and k not in self.coarse:
            try:
                return prune(tolerance=tolerance, max_vectors=PRECISE_VECTORS)
            except TooManyVectorsError:
                self.coarse.add(k)
        return prune(tolerance=coarse)

    def detail(self) -> str:
        """Summarise in a line how the faces were backed up."""
        sizes = [face.size for face in self.faces.faces]
        listed = " ".join(map(str, sizes[:MAX_SIZES]))
        more = len(sizes) - MAX_SIZES
        states = f"{listed} ... ({more} more)" if more > 0 else listed
        n, large = sum(size > 1 for size in sizes), len(self.large)
        how = f"by vertex enumeration {n - large}, by incremental pruning {large}"
        if self.algorithm is not None:
            how = f"by {self.algorithm} {n}"
        return f"faces {len(sizes)}: {states} states; {how}"

    def solution(
        self,
        V: FaceValues,
        bounds: Bounds,
        reason: str,
        converged: bool,
        iterations: int,
        horizon: int | None,
    ) -> Solution:
        """Assemble the result."""
        values = self.value_function(V)
        if self.full_simplex:
            try:
                values = self.full_values(V)
            except LimitReached as stopped:
                reason, converged = stopped.reason, False
        vectors = len(list(values.rows()))
        counts = {"iterations": iterations, "vectors": vectors, "backups": self.backups}
        return Solution.of(
            self.model,
            "exact",
            self.monitor,
            values,
            bounds,
            reason,
            converged=converged,
            counts={**counts, **self.error()},
            horizon=horizon,
            detail=self.detail(),
        )

    def error(self) -> dict[str, float]:
        """The largest error of the vectors at any belief, if there was an iteration."""
        error = self.monitor.trace[-1].error if self.monitor.trace else None
        return {} if error is None or not math.isfinite(error) else {"error": error}

    def with_stages(self, policy: SolvedPolicy, stages: list[FaceValues]) -> SolvedPolicy:
        """Add the values for horizons 1, 2, ..., from value functions for horizons 0, 1, ...

        Without a face of all states, vectors over all states are backed up from the horizon before.
        """
        if self.full_face is not None:
            return replace(policy, stages=tuple(map(self.value_function, stages[1:])))
        if not self.full_simplex:
            pairs = pairwise(face_vectors(self.faces, V) for V in stages)
            values = (LookAhead(self.model, before, vectors) for before, vectors in pairs)
            return replace(policy, stages=tuple(values))
        full: list[ValueFunction] = []
        try:
            for V in stages[:-1]:
                full.append(self.full_values(V))  # noqa: PERF401 - a limit keeps the first ones
        except LimitReached as stopped:
            policy = replace(policy, stop_reason=stopped.reason, converged=False)
        else:
            if isinstance(policy.values, AlphaVectors):
                full.append(policy.values)
        return replace(policy, stages=tuple(full))


def _scale(branches: Branches, old: VectorSet) -> float:
    """A power of 2 near the largest number."""
    arrays = (branches.rewards, branches.vectors, old.vectors)
    largest = max(float(np.abs(array).max(initial=0.0)) for array in arrays)
    return 2.0 ** math.frexp(largest)[1]


def _backups(branches: Branches, beliefs: FloatArray) -> VectorSet:
    """Backups at some beliefs and at the centre."""
    d = beliefs.shape[1]
    beliefs = np.vstack([beliefs, np.full((1, d), 1.0 / d)])
    vectors, actions = np.empty_like(beliefs), np.zeros(len(beliefs), np.int64)
    backups(beliefs, branches, vectors, actions)
    return VectorSet(vectors, actions, beliefs)
