"""What acts: something that can be reset, asked for an action, and told what was observed.

A saved policy acts as the controller that its vectors are linked to, where they are; else by its
vectors at the exact belief. Planners (see `planner`) act alike. A policy with a horizon H can be
followed for H steps, then it has ended; `horizon_of` is what everything that plays episodes asks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from pomdptool.belief import update
from pomdptool.errors import PolicyError
from pomdptool.graph import NOWHERE, PolicyGraph
from pomdptool.kernels.simulation import episodes as kernel
from pomdptool.kernels.simulation.episodes import CompiledAgent
from pomdptool.linked import LinkedVectors
from pomdptool.model import Model
from pomdptool.policy import AlphaVectors, SolvedPolicy, check_fits
from pomdptool.sparse import FloatArray

BY_GRAPH = frozenset({"graph", "blind", "perseus"})
"""Methods whose policies act by their graph, which earns the lower bound, not by their vectors."""


class Agent(Protocol):
    """What `simulate` and a loop of one's own need of a policy."""

    def reset(self, state: int | None = None) -> None:
        """Begin an episode; in an MDP in this state, which is observed."""

    def act(self) -> int:
        """Index of the action to do now."""

    def observe(self, action: int, observation: int) -> None:
        """Take in what was observed after an action.

        Raises
        ------
        PolicyError
            Where that is impossible.
        """


class EpisodeInterruptedError(Exception):
    """An interrupt ended an episode in its midst: it counts for nothing."""


Interrupted = Callable[[], bool]
"""Says whether an interrupt has come."""


def impossible(model: Model, action: int, observation: int) -> PolicyError:
    """Say that an observation cannot follow."""
    return PolicyError(
        f"observation {model.observations[observation]!r} is impossible after action "
        f"{model.actions[action]!r} at this belief"
    )


def initial_belief(model: Model, state: int | None) -> FloatArray:
    """The initial belief, or certainty where the state is observed."""
    return model.start if state is None else np.eye(1, model.n_states, state)[0]


class GraphAgent:
    """A controller: it keeps a node, and needs no belief."""

    def __init__(self, model: Model, graph: PolicyGraph) -> None:
        self.model = model
        self.graph = graph
        self.node = graph.start

    def reset(self, state: int | None = None) -> None:
        """Go to the node to begin in."""
        known = state is not None and self.graph.n_initial > 0
        self.node = state if known and state is not None else self.graph.start

    def act(self) -> int:
        """Return the node's action."""
        return int(self.graph.actions[self.node])

    def observe(self, action: int, observation: int) -> None:
        """Go on to the node after an observation."""
        after = int(self.graph.next[self.node, observation])
        if after == NOWHERE:
            raise PolicyError(
                f"the policy graph has no successor for observation "
                f"{self.model.observations[observation]!r} after action "
                f"{self.model.actions[action]!r}"
            )
        self.node = after


class BeliefAgent:
    """A policy that names an action for a belief, which the exact filter keeps."""

    def __init__(self, model: Model, policy: SolvedPolicy) -> None:
        self.model = model
        self.policy = policy
        self.belief = model.start

    def reset(self, state: int | None = None) -> None:
        """Go to the start belief, or to a state that is observed."""
        self.belief = initial_belief(self.model, state)

    def act(self) -> int:
        """Return the policy's action at the belief."""
        return self.policy.act(self.belief)

    def observe(self, action: int, observation: int) -> None:
        """Filter the belief."""
        after, probability = update(self.model, self.belief, action, observation)
        if probability == 0.0:
            raise impossible(self.model, action, observation)
        self.belief = after


class RandomAgent:
    """Actions uniform at random."""

    def __init__(self, model: Model) -> None:
        self.n_actions = model.n_actions
        self.reseed(np.random.default_rng(0))

    def reseed(self, rng: np.random.Generator) -> None:
        """Draw from other random numbers."""
        self.rng = rng

    def reset(self, state: int | None = None) -> None:
        """Begin an episode."""

    def act(self) -> int:
        """Return any action."""
        return int(self.rng.integers(self.n_actions))

    def observe(self, action: int, observation: int) -> None:
        """Take in nothing."""


class FiniteAgent:
    """A policy with a horizon: it has ended after that many steps."""

    def __init__(self, policy: GraphAgent | BeliefAgent, horizon: int) -> None:
        self.policy = policy
        self.horizon = horizon
        self.time = 0

    @property
    def ended(self) -> bool:
        """Whether all steps are done."""
        return self.time >= self.horizon

    def reset(self, state: int | None = None) -> None:
        """Begin an episode."""
        self.time = 0
        self.policy.reset(state)

    def act(self) -> int:
        """Return the policy's action.

        Raises
        ------
        PolicyError
            Where the policy has ended.
        """
        if self.ended:
            raise PolicyError(self.end)
        return self.policy.act()

    def observe(self, action: int, observation: int) -> None:
        """Take in what was observed; nothing follows the last observation."""
        self.time += 1
        if not self.ended:
            self.policy.observe(action, observation)

    @property
    def end(self) -> str:
        """Says that the policy has ended."""
        return f"the policy of {self.horizon} step{'s' * (self.horizon != 1)} has ended"


def until(policy: GraphAgent | BeliefAgent, horizon: int | None) -> Agent:
    """Let a policy end with its horizon, where it has one."""
    return policy if horizon is None else FiniteAgent(policy, horizon)


def horizon_of(policy: object) -> int | None:
    """For how many steps what acts can be followed; None: without end."""
    return policy.horizon if isinstance(policy, SolvedPolicy | FiniteAgent) else None


def has_ended(policy: Agent) -> bool:
    """Whether a policy with a horizon has done its last step."""
    return isinstance(policy, FiniteAgent) and policy.ended


def agent_for(model: Model, policy: SolvedPolicy) -> Agent:
    """Let a saved policy act in the model that it was made for.

    Raises
    ------
    PolicyError
        Where it was made for another model.
    """
    graph = controller_of(model, policy)
    agent = BeliefAgent(model, policy) if graph is None else GraphAgent(model, graph)
    return until(agent, policy.horizon)


def controller_of(model: Model, policy: SolvedPolicy) -> PolicyGraph | None:
    """The controller that a policy acts as; None where it acts by its belief."""
    check_fits(policy.problem, model)
    if isinstance(policy.values, LinkedVectors):
        return policy.values.graph()
    if isinstance(policy.values, AlphaVectors) and policy.method not in BY_GRAPH:
        return None if policy.horizon is None or policy.method != "exact" else policy.graph
    return policy.graph


def compiled(model: Model, policy: SolvedPolicy) -> CompiledAgent | None:
    """A saved policy for kernels; None where it must be asked in Python."""
    graph = controller_of(model, policy)
    if graph is not None:
        return controller_agent(graph)
    if isinstance(policy.values, AlphaVectors):
        return vectors_agent(policy.values, model)
    return None


def controller_agent(graph: PolicyGraph) -> CompiledAgent:
    """A controller for kernels."""
    start = kernel.OBSERVED if graph.n_initial else graph.start
    header = [kernel.CONTROLLER, graph.n_nodes, start]
    return CompiledAgent(
        np.concatenate([header, graph.actions, graph.next.ravel()], dtype=np.int64), np.zeros(1)
    )


def vectors_agent(vectors: AlphaVectors, model: Model) -> CompiledAgent:
    """Vectors at the exact belief, for kernels."""
    header = [kernel.VECTORS, len(vectors.actions), kernel.OBSERVED if model.mdp else 0]
    return CompiledAgent(
        np.concatenate([header, vectors.actions], dtype=np.int64),
        np.concatenate([model.start, vectors.values.ravel()]),
    )


def random_agent() -> CompiledAgent:
    """Actions uniform at random, for kernels."""
    return CompiledAgent(np.array([kernel.RANDOM, 0, 0]), np.zeros(1))


def script_agent(actions: list[int]) -> CompiledAgent:
    """A list of actions, for kernels; the episode ends with it."""
    return CompiledAgent(np.array([kernel.SCRIPT, len(actions), 0, *actions]), np.zeros(1))
