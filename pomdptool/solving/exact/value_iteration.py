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

from dataclasses import dataclass, replace

import numpy as np

from pomdptool.errors import PomdpError
from pomdptool.graph import PolicyGraph
from pomdptool.kernels.jit import request_compilation
from pomdptool.model import Model
from pomdptool.policy import Bounds, SolvedPolicy
from pomdptool.solving.bounds import Method, fixed_point
from pomdptool.solving.exact.algorithms import backup_named
from pomdptool.solving.exact.lineage import Lineage
from pomdptool.solving.exact.policy_graph import extract_finite
from pomdptool.solving.exact.policy_improvement import evaluated
from pomdptool.solving.exact.run import Run
from pomdptool.solving.exact.value_function import best_of, joined
from pomdptool.solving.gmres import ROUNDING
from pomdptool.solving.graph_evaluation import evaluate, is_cheap
from pomdptool.solving.observed.solver import observes_state, solve_observed
from pomdptool.solving.solution import (
    LimitReached,
    Monitor,
    Solution,
    discounted_steps,
    maximin_action,
    remaining_return,
    require_discount,
)
from pomdptool.sparse import FloatArray

HORIZON_TOLERANCE = 1e-10
"""Error of one backup with a horizon, relative to the largest value so far."""

GRAPH_HORIZON = 1000
"""Longest horizon of which all stages are kept, for the policy graph."""

GRAPH_STATES = 1000
"""Most states of a model whose controller is extracted."""

LEAST_TOLERANCE = 1e-12
"""Tolerance below which rounding decides, relative to the largest value."""

AIM = 0.9
"""Tolerance aimed for, in shares of the residual that is enough."""

PATIENCE = 3
"""Rounds at the tolerance aimed for that may gain nothing; after them a smaller one is taken.

At the least one rounding is all that is left.
"""

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
    monitor: Monitor | None = None,
) -> Solution:
    """Solve by exact value iteration.

    Parameters
    ----------
    precision
        Without a horizon: the certified error, over the whole simplex, relative to
        max(1, |value at the start belief|), at which to stop. With a horizon: the certified error
        where faces are too large for exact sets.
    full_set
        Compute the vectors over all states too, where the faces are smaller than that. They may be
        many more.
    pruning
        Back up every face by a classic algorithm: a name of `classic.BACKUPS`.
    horizon, terminal, all_stages
        As those of `dispatch.solve`.

    Raises
    ------
    PomdpError
        With discount 1 and no horizon, and with an unknown pruning.
    """
    require_discount(model, horizon)
    classic = None if pruning is None else backup_named(pruning)
    if observes_state(model):
        return solve_observed(
            model,
            precision=precision,
            horizon=horizon,
            terminal=terminal,
            all_stages=all_stages,
            monitor=monitor,
        )
    request_compilation(len(model.steps))
    run = Run(model, monitor or Monitor(), full_set, pruning, classic)
    if horizon is None:
        return _without_end(run, precision)
    return _with_horizon(run, horizon, precision, terminal, all_stages)


@dataclass(slots=True)
class _Tolerance:
    """The tolerance of backups without a horizon: smaller from round to round, down to a floor.

    Rounding decides below `least`.
    """

    now: float
    least: float
    discount: float
    aim: float = AIM
    floor: float = 0.0
    least_error: float = np.inf
    stuck: int = 0

    def of_round(self, wanted: float) -> float:
        """The tolerance of the next round, where an error of `wanted` is asked for."""
        self.floor = max(self.aim * (1.0 - self.discount) * wanted, self.least)
        self.now = max(self.floor, self.now)
        return self.now

    def exhausted(self, error: float) -> bool:
        """Note the error after a round; whether no smaller tolerance is left to reduce it."""
        gained = error < (1.0 - 0.1 * (1.0 - self.discount)) * self.least_error
        self.stuck = 0 if gained or self.now > self.floor else self.stuck + 1
        self.least_error = min(error, self.least_error)
        if self.stuck >= PATIENCE:
            if self.floor == self.least:
                return True
            self.aim, self.stuck = SHRINK * self.aim, 0
        return False


def _without_end(run: Run, precision: float) -> Solution:
    model, monitor, g = run.model, run.monitor, run.model.discount
    blind = fixed_point(model, "blind", precision=precision, horizon=None, monitor=monitor)
    bound: Method = "fib" if run.pruned else "qmdp"
    above = fixed_point(model, bound, precision=precision, horizon=None, monitor=monitor)
    upper = float((above.Q @ model.start).max())
    stage = run.restricted(blind.Q)
    lineage = Lineage(run.faces, stage)
    value = run.value(stage)
    least = LEAST_TOLERANCE * float(np.abs(above.Q).max())
    tolerance = _Tolerance(0.1 * float(np.ptp(model.expected_rewards)), least, g)
    rounds, reason = 0, "precision"
    try:
        while True:
            allowed = tolerance.of_round(precision * max(1.0, abs(value)))
            step = run.backup(stage, allowed, 0.5 * allowed, given=True)
            lineage.note_backup(stage, step.stage)
            error = g * step.residual / (1.0 - g) + step.lost
            rounds += 1
            value = run.value(step.stage)
            upper = max(value, min(upper, value + run.ahead * error))
            step.tell(monitor, rounds, Bounds(value, upper), run.ahead * error)
            stage = step.stage
            if error <= precision * max(1.0, abs(value)) or tolerance.exhausted(error):
                break
            improved = evaluated(run.faces, stage, g, monitor)
            lineage.note_controller(improved)
            stage = joined(improved.stage, stage)
            if not run.pruned or step.residual < SETTLED * allowed:
                tolerance.now *= SHRINK
    except LimitReached as stopped:
        reason = stopped.reason
    if reason == "precision":
        improved = evaluated(run.faces, stage, g)
        lineage.note_controller(improved)
        stage = best_of(improved.stage, stage)
    value = run.value(stage)
    bounds = Bounds(value, max(upper, value))
    if reason == "precision" and not bounds.closed(precision):
        reason = "rounding"
    solution = run.solution(stage, bounds, reason, bounds.closed(precision), rounds, None)
    if model.n_states > GRAPH_STATES:
        return solution
    graph = lineage.graph(stage, model.start, model.n_observations)
    return replace(solution, policy=_with_graph(run, solution.policy, graph, precision))


def _with_graph(
    run: Run, policy: SolvedPolicy, graph: PolicyGraph, precision: float
) -> SolvedPolicy:
    """Add the graph, and make the lower bound what it earns, where rounding keeps them apart."""
    model, bounds = run.model, policy.bounds
    try:
        values = evaluate(model, graph, patient=False) if is_cheap(model, graph) else None
    except PomdpError:  # it takes long
        values = None
    if values is None:
        return replace(policy, graph=graph)
    worth = float(values[graph.start] @ model.start)
    # What the residual may hide is not added to the bound.
    hidden = ROUNDING / (1.0 - model.discount) * float(np.abs(values).max())
    lower = min(worth, max(bounds.lower, worth - hidden))
    bounds = Bounds(lower, max(bounds.upper, lower))
    reason, converged = policy.stop_reason, policy.converged and bounds.closed(precision)
    return replace(
        policy,
        graph=replace(graph, values=values),
        bounds=bounds,
        converged=converged,
        stop_reason="rounding" if reason == "precision" and not converged else reason,
    )


def _with_horizon(
    run: Run, horizon: int, precision: float, terminal: FloatArray | None, all_stages: bool
) -> Solution:
    model, monitor, g = run.model, run.monitor, run.model.discount
    ends = np.zeros((1, model.n_states)) if terminal is None else terminal
    stage = run.restricted(ends)
    largest, last = float(np.abs(model.expected_rewards).max()), float(np.abs(ends).max())

    def tolerance(steps: int) -> float:
        scale = largest * discounted_steps(g, 0, steps) + last
        return min(HORIZON_TOLERANCE * scale, coarse(steps))

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
            step.tell(monitor, done + 1, Bounds(value, value + error), error)
        done = horizon
        if all_stages and run.whole_face is None and not run.full_set:
            step = run.backup(stage, tolerance(done), coarse(done), given=False)
            stages.append(step.stage)
    except LimitReached as stopped:
        reason = stopped.reason
    value, rest = run.value(stage), remaining_return(model, done, horizon, terminal)
    bounds = Bounds(value + rest.lower, value + rest.upper + run.ahead * loss)
    if reason == "horizon" and not bounds.closed(precision):
        reason = "rounding"
    solution = run.solution(stage, bounds, reason, reason == "horizon", done, horizon)
    policy = replace(solution.policy, terminal=terminal)
    if all_stages:
        policy = run.with_stages(policy, stages)
    if horizon <= GRAPH_HORIZON and (done == horizon or (done and terminal is None)):
        graph = extract_finite(model, run.faces, stages[:done], model.start)
        policy = replace(policy, graph=graph.followed_by(maximin_action(model), horizon - done))
    return replace(solution, policy=policy)
