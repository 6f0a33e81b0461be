"""Policy evaluation: what is certain of a policy, from the model itself, and a simulation.

A controller's value is that of a Markov chain. The Bellman residual of vectors V at a belief b is

    max over a of ( r[a] . b + g sum over o of P(o | b, a) V(b after a and o) )  -  V(b);

where it is nowhere negative, V lies below what acting by it earns. It is taken at the beliefs that
the policy meets in simulated episodes, so that it is a sample, not a bound. With a horizon V is for
that many steps on both sides of the difference, which says nothing: there it is not taken.
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
    """What a policy earns from the initial belief, in rewards; also statistics of a simulation.

    Attributes
    ----------
    method
        How the policy was computed.
    graph_value
        Expected discounted return of the policy graph, exactly; None without a graph, or with one
        that is too large.
    vector_value
        Value of the largest vector.
    bounds
        The policy's certified bounds on the optimal value; infinite where none are known.
    residual_min, residual_max, residual_beliefs
        Least and largest Bellman residual at beliefs that the policy met, and how many these are;
        None and 0 with a finite horizon.
    interrupted
        Whether an interrupt ended the simulation.
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
    """Evaluate a policy: its graph exactly, its vectors, and both by simulation.

    Parameters
    ----------
    policy
        A policy of this model; `carried` makes one of a policy graph, or of another model's policy.
    rng
        Random numbers of the episodes.
    episodes, steps, threads, interrupted
        Of the simulation, as in `simulate`.
    beliefs
        Number of beliefs, of further episodes, at which the Bellman residual is taken.

    Raises
    ------
    PolicyError
        Where the policy was made for another model.
    PomdpError
        Where its values, or the rewards, are too large to be added up.
    KeyboardInterrupt
        Where an interrupt comes before the first episode has ended.
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
        exact = graph.worth(graph_evaluation.evaluate(model, graph), model.start)
    met = visited_beliefs(model, policy, beliefs, rng) if policy.horizon is None else []
    residuals = [bellman_residual(model, policy, b) for b in met]
    return Evaluation(
        **asdict(simulation.summary),
        method=policy.method,
        graph_value=exact,
        vector_value=value_at_start(model, policy),
        bounds=(policy.bounds.lower, policy.bounds.upper),
        residual_min=min(residuals, default=None),
        residual_max=max(residuals, default=None),
        residual_beliefs=len(met),
        interrupted=simulation.interrupted,
    )


def value_at_start(model: Model, policy: SolvedPolicy) -> float:
    """Value at the initial belief; in an MDP the mean over the states that may be observed."""
    if not model.mdp:
        return policy.value(model.start)
    corners = np.eye(model.n_states)
    return sum(
        float(model.start[s]) * policy.value(corners[s]) for s in np.flatnonzero(model.start)
    )


def bellman_residual(model: Model, policy: SolvedPolicy, b: FloatArray) -> float:
    """By how much a step of look-ahead is worth more than the policy's value at a belief."""
    return float(action_values(model, b, policy.value).max()) - policy.value(b)


def visited_beliefs(
    model: Model, policy: SolvedPolicy, count: int, rng: np.random.Generator
) -> list[FloatArray]:
    """The first beliefs of episodes that a policy plays."""
    environment, agent = Environment(model), agent_for(model, policy)
    met: list[FloatArray] = []
    for _ in range(count):
        for step in episode(environment, agent, max(1, count // 10), rng, beliefs=True):
            assert step.belief is not None
            met.append(step.belief)
            if len(met) >= count:
                return met
    return met or [model.start]
