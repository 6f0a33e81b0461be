"""Agents: they choose actions and update their internal state after each observation.

A saved policy acts as its finite-state controller if it has one, else by its alpha vectors at the
exact belief. Online planners (`pomcp`) are agents too. A policy with horizon H ends after H steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

import numpy as np

from pomdptool.arguments import as_model, as_policy
from pomdptool.belief import update_belief
from pomdptool.belief_input import belief_over
from pomdptool.errors import PolicyError
from pomdptool.graph import NOWHERE, PolicyGraph
from pomdptool.kernels.simulation import episodes as kernel
from pomdptool.kernels.simulation.episodes import CompiledAgent
from pomdptool.linked import LinkedVectors
from pomdptool.model import Model
from pomdptool.policy import AlphaVectors, SolvedPolicy, check_fits
from pomdptool.solving.solution import Solution
from pomdptool.sparse import FloatArray

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

BY_GRAPH = frozenset({"graph", "blind", "perseus"})
"""Methods whose policies act by graph, not by vectors: only the graph earns the lower bound."""


class Agent(Protocol):
    """Interface of policies and planners in a simulation."""

    def reset(self, state: int | None = None) -> None:
        """Start an episode; in an MDP, in the observed state."""

    def act(self) -> int:
        """Index of the next action."""

    def observe(self, action: int, observation: int) -> None:
        """Update after an action and its observation.

        Raises PolicyError if the observation is impossible.
        """


class EpisodeInterruptedError(Exception):
    """An episode was interrupted; it is discarded."""


Interrupted = Callable[[], bool]
"""Whether the run was interrupted."""


def impossible_observation(model: Model, action: int, observation: int) -> PolicyError:
    """Make the error for an observation of probability 0."""
    return PolicyError(
        f"observation {model.observations[observation]!r} is impossible after action "
        f"{model.actions[action]!r} at this belief"
    )


def initial_belief(model: Model, state: int | None) -> FloatArray:
    """The initial belief, concentrated on the state if it is observed."""
    return model.start if state is None else np.eye(1, model.n_states, state)[0]


class GraphAgent:
    """A finite-state controller; it keeps a node, not a belief."""

    def __init__(self, model: Model, graph: PolicyGraph) -> None:
        self.model = model
        self.graph = graph
        self.node = graph.start

    def reset(self, state: int | None = None) -> None:
        """Go to the initial node."""
        self.node = self.graph.start if state is None or not self.graph.n_initial else state

    def act(self) -> int:
        """Return the node's action."""
        return int(self.graph.actions[self.node])

    def observe(self, action: int, observation: int) -> None:
        """Go to the successor for the observation."""
        after = int(self.graph.next[self.node, observation])
        if after == NOWHERE:
            raise PolicyError(
                f"the policy graph has no successor for observation "
                f"{self.model.observations[observation]!r} after action "
                f"{self.model.actions[action]!r}"
            )
        self.node = after


class BeliefAgent:
    """A policy over beliefs, with exact belief updates.

    With `by_stage` it acts by the value function for the steps that remain.
    """

    def __init__(
        self,
        model: Model,
        policy: SolvedPolicy,
        start: FloatArray | None = None,
        *,
        by_stage: bool = False,
    ) -> None:
        self.model = model
        self.policy = policy
        self.start = model.start if start is None else start
        self.belief = self.start
        self.stages = policy.stages if by_stage else ()
        self.time = 0

    def reset(self, state: int | None = None) -> None:
        """Return to the initial belief."""
        self.belief = self.start if state is None else initial_belief(self.model, state)
        self.time = 0

    def act(self) -> int:
        """Return the policy's action at the belief."""
        values = self.stages[-1 - self.time] if self.stages else self.policy.values
        return values.action(self.belief)

    def observe(self, action: int, observation: int) -> None:
        """Update the belief."""
        after, probability = update_belief(self.model, self.belief, action, observation)
        if probability == 0.0:
            raise impossible_observation(self.model, action, observation)
        self.belief = after
        self.time += 1


class RandomAgent:
    """Uniformly random actions."""

    def __init__(self, model: Model) -> None:
        self.n_actions = model.n_actions
        self.reseed(np.random.default_rng(0))

    def reseed(self, rng: np.random.Generator) -> None:
        """Use another random number generator."""
        self.rng = rng

    def reset(self, state: int | None = None) -> None:
        """Start an episode."""

    def act(self) -> int:
        """Return a random action."""
        return int(self.rng.integers(self.n_actions))

    def observe(self, action: int, observation: int) -> None:
        """Ignore the observation."""


class FiniteAgent:
    """A policy with a finite horizon."""

    def __init__(self, policy: GraphAgent | BeliefAgent, horizon: int) -> None:
        self.policy = policy
        self.horizon = horizon
        self.time = 0

    @property
    def ended(self) -> bool:
        """Whether the horizon is reached."""
        return self.time >= self.horizon

    def reset(self, state: int | None = None) -> None:
        """Start an episode."""
        self.time = 0
        self.policy.reset(state)

    def act(self) -> int:
        """Return the policy's action.

        Raises
        ------
        PolicyError
            If the policy has ended.
        """
        if self.ended:
            raise PolicyError(self.end)
        return self.policy.act()

    def observe(self, action: int, observation: int) -> None:
        """Update after an observation; the last one is ignored."""
        self.time += 1
        if not self.ended:
            self.policy.observe(action, observation)

    @property
    def end(self) -> str:
        """Message for a policy that has ended."""
        return f"the policy of {self.horizon} step{'s' * (self.horizon != 1)} has ended"


def with_horizon(policy: GraphAgent | BeliefAgent, horizon: int | None) -> Agent:
    """Limit an agent to its horizon, if any."""
    return policy if horizon is None else FiniteAgent(policy, horizon)


def horizon_of(policy: object) -> int | None:
    """Horizon of a policy or agent; None if infinite."""
    return policy.horizon if isinstance(policy, SolvedPolicy | FiniteAgent) else None


def has_ended(policy: Agent) -> bool:
    """Whether the horizon of an agent is reached."""
    return isinstance(policy, FiniteAgent) and policy.ended


def agent_for(
    model: Model,
    policy: SolvedPolicy | Solution,
    belief: ArrayLike | Mapping[str, float] | None = None,
) -> Agent:
    """Make an agent that follows a policy, by default from the initial belief.

    From another `belief` (an array, or {state: probability}) it acts by the alpha vectors, because
    the policy graph starts at the initial belief.

    Raises
    ------
    PolicyError
        If the policy was made for another model; from another belief also if it has a horizon but
        no value functions for the steps that remain.
    """
    model, policy = as_model(model), as_policy(policy)
    graph = controller_of(model, policy)
    start = model.start if belief is None else belief_over(belief, model.states)
    if np.array_equal(start, model.start):
        agent = BeliefAgent(model, policy) if graph is None else GraphAgent(model, graph)
        return with_horizon(agent, policy.horizon)
    by_stage = policy.horizon is not None and policy.horizon > 1
    if by_stage and len(policy.stages) != policy.horizon:
        raise PolicyError(
            "to start a policy with a horizon at another belief, the values for the steps that "
            "remain are needed: solve with --all-horizons"
        )
    agent = BeliefAgent(model, policy, start, by_stage=by_stage)
    return with_horizon(agent, policy.horizon)


def controller_of(model: Model, policy: SolvedPolicy) -> PolicyGraph | None:
    """The controller that a policy follows; None if it acts on beliefs."""
    check_fits(policy.problem, model)
    if isinstance(policy.values, LinkedVectors):
        return policy.values.graph()
    if isinstance(policy.values, AlphaVectors) and policy.method not in BY_GRAPH:
        return None if policy.horizon is None or policy.method != "exact" else policy.graph
    return policy.graph


def compiled_agent(model: Model, policy: SolvedPolicy) -> CompiledAgent | None:
    """Arrays of a policy for kernels; None if it can only act in Python."""
    graph = controller_of(model, policy)
    if graph is not None:
        return controller_agent(graph)
    if isinstance(policy.values, AlphaVectors):
        return vectors_agent(policy.values, model)
    return None


def controller_agent(graph: PolicyGraph) -> CompiledAgent:
    """Arrays of a controller for kernels."""
    start = kernel.OBSERVED if graph.n_initial else graph.start
    header = [kernel.CONTROLLER, graph.n_nodes, start]
    return CompiledAgent(
        np.concatenate([header, graph.actions, graph.next.ravel()], dtype=np.int64), np.zeros(1)
    )


def vectors_agent(vectors: AlphaVectors, model: Model) -> CompiledAgent:
    """Arrays of alpha vectors for kernels, which act at the exact belief."""
    header = [kernel.VECTORS, len(vectors.actions), kernel.OBSERVED if model.mdp else 0]
    return CompiledAgent(
        np.concatenate([header, vectors.actions], dtype=np.int64),
        np.concatenate([model.start, vectors.values.ravel()]),
    )


def random_agent() -> CompiledAgent:
    """Uniformly random actions, for kernels."""
    return CompiledAgent(np.array([kernel.RANDOM, 0, 0]), np.zeros(1))


def script_agent(actions: list[int]) -> CompiledAgent:
    """A fixed sequence of actions, for kernels; the episode ends with it."""
    return CompiledAgent(np.array([kernel.SCRIPT, len(actions), 0, *actions]), np.zeros(1))
