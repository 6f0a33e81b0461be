"""A model as an environment: it has a state that nobody sees, and answers actions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pomdptool.acting.agents import Agent, has_ended, initial_belief
from pomdptool.acting.compile_model import simulator_of, start_sums
from pomdptool.belief import update
from pomdptool.kernels.simulation.simulator import Simulator, step
from pomdptool.model import Model
from pomdptool.sparse import FloatArray


@dataclass(frozen=True, slots=True)
class Step:
    """One step of an episode, all in indices; the reward as the solver counts it.

    `belief`, shape (S,), is the exact one in which the action was chosen, where it was asked for.
    """

    time: int
    state: int
    action: int
    arrived: int
    observation: int
    reward: float
    belief: FloatArray | None = None


class Environment:
    """A model and its present state; unless it stops in terminal states, there are none."""

    def __init__(
        self, model: Model, simulator: Simulator | None = None, *, stop: bool = True
    ) -> None:
        self.model = model
        self.simulator = simulator_of(model) if simulator is None else simulator
        self.start = start_sums(model.start)
        self.terminal = frozenset(model.terminal_states.tolist() if stop else ())
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
    environment: Environment,
    acting: Agent,
    steps: int,
    rng: np.random.Generator,
    *,
    beliefs: bool = False,
) -> Iterator[Step]:
    """Let something act until a terminal state, or for so many steps, or until it has ended.

    A step is yielded before its observation is taken in.
    """
    environment.reset(rng)
    model = environment.model
    observed = environment.state if model.mdp else None
    if observed is None:
        acting.reset()
    else:
        acting.reset(observed)
    belief = initial_belief(model, observed) if beliefs else None
    for time in range(steps):
        if environment.ended or has_ended(acting):
            return
        state, action = environment.state, acting.act()
        observation, reward = environment.step(action, rng)
        yield Step(time, state, action, environment.state, observation, reward, belief)
        if belief is not None:
            belief, _ = update(model, belief, action, observation)
        if not environment.ended:
            acting.observe(action, observation)
