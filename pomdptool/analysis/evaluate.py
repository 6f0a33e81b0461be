"""What is certain of a policy, from the model itself.

A controller's value is that of a Markov chain. The Bellman residual of vectors V at a belief b is

    max over a of ( r[a] . b + g sum over o of P(o | b, a) V(b after a and o) )  -  V(b);

where it is nowhere negative, V lies below what acting by it earns. It is taken at the beliefs that
the policy meets in simulated episodes, so that it is a sample, not a bound. With a horizon V is for
that many steps on both sides of the difference, which says nothing: there it is not taken.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pomdptool.acting.agents import acting
from pomdptool.acting.environment import Environment, episode
from pomdptool.linked import LinkedVectors
from pomdptool.lookahead import action_values
from pomdptool.model import Model
from pomdptool.policy import SolvedPolicy
from pomdptool.solving import controller
from pomdptool.solving.solution import check_sum
from pomdptool.sparse import FloatArray


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Values at the start belief, in rewards.

    Attributes
    ----------
    graph_value
        What the policy's controller earns, exactly; None without a controller, or with one too
        large.
    vector_value
        Of the largest vector.
    residual_min, residual_max, beliefs
        Bellman residuals at beliefs that the policy met, and how many these are; None and 0 with
        a horizon.
    """

    graph_value: float | None
    vector_value: float
    residual_min: float | None
    residual_max: float | None
    beliefs: int


def evaluate_policy(
    model: Model, policy: SolvedPolicy, *, rng: np.random.Generator, beliefs: int = 200
) -> Evaluation:
    """Evaluate a policy's controller and vectors.

    Raises
    ------
    PomdpError
        Where its values are too large to be added up.
    """
    check_sum("values", max(float(np.abs(row.values).max()) for row in policy.values.rows()), 1.0)
    graph = policy.values.graph() if isinstance(policy.values, LinkedVectors) else policy.graph
    exact = None
    if graph is not None and controller.is_cheap(model, graph):
        exact = graph.worth(controller.evaluate(model, graph), model.start)
    met = beliefs_met(model, policy, beliefs, rng) if policy.horizon is None else []
    residuals = [bellman_residual(model, policy, b) for b in met]
    return Evaluation(
        graph_value=exact,
        vector_value=value_at_start(model, policy),
        residual_min=min(residuals, default=None),
        residual_max=max(residuals, default=None),
        beliefs=len(met),
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


def beliefs_met(
    model: Model, policy: SolvedPolicy, count: int, rng: np.random.Generator
) -> list[FloatArray]:
    """The first beliefs of episodes that a policy plays."""
    environment, player = Environment(model), acting(model, policy)
    met: list[FloatArray] = []
    for _ in range(count):
        for step in episode(environment, player, max(1, count // 10), rng, beliefs=True):
            assert step.belief is not None
            met.append(step.belief)
            if len(met) >= count:
                return met
    return met or [model.start]
