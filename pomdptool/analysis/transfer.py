"""Transfer: expected return of a policy in a model other than its own.

A finite-state controller needs no belief, so that it can act in any model with the same actions and
observations, which are matched by name. Its expected return there is the value of a Markov chain
(see `solving.graph_evaluation`), or, if that is too large, the mean return of simulated episodes.
After an observation that is impossible in its own model the controller restarts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from pomdptool.acting.agents import Interrupted
from pomdptool.acting.simulate import simulate
from pomdptool.analysis.parts import STOPPED, OnPart, report_nothing
from pomdptool.arguments import as_model
from pomdptool.errors import PolicyError, PomdpError
from pomdptool.graph import NOWHERE, PolicyGraph
from pomdptool.limits import LimitReached, Limits
from pomdptool.linked import LinkedVectors
from pomdptool.model import Model
from pomdptool.policy import AlphaVectors, Bounds, Row, SolvedPolicy, ValueFunction, problem_of
from pomdptool.randomness import generator
from pomdptool.readable import Readable
from pomdptool.solving.graph_evaluation import CHEAP, evaluate, initial_value, is_cheap
from pomdptool.solving.solve import solve
from pomdptool.sparse import FloatArray

EPISODES = 2000
"""Number of episodes that estimate a return."""

SOLVING = 0.45, 0.8
"""Parts of the remaining time in which the first and the second model are solved."""


@dataclass(frozen=True, slots=True)
class Return:
    """Expected return from the initial belief.

    The standard error is 0 if it is exact. `reason` says why it is not exact or, if both are NaN,
    why it was not computed.
    """

    value: float
    standard_error: float = 0.0
    reason: str | None = None


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Transfer(Readable):
    """Expected returns of the policies of two models in each other.

    Attributes
    ----------
    true_optimum, learned_optimum
        Certified bounds on the optimal value of each model.
    learned_in_true, true_in_learned
        Expected return of the policy of one model in the other.
    reasons
        Why a part is not complete, by the names of the attributes.
    """

    true_optimum: Bounds
    learned_optimum: Bounds
    learned_in_true: Return
    true_in_learned: Return
    reasons: dict[str, str] = field(default_factory=dict)


def transfer(
    true: Model,
    learned: Model,
    *,
    rng: np.random.Generator | int,
    precision: float = 1e-3,
    time_limit: float | None = None,
    on_part: OnPart | None = None,
    interrupted: Interrupted | None = None,
) -> Transfer:
    """Solve two models, and evaluate the policy of each in the other.

    Parameters
    ----------
    precision
        Precision to which each model is solved.
    time_limit
        Limit in seconds of all parts together; parts that were cut are named in `reasons`.
    on_part
        Called with the part at work; how much of it is done is unknown.
    interrupted
        Polled regularly; what is done by then is returned.

    Raises
    ------
    PolicyError
        If actions or observations differ.
    PomdpError
        As `solve`.
    """
    rng, true, learned = generator(rng), as_model(true), as_model(learned)
    limits, report = Limits(time_limit, interrupted), on_part or report_nothing
    policies: list[SolvedPolicy] = []
    results: list[Return] = []
    reasons = {}
    for k, (name, model) in enumerate((("true", true), ("learned", learned))):
        report(f"solving the {name} model", 0, 0)
        left = limits.clock.remaining(time_limit)
        share = None if left is None else left * SOLVING[k]
        policy = solve(model, precision=precision, time_limit=share, interrupted=interrupted).policy
        policies.append(policy)
        if policy.stop_reason in STOPPED:
            reasons[f"{name}_optimum"] = f"{STOPPED[policy.stop_reason]} before the precision"
    for name, model, policy in (
        ("learned_in_true", true, policies[1]), ("true_in_learned", learned, policies[0]),
    ):  # fmt: skip
        report(name.replace("_", " "), 0, 0)
        results.append(policy_return(model, transfer_graph(policy, model), rng=rng, limits=limits))
        if results[-1].reason is not None:
            reasons[name] = results[-1].reason
    return Transfer(policies[0].bounds, policies[1].bounds, results[0], results[1], reasons)


def policy_return(
    model: Model, graph: PolicyGraph, *, rng: np.random.Generator, limits: Limits | None = None
) -> Return:
    """Expected return of a controller: exact, if that takes about a second, or simulated."""
    limits = limits or Limits()
    try:
        value = initial_value(model, graph, check=limits.check)
        reason = too_large(graph)
    except LimitReached as stopped:
        return Return(math.nan, math.nan, STOPPED[stopped.reason])
    except PomdpError as error:  # slow convergence
        value, reason = None, str(error)
    if value is not None:
        return Return(value)
    policy = _graph_policy(graph, model, GraphValues(model, graph))
    try:
        result = simulate(
            model, policy, episodes=EPISODES, rng=rng,
            interrupted=lambda: limits.reason is not None,
        )  # fmt: skip
    except KeyboardInterrupt:
        if limits.reason is None:
            raise
        return Return(math.nan, math.nan, STOPPED[limits.reason])
    return Return(result.mean, result.standard_error, f"simulated: {reason}")


def carried(policy: SolvedPolicy | PolicyGraph, model: Model) -> SolvedPolicy:
    """Transfer a policy to a model; its values are those in this model.

    Parameters
    ----------
    policy
        A policy for another model, whose graph is transferred by the names of actions and
        observations; or a graph, as from `load_graph`, with their indices in this model.

    Raises
    ------
    PolicyError
        If actions or observations differ, or the policy has no graph.
    """
    if isinstance(policy, PolicyGraph):
        return policy_from_graph(policy, model)
    return policy_from_graph(transfer_graph(policy, model), model)


class GraphValues:
    """Values of a policy graph in a model, which are computed when they are first needed.

    A graph without cycles has a finite horizon: only its initial nodes have vectors, since all
    others have fewer steps to go.
    """

    def __init__(self, model: Model, graph: PolicyGraph) -> None:
        self.model, self.graph = model, graph

    @cached_property
    def vectors(self) -> AlphaVectors:
        """The values of the nodes as alpha vectors."""
        graph = self.graph
        nodes = np.arange(graph.n_nodes) if graph.horizon is None else graph.roots
        return AlphaVectors(graph.actions[nodes], evaluate(self.model, graph)[nodes])

    def value(self, b: FloatArray) -> float:
        """Value at belief `b`, shape (S,)."""
        return self.vectors.value(b)

    def action(self, b: FloatArray) -> int:
        """Index of the action at belief `b`, shape (S,)."""
        return self.vectors.action(b)

    def rows(self) -> Iterator[Row]:
        """All vectors."""
        return self.vectors.rows()


def too_large(graph: PolicyGraph) -> str:
    """Why the exact value of a graph is not computed, and what to do instead."""
    return (
        f"the linear system of a graph of {graph.n_nodes:,} nodes has more than {CHEAP:,} "
        "coefficients"
    )


def policy_from_graph(graph: PolicyGraph, model: Model) -> SolvedPolicy:
    """Make a policy of a graph, with the values of its nodes as alpha vectors.

    If the graph is large, the values are computed when they are first needed.
    """
    if model.mdp and graph.n_nodes >= model.n_states:
        graph = replace(graph, n_initial=model.n_states)
    values = GraphValues(model, graph)
    return _graph_policy(graph, model, values.vectors if is_cheap(model, graph) else values)


def _graph_policy(graph: PolicyGraph, model: Model, values: ValueFunction) -> SolvedPolicy:
    return SolvedPolicy(
        problem=problem_of(model),
        method="graph",
        values=values,
        bounds=Bounds(-np.inf, np.inf),
        converged=False,
        stop_reason="unknown",
        horizon=graph.horizon,
        graph=graph,
    )


def transfer_graph(policy: SolvedPolicy, model: Model) -> PolicyGraph:
    """Relabel the graph of a policy with the actions and observations of another model.

    Raises PolicyError if these differ, or the policy has no graph.
    """
    graph, problem = policy.graph, policy.problem
    if graph is None and isinstance(policy.values, LinkedVectors):
        graph = policy.values.graph()
    if graph is None:
        raise PolicyError(
            "the policy was made for another model, and has no policy graph to transfer"
        )
    for kind in ("actions", "observations"):
        ours, theirs = set(getattr(problem, kind)), set(getattr(model, kind))
        if ours != theirs:
            odd = min(ours ^ theirs)
            where = "policy" if odd in ours else "model"
            raise PolicyError(f"the {kind} differ: {odd!r} is only in the {where}")
    actions = np.array([model.actions.index(name) for name in problem.actions])
    order = [problem.observations.index(name) for name in model.observations]
    successors = graph.next[:, order]
    if policy.horizon is None:
        successors = np.where(successors == NOWHERE, graph.start, successors)
    return replace(graph, actions=actions[graph.actions], next=successors, values=None)
