"""Exact value iteration on faces of the belief simplex.

A value function is a set of vectors on each face (see `faces`). One backup H of a face asks, for
every belief in it, the best action and the best vectors ahead. On small faces the set is grown
under its own polytope until no backup exceeds it (see `hull`); on others it is built by incremental
pruning to a tolerance (see `cover`). A classic algorithm can be asked for instead (see `classic`).

Without a horizon the sets start from the blind policies, a lower bound. Each round measures the
residual of a set V, the most by which H V exceeds it, grows it to W until H V <= W + e everywhere,
evaluates the controller that W describes, adds what that earns, and makes e smaller. All vectors
are what some policy earns, so all sets bound the optimum V* from below, and

    V* - W <= V* - H V + e <= g residual / (1 - g) + e     on every face,

and g times that one step before. The rounds stop when that is below the precision asked for.

With a horizon H the sets of 1, 2, ..., H - 1 steps to go are computed in turn, from zero or from
the terminal values, and the last step is a look-ahead.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from pomdptool.kernels import expect
from pomdptool.kernels.polytope import Branches, backups
from pomdptool.model import Model
from pomdptool.policy import AlphaVectors, Bounds, SolvedPolicy, ValueFunction, problem_of
from pomdptool.solving.backup import BackedUp, backup_single
from pomdptool.solving.bounds import Method, fixed_point
from pomdptool.solving.classic import Backup, backup_named
from pomdptool.solving.controller import ROUNDING
from pomdptool.solving.cover import Limits, TooManyVectorsError, backup_within
from pomdptool.solving.extraction import extract, extract_finite
from pomdptool.solving.faces import Faces, find_faces, twins
from pomdptool.solving.full_set import full_set
from pomdptool.solving.hull import TooManyVerticesError, grow
from pomdptool.solving.improve import evaluated
from pomdptool.solving.mdp import observes_state, solve_observed
from pomdptool.solving.solution import (
    Solution,
    Stopped,
    Watch,
    discounted_steps,
    require_end,
    rewards_ahead,
)
from pomdptool.solving.stage import FaceValues, Part, Stage, StageValues, pack, undominated
from pomdptool.sparse import FloatArray

POLYTOPE_STATES = 7
"""Largest face whose polytope is tried."""

MAX_VERTICES = 400_000
"""Vertices beyond which a face is pruned by linear programs instead."""

PRECISE_VECTORS = 400
"""Most vectors of a face, too large for a polytope, that is backed up to `HORIZON_TOLERANCE`."""

MAX_SIZES = 8
"""Sizes of faces that are listed."""

HORIZON_TOLERANCE = 1e-10
"""Error of one backup with a horizon, relative to the largest value so far."""

GRAPH_HORIZON = 1000
"""Longest horizon of which all stages are kept, for the policy graph."""

GRAPH_STATES = 1000
"""Most states of a model whose controller is extracted."""

FULL_SET_MARGIN = 1e-10
"""By how much a vector over all states must exceed the others, relative to the rewards ahead."""

LEAST_TOLERANCE = 1e-12
"""Tolerance below which rounding decides, relative to the largest value."""

PATIENCE = 3
"""Rounds at the tolerance aimed for that may gain nothing: rounding is all that is left."""

SHRINK = 0.3
"""Factor of the tolerance from round to round."""

SETTLED = 4.0
"""Where faces are pruned it shrinks only when the residual is below so many times as much."""


def solve_exact(
    model: Model,
    *,
    precision: float = 1e-3,
    horizon: int | None = None,
    full_set: bool = False,
    terminal: FloatArray | None = None,
    all_stages: bool = False,
    pruning: str | None = None,
    watch: Watch | None = None,
) -> Solution:
    """Solve by exact value iteration.

    Parameters
    ----------
    precision
        Without a horizon: the certified error, over the whole simplex, relative to
        max(1, |value at the start belief|), at which to stop. With a horizon: the certified error
        where faces are too large for exact sets.
    horizon
        Number of steps to go.
    full_set
        Compute the vectors over all states too, where the faces are smaller than that. They may be
        many more.
    terminal
        Shape (n, S), with a horizon: a belief after the last step is worth the largest of these
        vectors; by default 0.
    all_stages
        With a horizon: keep the values with 1, 2, ... steps to go.
    pruning
        Back up every face by a classic algorithm: a name of `classic.BACKUPS`.

    Raises
    ------
    PomdpError
        With discount 1 and no horizon, and with an unknown pruning.
    """
    require_end(model, horizon)
    classic = None if pruning is None else backup_named(pruning)
    if observes_state(model):
        return solve_observed(
            model,
            precision=precision,
            horizon=horizon,
            terminal=terminal,
            all_stages=all_stages,
            watch=watch,
        )
    expect(len(model.support.t_entry))
    run = _Run(model, watch or Watch(), full_set, pruning, classic)
    if horizon is None:
        return _without_end(run, precision)
    return _with_horizon(run, horizon, precision, terminal, all_stages)


def _without_end(run: _Run, precision: float) -> Solution:
    model, watch, g = run.model, run.watch, run.model.discount
    blind = fixed_point(model, "blind", precision=precision, horizon=None, watch=watch)
    bound: Method = "fib" if run.pruned else "qmdp"
    above = fixed_point(model, bound, precision=precision, horizon=None, watch=watch)
    upper = float((above.Q @ model.start).max())
    stage = run.restricted(blind.Q)
    value = run.value(stage)
    tolerance = 0.1 * max(float(np.ptp(model.expected_rewards)), 1e-9)
    least = LEAST_TOLERANCE * max(1.0, float(np.abs(above.Q).max()))
    rounds, reason, least_error, stuck = 0, "precision", np.inf, 0
    try:
        while True:
            wanted = precision * max(1.0, abs(value))
            floor = max(0.9 * (1.0 - g) * wanted, least)
            tolerance = max(floor, tolerance)
            step = run.backup(stage, tolerance, 0.5 * tolerance, given=True)
            error = g * step.residual / (1.0 - g) + step.lost
            rounds += 1
            value = run.value(step.stage)
            upper = max(value, min(upper, value + run.ahead * error))
            step.tell(watch, rounds, Bounds(value, upper), run.ahead * error)
            stage = step.stage
            gained = error < (1.0 - 0.1 * (1.0 - g)) * least_error
            stuck = 0 if gained or tolerance > floor else stuck + 1
            least_error = min(error, least_error)
            if error <= precision * max(1.0, abs(value)) or stuck >= PATIENCE:
                break
            stage = _joined(evaluated(run.faces, stage, g), stage)
            if not run.pruned or step.residual < SETTLED * tolerance:
                tolerance *= SHRINK
    except Stopped as stopped:
        reason = stopped.reason
    if reason == "precision":
        stage = _best_of(evaluated(run.faces, stage, g), stage)
    value = run.value(stage)
    bounds = Bounds(value, max(upper, value))
    if reason == "precision" and not bounds.closed(precision):
        reason = "rounding"
    solution = run.solution(stage, bounds, reason, reason == "precision", rounds, None)
    if model.n_states > GRAPH_STATES:
        return solution
    graph = extract(model, run.faces, stage, model.start, wanted=value)
    if graph.values is not None:
        # What the graph earns, less what the residual may hide, is a lower bound too.
        sure = float(graph.values[graph.start] @ model.start)
        sure -= ROUNDING / (1.0 - g) * float(np.abs(graph.values).max())
        bounds = Bounds(max(value, sure), max(upper, value, sure))
    return replace(solution, policy=replace(solution.policy, graph=graph, bounds=bounds))


def _with_horizon(
    run: _Run, horizon: int, precision: float, terminal: FloatArray | None, all_stages: bool
) -> Solution:
    model, watch, g = run.model, run.watch, run.model.discount
    ends = np.zeros((1, model.n_states)) if terminal is None else terminal
    stage = run.restricted(ends)
    largest, last = float(np.abs(model.expected_rewards).max()), float(np.abs(ends).max())

    def tolerance(steps: int) -> float:
        return HORIZON_TOLERANCE * max(1.0, largest * discounted_steps(g, 0, steps) + last)

    def coarse(steps: int) -> float:
        """A share of the precision; later steps, which have more vectors, are given more."""
        share = 2.0 * (steps + 1) / (horizon * (horizon + 1))
        return share * precision * max(1.0, abs(run.value(stage)))

    first = 0 if run.whole_face is not None else 1
    done, loss, reason = first, 0.0, "horizon"
    stages = [stage]
    try:
        for done in range(first, horizon):
            step = run.backup(stage, tolerance(done), coarse(done), given=False)
            stage, loss = step.stage, step.lost + g * loss
            if all_stages or horizon <= GRAPH_HORIZON:
                stages.append(stage)
            value = run.value(stage)
            error = run.ahead * loss
            step.tell(watch, done + 1, Bounds(value, value + error), error)
        done = horizon
        if all_stages and run.whole_face is None and not run.full_set:
            step = run.backup(stage, tolerance(done), coarse(done), given=False)
            stages.append(step.stage)
    except Stopped as stopped:
        reason = stopped.reason
    value, rest = run.value(stage), rewards_ahead(model, done, horizon, terminal)
    bounds = Bounds(value + rest.lower, value + rest.upper + run.ahead * loss)
    solution = run.solution(stage, bounds, reason, reason == "horizon", done, horizon)
    policy = replace(solution.policy, terminal=terminal)
    if all_stages:
        policy = run.with_stages(policy, stages)
    if done == horizon <= GRAPH_HORIZON:
        graph = extract_finite(model, run.faces, stages[:horizon], model.start)
        policy = replace(policy, graph=graph)
    return replace(solution, policy=policy)


@dataclass(frozen=True, eq=False, slots=True)
class _Step:
    """Backed-up faces: what `BackedUp` says of each, the worst of errors and the sum of counts."""

    stage: Stage
    residual: float
    lost: float
    vertices: int
    programs: int

    def tell(self, watch: Watch, iteration: int, bounds: Bounds, error: float) -> None:
        """Report the step."""
        watch.step(
            iteration,
            _size(self.stage),
            bounds,
            vertices=self.vertices,
            programs=self.programs,
            error=error,
        )


@dataclass(slots=True)
class _Run:
    """One solve: the model's faces, those that polytopes are too large for, and counts.

    `coarse` are faces with too many vectors for exact sets. Where all states form a face the last
    step needs no look-ahead, and `whole_face` is its index. With `classic` it backs up all faces.
    """

    model: Model
    watch: Watch
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
        return self.value_function(stage).value(self.model.start)

    def value_function(self, stage: Stage) -> ValueFunction:
        """Values of a stage at all beliefs."""
        if self.whole_face is None:
            return FaceValues(self.faces, stage)
        return _by_action(stage[self.whole_face])

    def full_values(self, stage: Stage) -> ValueFunction:
        """Values of a stage as vectors over all states."""
        if self.whole_face is not None:
            return self.value_function(stage)
        branches = pack(self.faces.whole, stage)
        margin = FULL_SET_MARGIN * max(1.0, float(np.abs(branches.rewards).max()))
        vectors, actions = full_set(branches, margin=margin, watch=self.watch)
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

    def backup(self, stage: Stage, tolerance: float, coarse: float, *, given: bool) -> _Step:
        """Back up every face; with `given` the stage's own vectors stay in, where needed.

        To the tolerance, or to the coarse one where faces are large and have many vectors.
        """
        steps: list[BackedUp] = []
        for k, twin in enumerate(self.twins):
            if twin < k and np.array_equal(stage[k].vectors, stage[twin].vectors):
                steps.append(replace(steps[twin], vertices=0, programs=0))
            else:
                steps.append(self._backup_face(k, stage, tolerance, coarse, given))
        return _Step(
            tuple(step.part for step in steps),
            max(step.residual for step in steps),
            max(step.lost for step in steps),
            sum(step.vertices for step in steps),
            sum(step.programs for step in steps),
        )

    def _backup_face(
        self, k: int, stage: Stage, tolerance: float, coarse: float, given: bool
    ) -> BackedUp:
        source, old = self.faces.faces[k], stage[k]
        self.watch.check(_size(stage))
        branches = pack(source, stage)
        if source.size == 1:
            return backup_single(branches, old, given=given)
        if self.classic is not None:
            return self.classic(branches, old, given=given, watch=self.watch)
        first = old if given else _backups(branches, old.beliefs)
        if k not in self.pruned:
            try:
                hull = grow(
                    branches,
                    first,
                    tolerance=tolerance,
                    watch=self.watch,
                    max_vertices=MAX_VERTICES,
                )
            except TooManyVerticesError:
                self.pruned.add(k)
            else:
                self.backups += hull.backups
                return BackedUp(hull.part, hull.residual, hull.lost, hull.vertices)
        if not given and k not in self.coarse:
            limits = Limits(self.watch, PRECISE_VECTORS)
            try:
                return backup_within(branches, old, tolerance=tolerance, given=False, limits=limits)
            except TooManyVectorsError:
                self.coarse.add(k)
        limits = Limits(self.watch)
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
            except Stopped as stopped:
                reason, converged = stopped.reason, False
        policy = SolvedPolicy(
            problem=problem_of(self.model),
            method="exact",
            values=values,
            bounds=bounds,
            converged=converged,
            stop_reason=reason,
            horizon=horizon,
            stats={
                "seconds": self.watch.seconds,
                "iterations": iterations,
                "vectors": len(list(values.rows())),
                "backups": self.backups,
            },
        )
        return Solution(policy, tuple(self.watch.trace), self.detail())

    def with_stages(self, policy: SolvedPolicy, stages: list[Stage]) -> SolvedPolicy:
        """Add the values with 1, 2, ... steps to go, from the stages with 0, 1, ... of them.

        Where all vectors are to be over all states, a stage's are those of a step more.
        """
        if self.whole_face is not None:
            return replace(policy, stages=tuple(map(self.value_function, stages[1:])))
        if not self.full_set:
            kept = (StageValues(self.faces, stage, ahead) for ahead, stage in pairwise(stages))
            return replace(policy, stages=tuple(kept))
        full: list[ValueFunction] = []
        try:
            for stage in stages[:-1]:
                full.append(self.full_values(stage))  # noqa: PERF401 - what is done is kept
        except Stopped as stopped:
            policy = replace(policy, stop_reason=stopped.reason, converged=False)
        else:
            if isinstance(policy.values, AlphaVectors):
                full.append(policy.values)
        return replace(policy, stages=tuple(full))


def _by_action(part: Part) -> AlphaVectors:
    order = np.argsort(part.actions, kind="stable")
    return AlphaVectors(part.actions[order], part.vectors[order])


def _backups(branches: Branches, beliefs: FloatArray) -> Part:
    """Back up some beliefs and the centre."""
    d = beliefs.shape[1]
    beliefs = np.vstack([beliefs, np.full((1, d), 1.0 / d)])
    vectors, actions = np.empty_like(beliefs), np.zeros(len(beliefs), np.int64)
    backups(beliefs, branches, vectors, actions)
    return Part(vectors, actions, beliefs)


def _size(stage: Stage) -> int:
    return sum(len(part.vectors) for part in stage)


def _best_of(controller: Stage, stage: Stage) -> Stage:
    """What a controller earns and the vectors that describe it, less those exceeded singly."""
    parts = []
    for a, b in zip(controller, stage, strict=True):
        vectors = np.vstack([a.vectors, b.vectors])
        kept = undominated(vectors)
        actions, beliefs = np.append(a.actions, b.actions), np.vstack([b.beliefs, b.beliefs])
        parts.append(Part(vectors[kept], actions[kept], beliefs[kept]))
    return tuple(parts)


def _joined(first: Stage, second: Stage) -> Stage:
    """Both stages' vectors; the beliefs are the same."""
    return tuple(
        Part(np.vstack([a.vectors, b.vectors]), np.append(a.actions, b.actions), b.beliefs)
        for a, b in zip(first, second, strict=True)
    )
