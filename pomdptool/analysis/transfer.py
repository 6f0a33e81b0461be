"""What a policy earns in another model than the one it was made for.

A controller needs no belief, so that it acts in any model with the same actions and observations:
its nodes are carried over by their names, and what it earns there is the value of a Markov chain
(see `solving.graph_evaluation`), or, where that is too large, the mean of simulated episodes.
An observation that the policy's own model takes for impossible sends the controller to its start.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pomdptool.acting.agents import GraphAgent, until
from pomdptool.acting.simulate import simulate
from pomdptool.errors import PolicyError
from pomdptool.graph import NOWHERE, PolicyGraph
from pomdptool.linked import LinkedVectors
from pomdptool.model import Model
from pomdptool.policy import AlphaVectors, Bounds, SolvedPolicy, problem_of
from pomdptool.solving.graph_evaluation import evaluate, is_cheap
from pomdptool.solving.solve import solve

EPISODES = 2000
"""Episodes of a simulated return."""


@dataclass(frozen=True, slots=True)
class Return:
    """What a policy earns at the start belief; the standard error is 0 where it is exact."""

    value: float
    standard_error: float = 0.0


@dataclass(frozen=True, slots=True)
class Transfer:
    """What the policies of two models earn, in rewards.

    Attributes
    ----------
    true_optimum, learned_optimum
        Certified bounds of each model's own optimum.
    learned_in_true, true_in_learned
        What the policy of the one earns in the other.
    """

    true_optimum: Bounds
    learned_optimum: Bounds
    learned_in_true: Return
    true_in_learned: Return


def transfer(
    true: Model,
    learned: Model,
    *,
    rng: np.random.Generator,
    precision: float = 1e-3,
    time_limit: float | None = None,
) -> Transfer:
    """Solve two models, and let each one's policy act in the other.

    `precision` and `time_limit` are those of `solve`, for each model.

    Raises
    ------
    PolicyError
        Where actions or observations differ.
    PomdpError
        Where `solve` raises it.
    """
    policies = [
        solve(model, precision=precision, time_limit=time_limit).policy for model in (true, learned)
    ]
    return Transfer(
        policies[0].bounds,
        policies[1].bounds,
        policy_return(true, transfer_graph(policies[1], true), rng=rng),
        policy_return(learned, transfer_graph(policies[0], learned), rng=rng),
    )


def policy_return(model: Model, graph: PolicyGraph, *, rng: np.random.Generator) -> Return:
    """What a controller earns: exactly, where that takes no more than a second."""
    if is_cheap(model, graph):
        return Return(graph.worth(evaluate(model, graph), model.start))
    agent = until(GraphAgent(model, graph), graph.horizon)
    found = simulate(model, agent, episodes=EPISODES, rng=rng)
    return Return(found.mean, found.standard_error)


def carried(policy: SolvedPolicy | PolicyGraph, model: Model) -> SolvedPolicy:
    """Make a policy graph a policy for a model, with its values there.

    Parameters
    ----------
    policy
        A policy of another model, whose graph is taken by the names of actions and observations;
        or a graph, such as `load_graph` reads, in which they are numbered as in the model.

    Raises
    ------
    PolicyError
        Where actions or observations differ, or the policy has no graph.
    """
    if isinstance(policy, PolicyGraph):
        return policy_from_graph(policy, model)
    return policy_from_graph(transfer_graph(policy, model), model)


def policy_from_graph(graph: PolicyGraph, model: Model) -> SolvedPolicy:
    """Make a controller a policy: its vectors are the values of its nodes.

    Without cycles it ends, as a policy with a horizon does: then its vectors are those of the nodes
    to begin in, for all others have fewer steps to go.
    """
    if model.mdp and graph.n_nodes >= model.n_states:
        graph = replace(graph, n_initial=model.n_states)
    horizon, values = graph.horizon, evaluate(model, graph)
    nodes = np.arange(graph.n_nodes) if horizon is None else graph.roots
    return SolvedPolicy(
        problem=problem_of(model),
        method="graph",
        values=AlphaVectors(graph.actions[nodes], values[nodes]),
        bounds=Bounds(-np.inf, np.inf),
        converged=False,
        stop_reason="unknown",
        horizon=horizon,
        graph=graph,
    )


def transfer_graph(policy: SolvedPolicy, model: Model) -> PolicyGraph:
    """Put a policy's controller in terms of another model's actions and observations.

    Raises
    ------
    PolicyError
        Where these differ, or the policy has no controller.
    """
    graph, problem = policy.graph, policy.problem
    if graph is None and isinstance(policy.values, LinkedVectors):
        graph = policy.values.graph()
    if graph is None:
        raise PolicyError(
            "the policy was made for another model, and has no graph to be carried over"
        )
    for what in ("actions", "observations"):
        odd = set(getattr(problem, what)) ^ set(getattr(model, what))
        if odd:
            raise PolicyError(
                f"the policy is for other {what}: only one of them has {sorted(odd)[0]!r}"
            )
    actions = np.array([model.actions.index(name) for name in problem.actions])
    order = [problem.observations.index(name) for name in model.observations]
    ahead = graph.next[:, order]
    if policy.horizon is None:
        ahead = np.where(ahead == NOWHERE, graph.start, ahead)
    return replace(graph, actions=actions[graph.actions], next=ahead, values=None)
