"""Exact value iteration on faces of the belief simplex.

A value function is a set of vectors on each face (see `faces`). Small faces are backed up by vertex
enumeration, large ones by epsilon-pruning, or all by a classic algorithm (see `algorithms`).

For an infinite horizon V starts from the blind policies, a lower bound. Each round measures the
Bellman residual, the maximum of H V - V, extends V to W until H V <= W + e everywhere, evaluates
the controller that is greedy with respect to W, adds its vectors, and reduces e. All vectors are
values of policies, so all sets bound the optimum V* from below, and

    V* - W <= V* - H V + e <= g residual / (1 - g) + e     on every face,

and at most g times this error at an initial belief that is one step of look-ahead away. The rounds
stop when this is below the precision.

For a finite horizon H the sets with 1, 2, ..., H - 1 steps to go are computed in turn, from zero or
from the terminal values, and the first action is chosen by one-step look-ahead.
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
from pomdptool.solving.exact.algorithms import find_algorithm
from pomdptool.solving.exact.lineage import Lineage
from pomdptool.solving.exact.policy_graph import extract_finite_horizon
from pomdptool.solving.exact.policy_improvement import evaluate_controller
from pomdptool.solving.exact.run import ExactRun
from pomdptool.solving.exact.value_function import undominated_union, union
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
"""Error of one backup for a finite horizon, relative to the largest value so far."""

GRAPH_HORIZON = 1000
"""Longest horizon for which a policy graph is extracted."""

GRAPH_STATES = 1000
"""Maximum number of states for which a policy graph is extracted for an infinite horizon."""

SMALLEST_TOLERANCE = 1e-12
"""Smallest tolerance above rounding, relative to the largest value."""

TARGET = 0.9
"""Target tolerance as a share of the residual that meets the precision."""

PATIENCE = 3
"""Rounds without progress at the target before it is reduced, or the run stops with 'rounding'."""

SHRINK = 0.3
"""Factor of the tolerance from round to round."""

SETTLED = 4.0
"""With large faces the tolerance shrinks only when the residual is below this multiple of it."""


def solve_exact(
    model: Model,
    *,
    precision: float = 1e-3,
    horizon: int | None = None,
    full_simplex: bool = False,
    terminal: FloatArray | None = None,
    all_horizons: bool = False,
    algorithm: str | None = None,
    monitor: Monitor | None = None,
) -> Solution:
    """Solve by exact value iteration.

    Parameters
    ----------
    precision
        For an infinite horizon: the certified error over the whole simplex at which to stop,
        relative to max(1, |value at the initial belief|). For a finite horizon: the certified error
        if faces are too large for exact sets.
    full_simplex
        Also compute the vectors over all states if no face has all states; they may be many more.
    algorithm
        Back up every face by a classic algorithm: a name in `algorithms.BACKUPS`.
    horizon, terminal, all_horizons
        As for `solve.solve`.

    Raises
    ------
    PomdpError
        With discount 1 and an infinite horizon, or an unknown algorithm.
    """
    require_discount(model, horizon)
    classic = None if algorithm is None else find_algorithm(algorithm)
    if observes_state(model):
        return solve_observed(
            model,
            precision=precision,
            horizon=horizon,
            terminal=terminal,
            all_horizons=all_horizons,
            monitor=monitor,
        )
    request_compilation(len(model.steps))
    run = ExactRun(model, monitor or Monitor(), full_simplex, algorithm, classic)
    if horizon is None:
        return _solve_infinite_horizon(run, precision)
    return _solve_finite_horizon(run, horizon, precision, terminal, all_horizons)


@dataclass(slots=True)
class _Tolerance:
    """The tolerance of backups for an infinite horizon, reduced from round to round to a target.

    The target is at least `smallest`, below which rounding dominates.
    """

    now: float
    smallest: float
    discount: float
    share: float = TARGET
    target: float = 0.0
    least_error: float = np.inf
    stalled: int = 0

    def next_round(self, precision: float) -> float:
        """The tolerance of the next round, for an absolute precision."""
        self.target = max(self.share * (1.0 - self.discount) * precision, self.smallest)
        self.now = max(self.target, self.now)
        return self.now

    def exhausted(self, error: float) -> bool:
        """Update with the error after a round; whether no smaller tolerance can reduce it."""
        progress = error < (1.0 - 0.1 * (1.0 - self.discount)) * self.least_error
        self.stalled = 0 if progress or self.now > self.target else self.stalled + 1
        self.least_error = min(error, self.least_error)
        if self.stalled >= PATIENCE:
            if self.target == self.smallest:
                return True
            self.share, self.stalled = SHRINK * self.share, 0
        return False


def _solve_infinite_horizon(run: ExactRun, precision: float) -> Solution:
    model, monitor, g = run.model, run.monitor, run.model.discount
    blind = fixed_point(model, "blind", precision=precision, horizon=None, monitor=monitor)
    bound: Method = "fib" if run.large else "qmdp"
    overestimate = fixed_point(model, bound, precision=precision, horizon=None, monitor=monitor)
    upper = float((overestimate.Q @ model.start).max())
    V = run.restrict(blind.Q)
    lineage = Lineage(run.faces, V)
    value = run.initial_value(V)
    smallest = SMALLEST_TOLERANCE * float(np.abs(overestimate.Q).max())
    tolerance = _Tolerance(0.1 * float(np.ptp(model.expected_rewards)), smallest, g)
    rounds, reason = 0, "precision"
    try:
        while True:
            allowed = tolerance.next_round(precision * max(1.0, abs(value)))
            backup = run.backup(V, allowed, 0.5 * allowed, keep_old=True)
            lineage.record_backup(V, backup.V)
            error = g * backup.residual / (1.0 - g) + backup.loss
            rounds += 1
            value = run.initial_value(backup.V)
            upper = max(value, min(upper, value + run.error_factor * error))
            backup.report(monitor, rounds, Bounds(value, upper), run.error_factor * error)
            V = backup.V
            if error <= precision * max(1.0, abs(value)) or tolerance.exhausted(error):
                break
            controller = evaluate_controller(run.faces, V, g, monitor)
            lineage.record_controller(controller)
            V = union(controller.V, V)
            if not run.large or backup.residual < SETTLED * allowed:
                tolerance.now *= SHRINK
    except LimitReached as stopped:
        reason = stopped.reason
    if reason == "precision":
        controller = evaluate_controller(run.faces, V, g)
        lineage.record_controller(controller)
        V = undominated_union(controller.V, V)
    value = run.initial_value(V)
    bounds = Bounds(value, max(upper, value))
    if reason == "precision" and not bounds.closed(precision):
        reason = "rounding"
    solution = run.solution(V, bounds, reason, bounds.closed(precision), rounds, None)
    if model.n_states > GRAPH_STATES:
        return solution
    graph = lineage.graph(V, model.start, model.n_observations)
    return replace(solution, policy=_with_graph(run, solution.policy, graph, precision))


def _with_graph(
    run: ExactRun, policy: SolvedPolicy, graph: PolicyGraph, precision: float
) -> SolvedPolicy:
    """Add the graph, and set the lower bound to its value if they differ by rounding only."""
    model, bounds = run.model, policy.bounds
    try:
        values = evaluate(model, graph, patient=False) if is_cheap(model, graph) else None
    except PomdpError:  # evaluation is too slow
        values = None
    if values is None:
        return replace(policy, graph=graph)
    earned = float(values[graph.start] @ model.start)
    # The bound is raised by no more than the evaluation is accurate.
    accuracy = ROUNDING / (1.0 - model.discount) * float(np.abs(values).max())
    lower = min(earned, max(bounds.lower, earned - accuracy))
    bounds = Bounds(lower, max(bounds.upper, lower))
    reason, converged = policy.stop_reason, policy.converged and bounds.closed(precision)
    return replace(
        policy,
        graph=replace(graph, values=values),
        bounds=bounds,
        converged=converged,
        stop_reason="rounding" if reason == "precision" and not converged else reason,
    )


def _solve_finite_horizon(
    run: ExactRun, horizon: int, precision: float, terminal: FloatArray | None, all_horizons: bool
) -> Solution:
    model, monitor, g = run.model, run.monitor, run.model.discount
    final = np.zeros((1, model.n_states)) if terminal is None else terminal
    V = run.restrict(final)
    reward, last = float(np.abs(model.expected_rewards).max()), float(np.abs(final).max())

    def tolerance(steps: int) -> float:
        scale = reward * discounted_steps(g, 0, steps) + last
        return min(HORIZON_TOLERANCE * scale, coarse(steps))

    def coarse(steps: int) -> float:
        """A share of the precision, larger for later backups, which have more vectors."""
        share = 2.0 * (steps + 1) / (horizon * (horizon + 1))
        return share * precision * max(1.0, abs(run.initial_value(V)))

    first = 0 if run.full_face is not None else 1
    done, loss, reason = first, 0.0, "horizon"
    stages = [V]
    try:
        for done in range(first, horizon):
            backup = run.backup(V, tolerance(done), coarse(done), keep_old=False)
            V, loss = backup.V, backup.loss + g * loss
            if all_horizons or horizon <= GRAPH_HORIZON:
                stages.append(V)
            value = run.initial_value(V)
            error = run.error_factor * loss
            backup.report(monitor, done + 1, Bounds(value, value + error), error)
        done = horizon
        if all_horizons and run.full_face is None and not run.full_simplex:
            stages.append(run.backup(V, tolerance(done), coarse(done), keep_old=False).V)
    except LimitReached as stopped:
        reason = stopped.reason
    value, rest = run.initial_value(V), remaining_return(model, done, horizon, terminal)
    bounds = Bounds(value + rest.lower, value + rest.upper + run.error_factor * loss)
    if reason == "horizon" and not bounds.closed(precision):
        reason = "rounding"
    solution = run.solution(V, bounds, reason, reason == "horizon", done, horizon)
    policy = replace(solution.policy, terminal=terminal)
    if all_horizons:
        policy = run.with_stages(policy, stages)
    if horizon <= GRAPH_HORIZON and (done == horizon or (done and terminal is None)):
        graph = extract_finite_horizon(model, run.faces, stages[:done], model.start)
        policy = replace(policy, graph=graph.followed_by(maximin_action(model), horizon - done))
    return replace(solution, policy=policy)
