"""One run of exact value iteration: the model's faces, how each is backed up, and the result.

A face is backed up under its polytope, by incremental pruning where it is too large for that, or by
a classic algorithm where one was asked for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from pomdptool.kernels.exact.backup import Branches, backups
from pomdptool.lookahead import LookAhead
from pomdptool.model import Model
from pomdptool.policy import AlphaVectors, Bounds, SolvedPolicy, ValueFunction
from pomdptool.solving.exact.algorithms import Backup
from pomdptool.solving.exact.backup import BackedUp, backup_single
from pomdptool.solving.exact.epsilon_pruning import Limits, TooManyVectorsError, backup_within
from pomdptool.solving.exact.faces import Faces, find_faces, twins
from pomdptool.solving.exact.parsimonious import full_set
from pomdptool.solving.exact.value_function import (
    Part,
    Stage,
    by_action,
    face_vectors,
    n_vectors,
    pack,
    value_at,
)
from pomdptool.solving.exact.vertex_enumeration import TooManyVerticesError, grow
from pomdptool.solving.solution import LimitReached, Monitor, Solution
from pomdptool.sparse import FloatArray

POLYTOPE_STATES = 7
"""Largest face whose polytope is tried."""

MAX_VERTICES = 400_000
"""Vertices beyond which a face is pruned by linear programs instead."""

PRECISE_VECTORS = 400
"""Most vectors of a face, too large for a polytope, that is backed up to `HORIZON_TOLERANCE`."""

MAX_SIZES = 8
"""Sizes of faces that are listed."""

FULL_SET_MARGIN = 1e-10
"""By how much a vector over all states must exceed the others, relative to the rewards ahead."""


@dataclass(frozen=True, eq=False, slots=True)
class Step:
    """Backed-up faces: what `BackedUp` says of each, the worst of errors and the sum of counts."""

    stage: Stage
    residual: float
    lost: float
    vertices: int
    programs: int

    def tell(self, monitor: Monitor, iteration: int, bounds: Bounds, error: float) -> None:
        """Report the step."""
        monitor.step(
            iteration,
            n_vectors(self.stage),
            bounds,
            vertices=self.vertices,
            programs=self.programs,
            error=error,
        )


@dataclass(slots=True)
class Run:
    """One solve: the model's faces, those that polytopes are too large for, and counts.

    `coarse` are faces with too many vectors for exact sets. Where all states form a face the last
    step needs no look-ahead, and `whole_face` is its index. With `classic` it backs up all faces.
    """

    model: Model
    monitor: Monitor
    full_set: bool
    pruning: str | None = None
    classic: Backup | None = None
    faces: Faces = field(init=False)
    twins: list[int] = field(init=False)
    whole_face: int | None = field(init=False)
    pruned: set[int] = field(init=False)
    coarse: set[int] = field(default_factory=set)
    backups: int = 0

    def __post_init__(self) -> None:
        self.faces = find_faces(self.model)
        self.twins = twins(self.faces)
        sizes = enumerate(source.size for source in self.faces.faces)
        most = POLYTOPE_STATES if self.classic is None else 1
        self.pruned = {k for k, size in sizes if size > most}
        self.whole_face = 0 if self.faces.faces[0] is self.faces.whole else None

    @property
    def ahead(self) -> float:
        """What an error on the faces counts at the start belief."""
        return 1.0 if self.whole_face is not None else self.model.discount

    def value(self, stage: Stage) -> float:
        """Value of a stage at the start belief."""
        if self.whole_face is None:
            return value_at(self.faces, stage, self.model.start)
        return float((stage[self.whole_face].vectors @ self.model.start).max())

    def value_function(self, stage: Stage) -> ValueFunction:
        """Values of a stage at all beliefs."""
        if self.whole_face is not None:
            return by_action(stage[self.whole_face])
        vectors = face_vectors(self.faces, stage)
        return LookAhead(self.model, vectors, vectors)

    def full_values(self, stage: Stage) -> ValueFunction:
        """Values of a stage as vectors over all states."""
        if self.whole_face is not None:
            return self.value_function(stage)
        branches = pack(self.faces.whole, stage)
        margin = FULL_SET_MARGIN * float(np.abs(branches.rewards).max())
        vectors, actions = full_set(branches, margin=margin, monitor=self.monitor)
        return AlphaVectors(actions, vectors)

    def restricted(self, vectors: FloatArray) -> Stage:
        """Vectors over all states, shape (n, S), as a stage."""
        n = len(vectors)
        return tuple(
            Part(
                np.ascontiguousarray(vectors[:, source.states]),
                np.arange(n) % self.model.n_actions,
                np.full((n, source.size), 1.0 / source.size),
            )
            for source in self.faces.faces
        )

    def backup(self, stage: Stage, tolerance: float, coarse: float, *, given: bool) -> Step:
        """Back up every face; with `given` the stage's own vectors stay in, where needed.

        To the tolerance, or to the coarse one where faces are large and have many vectors.
        """
        steps: list[BackedUp] = []
        for k, twin in enumerate(self.twins):
            if twin < k and np.array_equal(stage[k].vectors, stage[twin].vectors):
                steps.append(replace(steps[twin], vertices=0, programs=0))
            else:
                steps.append(self._backup_face(k, stage, tolerance, coarse, given))
        return Step(
            tuple(step.part for step in steps),
            max(step.residual for step in steps),
            max(step.lost for step in steps),
            sum(step.vertices for step in steps),
            sum(step.programs for step in steps),
        )

    def _backup_face(
        self, k: int, stage: Stage, tolerance: float, coarse: float, given: bool
    ) -> BackedUp:
        """Back up a face, its numbers scaled by a power of 2 to near 1."""
        source, old = self.faces.faces[k], stage[k]
        self.monitor.check(n_vectors(stage))
        branches = pack(source, stage)
        scale = _scale(branches, old)
        branches = branches._replace(
            rewards=branches.rewards / scale, vectors=branches.vectors / scale
        )
        old = replace(old, vectors=old.vectors / scale)
        found = self._backup_scaled(k, branches, old, tolerance / scale, coarse / scale, given)
        return replace(
            found,
            part=replace(found.part, vectors=scale * found.part.vectors),
            residual=scale * found.residual,
            lost=scale * found.lost,
        )

    def _backup_scaled(
        self, k: int, branches: Branches, old: Part, tolerance: float, coarse: float, given: bool
    ) -> BackedUp:
        if old.vectors.shape[1] == 1:
            return backup_single(branches, old, given=given)
        if self.classic is not None:
            return self.classic(branches, old, given=given, monitor=self.monitor)
        first = old if given else _backups(branches, old.beliefs)
        if k not in self.pruned:
            try:
                hull = grow(
                    branches,
                    first,
                    tolerance=tolerance,
                    monitor=self.monitor,
                    max_vertices=MAX_VERTICES,
                )
            except TooManyVerticesError:
                self.pruned.add(k)
            else:
                self.backups += hull.backups
                return BackedUp(hull.part, hull.residual, hull.lost, hull.vertices)
        if not given and k not in self.coarse:
            limits = Limits(self.monitor, PRECISE_VECTORS)
            try:
                return backup_within(branches, old, tolerance=tolerance, given=False, limits=limits)
            except TooManyVectorsError:
                self.coarse.add(k)
        limits = Limits(self.monitor)
        return backup_within(branches, old, tolerance=coarse, given=given, limits=limits)

    def detail(self) -> str:
        """Say how the faces were backed up, in a line."""
        sizes = [source.size for source in self.faces.faces]
        listed = " ".join(map(str, sizes[:MAX_SIZES]))
        more = len(sizes) - MAX_SIZES
        states = f"{listed} ... ({more} more)" if more > 0 else listed
        large, by = sum(size > 1 for size in sizes), len(self.pruned)
        how = f"by polytope {large - by}, by incremental pruning {by}"
        if self.pruning is not None:
            how = f"by {self.pruning} {large}"
        return f"faces {len(sizes)}: {states} states; {how}"

    def solution(
        self,
        stage: Stage,
        bounds: Bounds,
        reason: str,
        converged: bool,
        iterations: int,
        horizon: int | None,
    ) -> Solution:
        """Put the result together."""
        values = self.value_function(stage)
        if self.full_set:
            try:
                values = self.full_values(stage)
            except LimitReached as stopped:
                reason, converged = stopped.reason, False
        return Solution.of(
            self.model,
            "exact",
            self.monitor,
            values,
            bounds,
            reason,
            converged=converged,
            counts={
                "iterations": iterations,
                "vectors": len(list(values.rows())),
                "backups": self.backups,
            },
            horizon=horizon,
            detail=self.detail(),
        )

    def with_stages(self, policy: SolvedPolicy, stages: list[Stage]) -> SolvedPolicy:
        """Add the values with 1, 2, ... steps to go, from the stages with 0, 1, ... of them.

        Where all vectors are to be over all states, a stage's are those of a step more.
        """
        if self.whole_face is not None:
            return replace(policy, stages=tuple(map(self.value_function, stages[1:])))
        if not self.full_set:
            steps = pairwise(face_vectors(self.faces, stage) for stage in stages)
            kept = (LookAhead(self.model, before, vectors) for before, vectors in steps)
            return replace(policy, stages=tuple(kept))
        full: list[ValueFunction] = []
        try:
            for stage in stages[:-1]:
                full.append(self.full_values(stage))  # noqa: PERF401 - what is done is kept
        except LimitReached as stopped:
            policy = replace(policy, stop_reason=stopped.reason, converged=False)
        else:
            if isinstance(policy.values, AlphaVectors):
                full.append(policy.values)
        return replace(policy, stages=tuple(full))


def _scale(branches: Branches, old: Part) -> float:
    """A power of 2 near the largest number."""
    arrays = (branches.rewards, branches.vectors, old.vectors)
    largest = max(float(np.abs(array).max(initial=0.0)) for array in arrays)
    return 2.0 ** math.frexp(largest)[1]


def _backups(branches: Branches, beliefs: FloatArray) -> Part:
    """Back up some beliefs and the centre."""
    d = beliefs.shape[1]
    beliefs = np.vstack([beliefs, np.full((1, d), 1.0 / d)])
    vectors, actions = np.empty_like(beliefs), np.zeros(len(beliefs), np.int64)
    backups(beliefs, branches, vectors, actions)
    return Part(vectors, actions, beliefs)
