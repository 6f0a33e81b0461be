"""Policy evaluation: exact values of policy graphs, Bellman residuals, and simulation.

The value of a finite-state controller is that of a Markov chain. The Bellman residual of a value
function V at a belief b is

    max over a of ( r[a] . b + g sum over o of P(o | b, a) V(b after a and o) )  -  V(b).

If it is nowhere negative, V is a lower bound on the expected return of its greedy policy. It is
computed at beliefs visited in simulated episodes: a sample, not a bound. With a finite horizon it
would compare values of the same number of steps, and is not computed.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from pomdptool.acting.agents import Interrupted, agent_for
from pomdptool.acting.environment import Environment, episode
from pomdptool.acting.simulate import Summary, simulate
from pomdptool.linked import LinkedVectors
from pomdptool.lookahead import action_values
from pomdptool.model import Model
from pomdptool.policy import SolvedPolicy, check_fits
from pomdptool.solving import graph_evaluation
from pomdptool.solving.solution import check_sum
from pomdptool.sparse import FloatArray


@dataclass(frozen=True, slots=True)
class Evaluation(Summary):
    """Expected return of a policy from the initial belief, and statistics of a simulation.

    Attributes
    ----------
    method
        Method that computed the policy.
    graph_value
        Exact expected discounted return of the policy graph; None without a graph, or if it is too
        large.
    vector_value
        Value of the best alpha vector at the initial belief.
    bounds
        Certified bounds on the optimal value; infinite if unknown.
    residual_min, residual_max, residual_beliefs
        Minimum and maximum Bellman residual at visited beliefs, and the number of these; None and 0
        with a finite horizon.
    interrupted
        Whether the simulation was interrupted.
    """

    method: str
    graph_value: float | None
    vector_value: float
    bounds: tuple[float, float]
    residual_min: float | None
    residual_max: float | None
    residual_beliefs: int
    interrupted: bool


def evaluate(
    model: Model,
    policy: SolvedPolicy,
    *,
    rng: np.random.Generator,
    episodes: int = 1000,
    steps: int | None = None,
    beliefs: int = 200,
    threads: int = 1,
    interrupted: Interrupted | None = None,
) -> Evaluation:
    """Evaluate a policy: its graph exactly, its alpha vectors, and by simulation.

    Parameters
    ----------
    policy
        A policy for this model; `carried` makes one of a policy graph or a policy for another
        model.
    rng
        Random generator of the episodes.
    episodes, steps, threads, interrupted
        As in `simulate`.
    beliefs
        Number of beliefs, from further episodes, at which the Bellman residual is computed.

    Raises
    ------
    PolicyError
        If the policy is for another model.
    PomdpError
        If values or rewards are too large to be summed.
    KeyboardInterrupt
        If interrupted before the first episode has ended.
    """
    check_fits(policy.problem, model)
    check_sum("values", max(float(np.abs(row.values).max()) for row in policy.values.rows()), 1.0)
    simulation = simulate(
        model, policy, episodes=episodes, steps=steps, rng=rng, threads=threads,
        interrupted=interrupted,
    )  # fmt: skip
    graph = policy.values.graph() if isinstance(policy.values, LinkedVectors) else policy.graph
    exact = None
    if graph is not None and graph_evaluation.is_cheap(model, graph):
        exact = graph.initial_value(graph_evaluation.evaluate(model, graph), model.start)
    visited = visited_beliefs(model, policy, beliefs, rng) if policy.horizon is None else []
    residuals = [bellman_residual(model, policy, b) for b in visited]
    return Evaluation(
        **asdict(simulation.summary),
        method=policy.method,
        graph_value=exact,
        vector_value=value_at_start(model, policy),
        bounds=(policy.bounds.lower, policy.bounds.upper),
        residual_min=min(residuals, default=None),
        residual_max=max(residuals, default=None),
        residual_beliefs=len(visited),
        interrupted=simulation.interrupted,
    )


def value_at_start(model: Model, policy: SolvedPolicy) -> float:
    """Value at the initial belief; for an MDP the expectation over the observed initial state."""
    if not model.mdp:
        return policy.value(model.start)
    corners = np.eye(model.n_states)
    return sum(
        float(model.start[s]) * policy.value(corners[s]) for s in np.flatnonzero(model.start)
    )


def bellman_residual(model: Model, policy: SolvedPolicy, b: FloatArray) -> float:
    """Bellman residual at a belief: value of a one-step look-ahead minus that of the policy."""
    return float(action_values(model, b, policy.value).max()) - policy.value(b)


def visited_beliefs(
    model: Model, policy: SolvedPolicy, count: int, rng: np.random.Generator
) -> list[FloatArray]:
    """Beliefs visited by a policy in simulated episodes, at most `count`."""
    environment, agent = Environment(model), agent_for(model, policy)
    visited: list[FloatArray] = []
    for _ in range(count):
        for step in episode(environment, agent, max(1, count // 10), rng, beliefs=True):
            assert step.belief is not None
            visited.append(step.belief)
            if len(visited) >= count:
                return visited
    return visited or [model.start]
