"""Who plays episodes: a kernel, or in Python an agent that is asked for every action."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pomdptool.acting.agents import (
    Agent,
    EpisodeInterruptedError,
    Interrupted,
    RandomAgent,
    agent_for,
    compiled,
    random_agent,
)
from pomdptool.acting.compile_model import simulator_of, start_sums
from pomdptool.acting.environment import Environment, Step, episode
from pomdptool.acting.pomcp import Decision, Pomcp
from pomdptool.kernels.jit import request_compilation
from pomdptool.kernels.simulation.episodes import TERMINATED, CompiledAgent, Log, play_many
from pomdptool.kernels.simulation.simulator import Simulator
from pomdptool.model import Model
from pomdptool.policy import SolvedPolicy
from pomdptool.sparse import FloatArray, IntArray, ragged


@dataclass(frozen=True, slots=True)
class Seen:
    """A step, and what is known of the decision behind it."""

    episode: int
    step: Step
    decision: Decision | None

    @property
    def belief(self) -> FloatArray | None:
        """The exact belief in which the action was chosen, shape (S,)."""
        return self.step.belief


OnSeen = Callable[[Seen], None]


class Played(NamedTuple):
    """Steps of episodes end to end, the episodes' lengths, and which ended in a terminal state."""

    log: Log
    lengths: IntArray
    terminated: NDArray[np.bool_]


class CompiledRunner:
    """Plays episodes in a kernel."""

    def __init__(
        self, model: Model, agent: CompiledAgent, steps: int, simulator: Simulator | None = None
    ) -> None:
        self.agent = agent
        self.steps = steps
        self.simulator = simulator_of(model) if simulator is None else simulator
        self.start = start_sums(model.start)
        self.beliefs = np.zeros((2, model.n_states))
        self.support = np.zeros(model.n_states, np.int64)

    def play(self, first: int, count: int, rng: np.random.Generator) -> Played:  # noqa: ARG002
        """Play some episodes."""
        size = count * self.steps
        s, a, o, arrived = (np.empty(size, np.int64) for _ in range(4))
        log = Log(s, a, o, arrived, np.empty(size))
        lengths, ends = np.zeros(count, np.int64), np.zeros(count, np.int64)
        n = play_many(
            self.simulator,
            self.agent,
            self.start,
            rng,
            log,
            lengths,
            ends,
            self.steps,
            self.beliefs,
            self.support,
        )
        return Played(Log(*(array[:n] for array in log)), lengths, ends == TERMINATED)


class AgentRunner:
    """Plays episodes by asking an agent for every action."""

    def __init__(
        self,
        environment: Environment,
        agent: Agent,
        steps: int,
        on_seen: OnSeen | None = None,
        interrupted: Interrupted | None = None,
    ) -> None:
        self.environment = environment
        self.agent = agent
        self.steps = steps
        self.on_seen = on_seen
        self.interrupted = interrupted

    def play(self, first: int, count: int, rng: np.random.Generator) -> Played:
        """Play some episodes, the number of the first of which is given to `on_seen`.

        Raises
        ------
        EpisodeInterruptedError
            Where an interrupt comes before the end of one.
        """
        rows: list[Step] = []
        lengths, terminated = np.zeros(count, np.int64), np.zeros(count, dtype=bool)
        for k in range(count):
            before = len(rows)
            rows.extend(self._steps(first + k, rng))
            lengths[k] = len(rows) - before
            terminated[k] = self.environment.ended
        log = Log(
            np.array([row.state for row in rows], dtype=np.int64),
            np.array([row.action for row in rows], dtype=np.int64),
            np.array([row.observation for row in rows], dtype=np.int64),
            np.array([row.arrived for row in rows], dtype=np.int64),
            np.array([row.reward for row in rows], dtype=np.float64),
        )
        return Played(log, lengths, terminated)

    def _steps(self, number: int, rng: np.random.Generator) -> Iterator[Step]:
        """Steps of one episode; environment and agent draw from streams of their own."""
        own, theirs = rng.spawn(2)
        if isinstance(self.agent, Pomcp | RandomAgent):
            self.agent.reseed(theirs)
        beliefs = self.on_seen is not None
        for step in episode(self.environment, self.agent, self.steps, own, beliefs=beliefs):
            if self.on_seen is not None:
                decision = self.agent.decision if isinstance(self.agent, Pomcp) else None
                self.on_seen(Seen(number, step, decision))
            yield step
            if self.interrupted is not None and self.interrupted():
                raise EpisodeInterruptedError


Runner = CompiledRunner | AgentRunner


def runners_of(
    model: Model,
    policy: SolvedPolicy | Pomcp | Agent | None,
    steps: int,
    threads: int,
    on_seen: OnSeen | None,
    interrupted: Interrupted | None,
) -> list[Runner]:
    """One for each thread."""
    if policy is None or isinstance(policy, SolvedPolicy):
        agent = random_agent() if policy is None else compiled(model, policy)
        if agent is not None and on_seen is None:
            request_compilation(steps)
            return [CompiledRunner(model, agent, steps) for _ in range(threads)]
        policy = RandomAgent(model) if policy is None else agent_for(model, policy)
    if not isinstance(policy, Pomcp):
        return [AgentRunner(Environment(model), policy, steps, on_seen, interrupted)]
    policy.interrupted = interrupted
    planners = [policy, *(policy.twin() for _ in range(threads - 1))]
    return [
        AgentRunner(Environment(model, policy.simulator), planner, steps, on_seen, interrupted)
        for planner in planners
    ]


@dataclass(frozen=True, eq=False, slots=True)
class Lot:
    """Returns of a lot of episodes, discounted and not, shape (n,), and how these ended."""

    returns: FloatArray
    undiscounted: FloatArray
    lengths: IntArray
    terminated: NDArray[np.bool_]


def lot_of(episodes: Played, discount: float) -> Lot:
    """Add up the rewards of episodes."""
    lengths, rewards = episodes.lengths, episodes.log.rewards
    owner, time = ragged(np.zeros_like(lengths), lengths)
    weight = discount ** time.astype(np.float64)
    returns, plain = (
        np.asarray(np.bincount(owner, x, len(lengths)), np.float64)
        for x in (weight * rewards, rewards)
    )
    return Lot(returns, plain, lengths, episodes.terminated)


def lots_played(
    runners: list[Runner],
    lots: Iterable[tuple[int, int]],
    streams: Iterator[np.random.Generator],
    discount: float,
) -> Iterator[Lot]:
    """Play lots of episodes, each its first number and their count, in parallel; in their order."""
    if len(runners) == 1:
        for (first, count), rng in zip(lots, streams, strict=True):
            yield lot_of(runners[0].play(first, count, rng), discount)
        return
    free = list(runners)
    with ThreadPoolExecutor(len(runners)) as pool:

        def run(first: int, count: int, rng: np.random.Generator) -> Lot:
            runner = free.pop()
            try:
                return lot_of(runner.play(first, count, rng), discount)
            finally:
                free.append(runner)

        waiting: list[Future[Lot]] = []
        try:
            for (first, count), rng in zip(lots, streams, strict=True):
                if len(waiting) >= 2 * len(runners):
                    yield waiting.pop(0).result()
                waiting.append(pool.submit(run, first, count, rng))
            while waiting:
                yield waiting.pop(0).result()
        finally:
            for future in waiting:
                future.cancel()
