"""Planning where the state is observed: in MDPs, and wherever observations tell as much.

After every action the observation tells the state arrived in. A belief is then uncertain before
the first step at most, and in an MDP (a model without observations) not even then: its state is
observed before the first action, and its value is the mean of V over the initial belief. So the
rows of

    Q[a, s] = r[a, s] + g sum over s' of T[a, s, s'] V[s'],    V[s] = max over a of Q[a, s]

are all the vectors that are needed: the optimum at any belief b is the largest Q[a] . b.

Without a horizon this is solved by policy iteration with certified bounds (see `policy_iteration`):
the vectors are Q at the lower end, which the policy that is greedy for them earns in every state.
With a horizon the equation is applied that many times, from 0.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pomdptool.graph import PolicyGraph
from pomdptool.model import Model
from pomdptool.policy import AlphaVectors, Bounds, SolvedPolicy, check_fits
from pomdptool.solving.bounds import ObservedState
from pomdptool.solving.observed.policy_graph import GRAPH_CELLS, ending_graph, endless_graph
from pomdptool.solving.observed.policy_iteration import Enclosure, at_start, iterate
from pomdptool.solving.solution import (
    LimitReached,
    Monitor,
    Solution,
    require_discount,
    rewards_ahead,
    safest,
)
from pomdptool.sparse import FloatArray, IntArray
from pomdptool.steps import arrival_rows


def observes_state(model: Model) -> bool:
    """Whether after every action the observation tells the state arrived in.

    No two states that the same action can lead to, from wherever, share an observation.
    """
    T, Z, S = model.sparse_T, model.sparse_Z, model.n_states
    arrived = np.zeros(T.n_rows, dtype=bool)
    arrived[arrival_rows(T)] = True
    row = Z.row_of_entry()
    seen = np.flatnonzero(arrived[row])
    told = row[seen] // S * model.n_observations + Z.indices[seen]
    enough = len(told) <= model.n_actions * model.n_observations
    return enough and len(np.unique(told)) == len(told)


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
    """Solve a model that observes its state (see `observes_state`), exactly at every belief.

    Parameters
    ----------
    precision
        Without a horizon: the certified error, at every belief, relative to
        max(1, |value at the start belief|), at which to stop.
    resume
        Without a horizon: a result for the same model, whose values to begin with.
    horizon, terminal, all_horizons
        As those of `dispatch.solve`.

    Raises
    ------
    PomdpError
        With discount 1 and no horizon, or an earlier result of another model.
    """
    require_discount(model, horizon)
    first = np.zeros((1, model.n_states))
    if resume is not None:
        check_fits(resume.problem, model)
        if isinstance(resume.values, AlphaVectors):
            first = resume.values.values.max(axis=0, keepdims=True)
    monitor = monitor or Monitor()
    if horizon is None:
        found = _endless(model, precision, first, monitor)
    else:
        found = _ending(model, horizon, terminal, all_horizons, monitor)
    actions = np.arange(model.n_actions)
    solution = Solution.of(
        model,
        "exact",
        monitor,
        AlphaVectors(actions, found.Q),
        found.bounds,
        found.stop_reason,
        converged=found.stop_reason in ("precision", "horizon"),
        counts={
            "iterations": found.sweeps,
            "vectors": model.n_actions,
            "backups": found.sweeps * found.Q.size,
        },
        horizon=horizon,
        graph=found.graph,
    )
    stages = tuple(AlphaVectors(actions, Q) for Q in found.stages)
    return replace(solution, policy=replace(solution.policy, stages=stages, terminal=terminal))


@dataclass(frozen=True, eq=False, slots=True)
class _Found:
    """Q[a, s] after some sweeps, why these ended, bounds at the start belief, the policy graph.

    `stages` holds Q with 1, 2, ... steps to go, where they were asked for.
    """

    Q: FloatArray
    bounds: Bounds
    sweeps: int = 0
    stop_reason: str = ""
    graph: PolicyGraph | None = None
    stages: tuple[FloatArray, ...] = ()


def _endless(model: Model, precision: float, first: FloatArray, monitor: Monitor) -> _Found:
    def enough(best: Enclosure, rounds: int) -> bool:
        bounds = _at_start(model, best)
        monitor.step(rounds, model.n_actions, bounds, error=best.width)
        return bounds.closed(precision)

    done = iterate(ObservedState(model), first, enough, monitor, model.n_actions)
    return _Found(
        done.best.low,
        _at_start(model, done.best),
        done.rounds,
        done.reason or "precision",
        endless_graph(model, done.best.low),
    )


def _at_start(model: Model, found: Enclosure) -> Bounds:
    """Bounds at the initial belief."""
    return Bounds(at_start(model, found.low)[0], at_start(model, found.high)[1])


def _ending(
    model: Model, horizon: int, terminal: FloatArray | None, all_horizons: bool, monitor: Monitor
) -> _Found:
    equation = ObservedState(model)
    Q = np.zeros_like(equation.r) if terminal is None else terminal
    stages: list[FloatArray] = []
    policies: list[IntArray] = []
    kept = horizon * model.n_states <= GRAPH_CELLS
    done, reason = 0, ""
    while not reason:
        if done and kept:
            policies.append(Q.argmax(axis=0))
        Q = equation.look_ahead(Q.max(axis=0))
        done += 1
        if all_horizons:
            stages.append(Q)
        known = Q.max(axis=0)[np.newaxis] if model.mdp else Q
        value, rest = (
            float((known @ model.start).max()),
            rewards_ahead(model, done, horizon, terminal),
        )
        bounds = Bounds(value + rest.lower, value + rest.upper)
        monitor.step(done, model.n_actions, bounds)
        if done == horizon:
            reason = "horizon"
        else:
            try:
                monitor.check(model.n_actions)
            except LimitReached as stopped:
                reason = stopped.reason
    found = _Found(Q, bounds, done, reason, stages=tuple(stages))
    if not kept or (reason != "horizon" and terminal is not None):
        return found
    graph = ending_graph(model, Q, policies)
    if graph is not None:
        graph = graph.followed_by(safest(model), horizon - done)
    return replace(found, graph=graph)
