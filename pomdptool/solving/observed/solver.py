"""Solver for MDPs and for models whose observations reveal the state.

After every action the observation reveals the new state. So only the initial belief can be
uncertain, and in an MDP (a model without observations) not even that: its state is observed before
the first action, and its value is the mean of V over the initial belief. The rows of

    Q[a, s] = r[a, s] + g sum over s' of T[a, s, s'] V[s'],    V[s] = max over a of Q[a, s]

are therefore a complete set of alpha vectors: the optimal value at any belief b is max Q[a] . b.

With an infinite horizon this is solved by policy iteration with certified bounds (see
`policy_iteration`): the vectors are Q at the lower end of the enclosure, a lower bound on the value
of their greedy policy in every state. With a finite horizon it is value iteration from 0.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pomdptool.graph import PolicyGraph
from pomdptool.model import Model
from pomdptool.policy import AlphaVectors, Bounds, SolvedPolicy, check_fits
from pomdptool.solving.bounds import MdpOperator
from pomdptool.solving.observed.policy_graph import (
    GRAPH_CELLS,
    finite_horizon_graph,
    infinite_horizon_graph,
)
from pomdptool.solving.observed.policy_iteration import Enclosure, enclose_initial_value, iterate
from pomdptool.solving.solution import (
    LimitReached,
    Monitor,
    Solution,
    maximin_action,
    remaining_return,
    require_discount,
)
from pomdptool.sparse import FloatArray, IntArray
from pomdptool.steps import arrival_rows


def observes_state(model: Model) -> bool:
    """Whether after every action the observation reveals the new state.

    That is, no two states that the same action can lead to share an observation.
    """
    T, Z, S = model.sparse_T, model.sparse_Z, model.n_states
    arrived = np.zeros(T.n_rows, dtype=bool)
    arrived[arrival_rows(T)] = True
    row = Z.row_of_entry()
    possible = np.flatnonzero(arrived[row])
    pairs = row[possible] // S * model.n_observations + Z.indices[possible]
    few = len(pairs) <= model.n_actions * model.n_observations
    return few and len(np.unique(pairs)) == len(pairs)


def solve_observed(
    model: Model,
    *,
    precision: float = 1e-3,
    horizon: int | None = None,
    terminal: FloatArray | None = None,
    all_horizons: bool = False,
    resume: SolvedPolicy | None = None,
    monitor: Monitor | None = None,
) -> Solution:
    """Solve a model whose observations reveal the state (see `observes_state`), at every belief.

    Parameters are as for `solve`; `precision` and `resume` apply to an infinite horizon.
    """
    require_discount(model, horizon)
    first = np.zeros((1, model.n_states))
    if resume is not None:
        check_fits(resume.problem, model)
        if isinstance(resume.values, AlphaVectors):
            first = resume.values.values.max(axis=0, keepdims=True)
    monitor = monitor or Monitor()
    if horizon is None:
        result = _infinite_horizon(model, precision, first, monitor)
    else:
        result = _finite_horizon(model, horizon, terminal, all_horizons, monitor)
    actions = np.arange(model.n_actions)
    solution = Solution.of(
        model,
        "exact",
        monitor,
        AlphaVectors(actions, result.Q),
        result.bounds,
        result.stop_reason,
        converged=result.stop_reason in ("precision", "horizon"),
        counts={
            "iterations": result.sweeps,
            "vectors": model.n_actions,
            "backups": result.sweeps * result.Q.size,
        },
        horizon=horizon,
        graph=result.graph,
    )
    stages = tuple(AlphaVectors(actions, Q) for Q in result.stages)
    return replace(solution, policy=replace(solution.policy, stages=stages, terminal=terminal))


@dataclass(frozen=True, eq=False, slots=True)
class _Result:
    """Q[a, s], bounds at the initial belief, number of sweeps, stop reason and policy graph.

    `stages` holds Q with 1, 2, ... steps to go, if requested.
    """

    Q: FloatArray
    bounds: Bounds
    sweeps: int = 0
    stop_reason: str = ""
    graph: PolicyGraph | None = None
    stages: tuple[FloatArray, ...] = ()


def _infinite_horizon(
    model: Model, precision: float, first: FloatArray, monitor: Monitor
) -> _Result:
    def enough(best: Enclosure, rounds: int) -> bool:
        bounds = _initial_bounds(model, best)
        monitor.step(rounds, model.n_actions, bounds, error=best.width)
        return bounds.closed(precision)

    done = iterate(MdpOperator(model), first, enough, monitor, model.n_actions)
    return _Result(
        done.best.low,
        _initial_bounds(model, done.best),
        done.rounds,
        done.reason or "precision",
        infinite_horizon_graph(model, done.best.low),
    )


def _initial_bounds(model: Model, enclosure: Enclosure) -> Bounds:
    """Bounds at the initial belief."""
    return Bounds(
        enclose_initial_value(model, enclosure.low)[0],
        enclose_initial_value(model, enclosure.high)[1],
    )


def _finite_horizon(
    model: Model, horizon: int, terminal: FloatArray | None, all_horizons: bool, monitor: Monitor
) -> _Result:
    operator = MdpOperator(model)
    Q = np.zeros_like(operator.r) if terminal is None else terminal
    stages: list[FloatArray] = []
    policies: list[IntArray] = []
    kept = horizon * model.n_states <= GRAPH_CELLS
    done, reason = 0, ""
    while not reason:
        if done and kept:
            policies.append(Q.argmax(axis=0))
        Q = operator.action_values(Q.max(axis=0))
        done += 1
        if all_horizons:
            stages.append(Q)
        vectors = Q.max(axis=0)[np.newaxis] if model.mdp else Q
        value = float((vectors @ model.start).max())
        rest = remaining_return(model, done, horizon, terminal)
        bounds = Bounds(value + rest.lower, value + rest.upper)
        monitor.step(done, model.n_actions, bounds)
        if done == horizon:
            reason = "horizon"
        else:
            try:
                monitor.check(model.n_actions)
            except LimitReached as stopped:
                reason = stopped.reason
    result = _Result(Q, bounds, done, reason, stages=tuple(stages))
    if not kept or (reason != "horizon" and terminal is not None):
        return result
    graph = finite_horizon_graph(model, Q, policies)
    if graph is not None:
        graph = graph.followed_by(maximin_action(model), horizon - done)
    return replace(result, graph=graph)
