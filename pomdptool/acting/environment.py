"""A model as an environment with a hidden state."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pomdptool.acting.agents import Agent, has_ended, initial_belief
from pomdptool.acting.compile_model import compile_model, cumulative_start
from pomdptool.belief import update_belief
from pomdptool.kernels.simulation.simulator import Simulator, step
from pomdptool.model import Model
from pomdptool.sparse import FloatArray


@dataclass(frozen=True, slots=True)
class Transition:
    """One step of an episode, in indices; rewards are to be maximised.

    `belief`, shape (S,), is the exact belief before the action, if requested.
    """

    time: int
    state: int
    action: int
    next_state: int
    observation: int
    reward: float
    belief: FloatArray | None = None


class Environment:
    """A model and its current state; without `stop`, episodes continue in terminal states."""

    def __init__(
        self, model: Model, simulator: Simulator | None = None, *, stop: bool = True
    ) -> None:
        self.model = model
        self.simulator = compile_model(model) if simulator is None else simulator
        self.start = cumulative_start(model.start)
        self.terminal = frozenset(model.terminal_states.tolist() if stop else ())
        self.state = 0

    def reset(self, rng: np.random.Generator) -> None:
        """Sample the initial state."""
        self.state = int(np.searchsorted(self.start, rng.random(), side="right"))

    @property
    def ended(self) -> bool:
        """Whether the state is terminal."""
        return self.state in self.terminal

    def step(self, action: int, rng: np.random.Generator) -> tuple[int, float]:
        """Sample the next state; returns the observation and the reward."""
        self.state, observation, reward = step(self.simulator, self.state, action, rng.random())
        return int(observation), float(reward)


def episode(
    environment: Environment,
    agent: Agent,
    steps: int,
    rng: np.random.Generator,
    *,
    beliefs: bool = False,
) -> Iterator[Transition]:
    """Run an agent for at most `steps` steps, until a terminal state or its horizon is reached.

    Each transition is yielded before the agent observes it.
    """
    environment.reset(rng)
    model = environment.model
    observed = environment.state if model.mdp else None
    if observed is None:
        agent.reset()
    else:
        agent.reset(observed)
    belief = initial_belief(model, observed) if beliefs else None
    for time in range(steps):
        if environment.ended or has_ended(agent):
            return
        state, action = environment.state, agent.act()
        observation, reward = environment.step(action, rng)
        yield Transition(time, state, action, environment.state, observation, reward, belief)
        if belief is not None:
            belief, _ = update_belief(model, belief, action, observation)
        if not environment.ended:
            agent.observe(action, observation)
