"""Episode runners: batches in a kernel, or an agent called at every step."""

from __future__ import annotations

import itertools
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
    compiled_agent,
    initial_belief,
    random_agent,
)
from pomdptool.acting.compile_model import compile_model, cumulative_start
from pomdptool.acting.environment import Environment, Transition, episode
from pomdptool.acting.pomcp import Decision, Pomcp
from pomdptool.belief import update_belief
from pomdptool.kernels.jit import request_compilation
from pomdptool.kernels.simulation.episodes import TERMINATED, CompiledAgent, Log, play_many
from pomdptool.kernels.simulation.simulator import Simulator
from pomdptool.model import Model
from pomdptool.policy import SolvedPolicy
from pomdptool.sparse import FloatArray, IntArray, ragged


@dataclass(frozen=True, slots=True)
class RecordedStep:
    """A step of an episode, with the planner's decision, if any."""

    episode: int
    step: Transition
    decision: Decision | None

    @property
    def belief(self) -> FloatArray | None:
        """The exact belief before the action, shape (S,)."""
        return self.step.belief


OnStep = Callable[[RecordedStep], None]


class Batch(NamedTuple):
    """Episodes: concatenated steps, lengths, and which ended in a terminal state."""

    log: Log
    lengths: IntArray
    terminated: NDArray[np.bool_]


class CompiledRunner:
    """Runs episodes in a kernel."""

    def __init__(
        self, model: Model, agent: CompiledAgent, steps: int, simulator: Simulator | None = None
    ) -> None:
        self.agent = agent
        self.steps = steps
        self.simulator = compile_model(model) if simulator is None else simulator
        self.start = cumulative_start(model.start)
        self.beliefs = np.zeros((2, model.n_states))
        self.support = np.zeros(model.n_states, np.int64)

    def run(self, first: int, count: int, rng: np.random.Generator) -> Batch:  # noqa: ARG002
        """Run `count` episodes, numbered from `first`."""
        size = count * self.steps
        s, a, o, arrived = (np.empty(size, np.int64) for _ in range(4))
        log = Log(s, a, o, arrived, np.empty(size))
        lengths, ends = np.zeros(count, np.int64), np.zeros(count, np.int64)
        n = play_many(
            *(self.simulator, self.agent, self.start, rng, log, lengths, ends),
            *(self.steps, self.beliefs, self.support),
        )
        return Batch(Log(*(array[:n] for array in log)), lengths, ends == TERMINATED)


class RecordingRunner(CompiledRunner):
    """Runs episodes in a kernel, on the same random numbers, and reports their steps afterwards."""

    def __init__(
        self,
        model: Model,
        agent: CompiledAgent,
        steps: int,
        on_step: OnStep,
        interrupted: Interrupted | None,
    ) -> None:
        super().__init__(model, agent, steps)
        self.model = model
        self.on_step = on_step
        self.interrupted = interrupted

    def run(self, first: int, count: int, rng: np.random.Generator) -> Batch:
        """Run `count` episodes, numbered from `first`; after an interrupt, those reported so far.

        Raises
        ------
        EpisodeInterruptedError
            If the first episode is interrupted.
        """
        batch = super().run(first, count, rng)
        columns = (batch.log.states, batch.log.actions, batch.log.arrived, batch.log.observations)
        rows = zip(*(column.tolist() for column in (*columns, batch.log.rewards)), strict=True)
        for k, length in enumerate(batch.lengths.tolist()):
            if not self._report(first + k, itertools.islice(rows, length)):
                if k == 0:
                    raise EpisodeInterruptedError
                n = int(batch.lengths[:k].sum())
                log = Log(*(column[:n] for column in batch.log))
                return Batch(log, batch.lengths[:k], batch.terminated[:k])
        return batch

    def _report(self, episode: int, rows: Iterable[tuple[int, int, int, int, float]]) -> bool:
        """Report the steps of an episode; returns whether it was not interrupted."""
        belief: FloatArray | None = None
        for time, (state, action, arrived, observation, reward) in enumerate(rows):
            if belief is None:
                belief = initial_belief(self.model, state if self.model.mdp else None)
            step = Transition(time, state, action, arrived, observation, reward, belief)
            self.on_step(RecordedStep(episode, step, None))
            belief, _ = update_belief(self.model, belief, action, observation)
            if self.interrupted is not None and self.interrupted():
                return False
        return True


class AgentRunner:
    """Runs episodes by calling an agent at every step."""

    def __init__(
        self,
        environment: Environment,
        agent: Agent,
        steps: int,
        on_step: OnStep | None = None,
        interrupted: Interrupted | None = None,
    ) -> None:
        self.environment = environment
        self.agent = agent
        self.steps = steps
        self.on_step = on_step
        self.interrupted = interrupted

    def run(self, first: int, count: int, rng: np.random.Generator) -> Batch:
        """Run `count` episodes, numbered from `first`.

        Raises
        ------
        EpisodeInterruptedError
            If an episode is interrupted.
        """
        rows: list[Transition] = []
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
            np.array([row.next_state for row in rows], dtype=np.int64),
            np.array([row.reward for row in rows], dtype=np.float64),
        )
        return Batch(log, lengths, terminated)

    def _steps(self, number: int, rng: np.random.Generator) -> Iterator[Transition]:
        """Steps of one episode, with separate random streams for environment and agent."""
        environment_rng, agent_rng = rng.spawn(2)
        if isinstance(self.agent, Pomcp | RandomAgent):
            self.agent.reseed(agent_rng)
        beliefs = self.on_step is not None
        for step in episode(
            self.environment, self.agent, self.steps, environment_rng, beliefs=beliefs
        ):
            if self.on_step is not None:
                decision = self.agent.decision if isinstance(self.agent, Pomcp) else None
                self.on_step(RecordedStep(number, step, decision))
            yield step
            if self.interrupted is not None and self.interrupted():
                raise EpisodeInterruptedError


Runner = CompiledRunner | AgentRunner


def runners_of(
    model: Model,
    policy: SolvedPolicy | Pomcp | Agent | None,
    steps: int,
    threads: int,
    on_step: OnStep | None,
    interrupted: Interrupted | None,
) -> list[Runner]:
    """Runners for a policy, one for each thread."""
    if policy is None or isinstance(policy, SolvedPolicy):
        agent = random_agent() if policy is None else compiled_agent(model, policy)
        if agent is not None:
            request_compilation(steps * len(agent.f))  # vectors are scanned at every step
            if on_step is not None:
                return [RecordingRunner(model, agent, steps, on_step, interrupted)]
            simulator = compile_model(model)
            return [CompiledRunner(model, agent, steps, simulator) for _ in range(threads)]
        policy = RandomAgent(model) if policy is None else agent_for(model, policy)
    if not isinstance(policy, Pomcp):
        return [AgentRunner(Environment(model), policy, steps, on_step, interrupted)]
    policy.interrupted = interrupted
    planners = [policy, *(policy.clone() for _ in range(threads - 1))]
    return [
        AgentRunner(Environment(model, policy.simulator), planner, steps, on_step, interrupted)
        for planner in planners
    ]


@dataclass(frozen=True, eq=False, slots=True)
class BatchReturns:
    """Returns of episodes: discounted, undiscounted; lengths; which terminated. Shape (n,) each."""

    returns: FloatArray
    undiscounted: FloatArray
    lengths: IntArray
    terminated: NDArray[np.bool_]


def returns_of(batch: Batch, discount: float) -> BatchReturns:
    """Sum the rewards of each episode."""
    lengths, rewards = batch.lengths, batch.log.rewards
    owner, time = ragged(np.zeros_like(lengths), lengths)
    weight = discount ** time.astype(np.float64)
    returns, plain = (
        np.asarray(np.bincount(owner, x, len(lengths)), np.float64)
        for x in (weight * rewards, rewards)
    )
    return BatchReturns(returns, plain, lengths, batch.terminated)


def run_batches(
    runners: list[Runner],
    batches: Iterable[tuple[int, int]],
    streams: Iterator[np.random.Generator],
    discount: float,
) -> Iterator[BatchReturns]:
    """Run batches (first episode, count) in parallel; yields their returns in order."""
    if len(runners) == 1:
        for (first, count), rng in zip(batches, streams, strict=True):
            yield returns_of(runners[0].run(first, count, rng), discount)
        return
    free = list(runners)
    with ThreadPoolExecutor(len(runners)) as pool:

        def run(first: int, count: int, rng: np.random.Generator) -> BatchReturns:
            runner = free.pop()
            try:
                return returns_of(runner.run(first, count, rng), discount)
            finally:
                free.append(runner)

        waiting: list[Future[BatchReturns]] = []
        try:
            for (first, count), rng in zip(batches, streams, strict=True):
                if len(waiting) >= 2 * len(runners):
                    yield waiting.pop(0).result()
                waiting.append(pool.submit(run, first, count, rng))
            while waiting:
                yield waiting.pop(0).result()
        finally:
            for future in waiting:
                future.cancel()
