"""Who plays the episodes of a simulation: kernels lot by lot, or what is asked for every action."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from pomdptool.acting.agents import (
    Acting,
    EpisodeInterruptedError,
    Interrupted,
    acting,
    compiled,
    random_agent,
)
from pomdptool.acting.environment import Environment, Step, episode
from pomdptool.acting.planner import Decision, Pomcp
from pomdptool.acting.simulator import simulator_of, start_sums
from pomdptool.kernels.jit import expect
from pomdptool.kernels.simulation.episodes import TERMINATED, Agent, Log, play_many
from pomdptool.kernels.simulation.simulator import Simulator
from pomdptool.model import Model
from pomdptool.policy import SolvedPolicy
from pomdptool.sparse import FloatArray, IntArray, ragged


@dataclass(frozen=True, slots=True)
class Seen:
    """A step, and what is known of the decision behind it."""

    episode: int
    step: Step
    belief: FloatArray | None
    decision: Decision | None


OnSeen = Callable[[Seen], None]


class Player:
    """Plays episodes of one agent, with the arrays that this takes."""

    def __init__(self, model: Model, agent: Agent, simulator: Simulator | None = None) -> None:
        self.agent = agent
        self.simulator = simulator_of(model) if simulator is None else simulator
        self.start = start_sums(model.start)
        self.beliefs = np.zeros((2, model.n_states))
        self.support = np.zeros(model.n_states, np.int64)

    def play(
        self, episodes: int, steps: int, rng: np.random.Generator
    ) -> tuple[Log, IntArray, IntArray]:
        """Play some episodes; the log of all steps, and of each episode its length and its end."""
        room = episodes * steps
        s, a, o, arrived = (np.empty(room, np.int64) for _ in range(4))
        log = Log(s, a, o, arrived, np.empty(room))
        lengths, ends = np.zeros(episodes, np.int64), np.zeros(episodes, np.int64)
        n = play_many(
            self.simulator,
            self.agent,
            self.start,
            rng,
            log,
            lengths,
            ends,
            steps,
            self.beliefs,
            self.support,
        )
        return Log(*(array[:n] for array in log)), lengths, ends


@dataclass(frozen=True, eq=False, slots=True)
class Lot:
    """What a lot of episodes earned."""

    returns: FloatArray
    undiscounted: FloatArray
    lengths: IntArray
    ended: np.ndarray


class Playing:
    """Plays episodes in a kernel."""

    def __init__(self, model: Model, agent: Agent, steps: int) -> None:
        self.model = model
        self.player = Player(model, agent)
        self.steps = steps

    def play(self, first: int, count: int, rng: np.random.Generator) -> Lot:  # noqa: ARG002
        """Play some episodes."""
        log, lengths, ends = self.player.play(count, self.steps, rng)
        owner, time = ragged(np.zeros_like(lengths), lengths)
        weight = self.model.discount ** time.astype(np.float64)
        returns, plain = np.zeros(count), np.zeros(count)
        np.add.at(returns, owner, weight * log.rewards)
        np.add.at(plain, owner, log.rewards)
        return Lot(returns, plain, lengths, ends == TERMINATED)


class Asking:
    """Asks something that acts for every action."""

    def __init__(
        self,
        environment: Environment,
        asked: Acting,
        steps: int,
        on_seen: OnSeen | None,
        interrupted: Interrupted | None,
    ) -> None:
        self.environment = environment
        self.interrupted = interrupted
        self.acting = asked
        self.steps = steps
        self.on_seen = on_seen

    def play(self, first: int, count: int, rng: np.random.Generator) -> Lot:  # noqa: ARG002
        """Play one episode, the number of which is given.

        Raises
        ------
        EpisodeInterruptedError
            Where an interrupt comes before its end.
        """
        discount = self.environment.model.discount
        own, theirs = rng.spawn(2)
        if isinstance(self.acting, Pomcp | RandomActing):
            self.acting.reseed(theirs)
        total, plain, length = 0.0, 0.0, 0
        for seen in episode(self.environment, self.acting, self.steps, own, self._note(first)):
            total += discount**seen.time * seen.reward
            plain += seen.reward
            length += 1
            if self.interrupted is not None and self.interrupted():
                raise EpisodeInterruptedError
        ended = self.environment.ended
        return Lot(np.array([total]), np.array([plain]), np.array([length]), np.array([ended]))

    def _note(self, number: int) -> Callable[[Step, FloatArray | None], None] | None:
        if self.on_seen is None:
            return None
        on_seen = self.on_seen

        def note(step: Step, belief: FloatArray | None) -> None:
            decision = self.acting.decision if isinstance(self.acting, Pomcp) else None
            on_seen(Seen(number, step, belief, decision))

        return note


Worker = Playing | Asking


def workers_of(
    model: Model,
    policy: SolvedPolicy | Pomcp | Acting | None,
    steps: int,
    threads: int,
    on_seen: OnSeen | None,
    interrupted: Interrupted | None,
) -> list[Worker]:
    """One for each thread."""
    if policy is None or isinstance(policy, SolvedPolicy):
        agent = random_agent() if policy is None else compiled(model, policy)
        if agent is not None and on_seen is None:
            expect(steps)
            return [Playing(model, agent, steps) for _ in range(threads)]
        policy = RandomActing(model) if policy is None else acting(model, policy)
        threads = 1
    if not isinstance(policy, Pomcp):
        return [Asking(Environment(model), policy, steps, on_seen, interrupted)]
    policy.interrupted = interrupted
    planners = [policy, *(policy.twin() for _ in range(threads - 1))]
    return [
        Asking(Environment(model, policy.simulator), planner, steps, on_seen, interrupted)
        for planner in planners
    ]


class RandomActing:
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


def played(
    workers: list[Worker],
    lots: Iterable[tuple[int, int]],
    streams: Iterator[np.random.Generator],
) -> Iterator[Lot]:
    """Play lots of episodes side by side; what they earned, in their order."""
    if len(workers) == 1:
        for (first, count), rng in zip(lots, streams, strict=True):
            yield workers[0].play(first, count, rng)
        return
    free = list(workers)
    with ThreadPoolExecutor(len(workers)) as pool:

        def run(first: int, count: int, rng: np.random.Generator) -> Lot:
            worker = free.pop()
            try:
                return worker.play(first, count, rng)
            finally:
                free.append(worker)

        waiting: list[Future[Lot]] = []
        try:
            for (first, count), rng in zip(lots, streams, strict=True):
                if len(waiting) >= 2 * len(workers):
                    yield waiting.pop(0).result()
                waiting.append(pool.submit(run, first, count, rng))
            while waiting:
                yield waiting.pop(0).result()
        finally:
            for future in waiting:
                future.cancel()
