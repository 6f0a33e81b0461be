"""A model as an environment: it has a state that nobody sees, and answers actions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pomdptool.acting.agents import Acting
from pomdptool.acting.simulator import simulator_of, start_sums
from pomdptool.kernels.simulator import Simulator, step
from pomdptool.model import Model


@dataclass(frozen=True, slots=True)
class Step:
    """One step of an episode, all in indices; the reward as the solver counts it."""

    time: int
    state: int
    action: int
    arrived: int
    observation: int
    reward: float


class Environment:
    """A model and its present state."""

    def __init__(self, model: Model, simulator: Simulator | None = None) -> None:
        self.model = model
        self.simulator = simulator_of(model) if simulator is None else simulator
        self.start = start_sums(model.start)
        self.terminal = frozenset(model.terminal_states.tolist())
        self.state = 0

    def reset(self, rng: np.random.Generator) -> None:
        """Draw a start state."""
        self.state = int(np.searchsorted(self.start, rng.random(), side="right"))

    @property
    def ended(self) -> bool:
        """Whether the state is terminal."""
        return self.state in self.terminal

    def step(self, action: int, rng: np.random.Generator) -> tuple[int, float]:
        """Do an action: the observation and the reward."""
        self.state, observation, reward = step(self.simulator, self.state, action, rng.random())
        return int(observation), float(reward)


def episode(
    environment: Environment, acting: Acting, steps: int, rng: np.random.Generator
) -> Iterator[Step]:
    """Let something act until a terminal state, or for so many steps."""
    environment.reset(rng)
    acting.reset()
    for time in range(steps):
        if environment.ended:
            return
        state, action = environment.state, acting.act()
        observation, reward = environment.step(action, rng)
        yield Step(time, state, action, environment.state, observation, reward)
        if not environment.ended:
            acting.observe(action, observation)
