"""What something earns in a model, by playing it.

The mean discounted return of n episodes has the standard error s / sqrt(n), s the returns' standard
deviation, and the 95% interval of Student's t distribution with n - 1 degrees of freedom. Episodes
end in a terminal state or after a number of steps: what the steps beyond could still be worth, at
most, is the truncation bound.

Episodes have random streams of their own, so that they are the same whatever the number of
threads; those of the environment and of the planner are apart, so that two policies meet the same
luck for as long as they act alike.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from pomdptool.acting.agents import Acting, acting, compiled, random_agent
from pomdptool.acting.environment import Environment, Step, episode
from pomdptool.acting.planner import Decision, Pomcp
from pomdptool.acting.sample import Player
from pomdptool.episodes import steps_until
from pomdptool.errors import PomdpError
from pomdptool.kernels import compiling_seconds, expect
from pomdptool.kernels.episodes import TERMINATED, Agent
from pomdptool.model import Model
from pomdptool.policy import SolvedPolicy
from pomdptool.sparse import FloatArray, IntArray

AT_ONCE = 64
"""Episodes of one random stream, where no planner searches."""

TRUNCATION = 1e-3
"""By default episodes are so long that what lies beyond is worth this share of all."""

UNDISCOUNTED_STEPS = 100
"""Steps of an episode by default, with discount 1."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A step, and what is known of the decision behind it."""

    episode: int
    step: Step
    belief: FloatArray | None
    decision: Decision | None


OnSeen = Callable[[Seen], None]


@dataclass(frozen=True, eq=False, slots=True)
class Simulation:
    """Returns of some episodes.

    Attributes
    ----------
    returns, undiscounted
        Shape (n,): discounted and plain sums of rewards.
    lengths
        Shape (n,): steps.
    terminated
        Episodes that ended in a terminal state.
    steps
        Steps of an episode at most.
    truncation_bound
        The mean of what the steps beyond the last one could still be worth, at most.
    sims, search_seconds
        Simulations of a planner, and the time that they took.
    """

    returns: FloatArray
    undiscounted: FloatArray
    lengths: IntArray
    terminated: int
    steps: int
    truncation_bound: float
    seconds: float
    sims: int = 0
    search_seconds: float = 0.0
    interrupted: bool = False

    @property
    def mean(self) -> float:
        """Mean discounted return; NaN without episodes."""
        return float(self.returns.mean()) if len(self.returns) else math.nan

    @property
    def standard_error(self) -> float:
        """Of the mean; NaN where there are fewer than two episodes."""
        return standard_error(self.returns)

    @property
    def confidence_95(self) -> tuple[float, float]:
        """95% interval of the mean."""
        return confidence(self.returns)


def standard_error(x: FloatArray) -> float:
    """Of the mean; NaN where there are fewer than two."""
    return float(x.std(ddof=1)) / math.sqrt(len(x)) if len(x) > 1 else math.nan


def confidence(x: FloatArray) -> tuple[float, float]:
    """95% interval of a mean, by Student's t; infinite where there are fewer than two."""
    if len(x) < 2:
        return -math.inf, math.inf
    from scipy.special import stdtrit

    half = float(stdtrit(len(x) - 1, 0.975)) * standard_error(x)
    mean = float(x.mean())
    return mean - half, mean + half


def default_steps(model: Model) -> int:
    """Steps after which a thousandth of all there is to earn is left."""
    return steps_until(model.discount, TRUNCATION) or UNDISCOUNTED_STEPS


def simulate(
    model: Model,
    policy: SolvedPolicy | Pomcp | Acting | None,
    *,
    episodes: int = 1000,
    rng: np.random.Generator,
    steps: int | None = None,
    threads: int = 1,
    on_seen: OnSeen | None = None,
    on_episode: Callable[[int, FloatArray], None] | None = None,
    interrupted: Callable[[], bool] | None = None,
    at_once: int | None = None,
) -> Simulation:
    """Play episodes, and say what they earn.

    Parameters
    ----------
    policy
        A saved policy, a planner, something of one's own that acts, or None: actions at random.
    steps
        Of an episode at most; by default as many as the discount leaves worth a thousandth.
    threads
        How many episodes are played side by side; of something of one's own always one.
    on_seen
        Called after every step, in order; then one episode is played after the other.
    at_once
        Episodes of one random stream; with 1 policies meet the same luck episode by episode.
    on_episode
        Called with the number of episodes done and their returns.

    Raises
    ------
    PolicyError
        Where a policy was made for another model.
    """
    if episodes < 1:
        raise PomdpError(f"episodes must be 1 or more, not {episodes}")
    steps = default_steps(model) if steps is None else steps
    if steps < 1:
        raise PomdpError(f"steps must be 1 or more, not {steps}")
    began = time.perf_counter() - compiling_seconds()
    workers = _workers(model, policy, steps, 1 if on_seen else threads, on_seen)
    if not isinstance(workers[0], _Playing):
        at_once = 1
    elif at_once is None:
        at_once = AT_ONCE
    lots = [(k, min(at_once, episodes - k)) for k in range(0, episodes, at_once)]
    streams = _streams(rng, len(lots))
    results: list[_Lot] = []
    stopped = False
    for lot in _played(workers, lots, streams):
        results.append(lot)
        if on_episode is not None:
            done = np.concatenate([r.returns for r in results])
            on_episode(len(done), done)
        if interrupted is not None and interrupted():
            stopped = len(results) < len(lots)
            break
    lengths = np.concatenate([lot.lengths for lot in results])
    ended = np.concatenate([lot.ended for lot in results])
    planners = [w.acting for w in workers if isinstance(w, _Asking)]
    searching = [p for p in planners if isinstance(p, Pomcp)]
    return Simulation(
        returns=np.concatenate([lot.returns for lot in results]),
        undiscounted=np.concatenate([lot.undiscounted for lot in results]),
        lengths=lengths,
        terminated=int(ended.sum()),
        steps=steps,
        truncation_bound=_beyond(model, lengths[~ended]) * float((~ended).mean()),
        seconds=time.perf_counter() - compiling_seconds() - began,
        sims=sum(p.searched for p in searching),
        search_seconds=sum(p.seconds for p in searching),
        interrupted=stopped,
    )


def _beyond(model: Model, lengths: IntArray) -> float:
    """What steps after the last could still be worth, at most, on average."""
    largest = float(np.abs(model.expected_rewards).max())
    if not len(lengths) or largest == 0.0:
        return 0.0
    if model.discount == 1.0:
        return math.inf
    return float((model.discount**lengths).mean()) * largest / (1.0 - model.discount)


@dataclass(frozen=True, eq=False, slots=True)
class _Lot:
    """What a lot of episodes earned."""

    returns: FloatArray
    undiscounted: FloatArray
    lengths: IntArray
    ended: np.ndarray


class _Playing:
    """Plays episodes in a kernel."""

    def __init__(self, model: Model, agent: Agent, steps: int) -> None:
        self.model = model
        self.player = Player(model, agent)
        self.steps = steps

    def play(self, first: int, count: int, rng: np.random.Generator) -> _Lot:  # noqa: ARG002
        """Play some episodes."""
        log, lengths, ends = self.player.play(count, self.steps, rng)
        owner = np.repeat(np.arange(count), lengths)
        time_of = np.arange(len(owner)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        weight = self.model.discount ** time_of.astype(np.float64)
        returns, plain = np.zeros(count), np.zeros(count)
        np.add.at(returns, owner, weight * log.rewards)
        np.add.at(plain, owner, log.rewards)
        return _Lot(returns, plain, lengths, ends == TERMINATED)


class _Asking:
    """Asks something that acts for every action."""

    def __init__(
        self, environment: Environment, asked: Acting, steps: int, on_seen: OnSeen | None
    ) -> None:
        self.environment = environment
        self.acting = asked
        self.steps = steps
        self.on_seen = on_seen

    def play(self, first: int, count: int, rng: np.random.Generator) -> _Lot:  # noqa: ARG002
        """Play one episode, the number of which is given."""
        discount = self.environment.model.discount
        own, theirs = rng.spawn(2)
        if isinstance(self.acting, Pomcp | RandomActing):
            self.acting.reseed(theirs)
        total, plain, length = 0.0, 0.0, 0
        for seen in episode(self.environment, self.acting, self.steps, own, self._note(first)):
            total += discount**seen.time * seen.reward
            plain += seen.reward
            length += 1
        ended = self.environment.ended
        return _Lot(np.array([total]), np.array([plain]), np.array([length]), np.array([ended]))

    def _note(self, number: int) -> Callable[[Step, FloatArray | None], None] | None:
        if self.on_seen is None:
            return None
        on_seen = self.on_seen

        def note(step: Step, belief: FloatArray | None) -> None:
            decision = self.acting.decision if isinstance(self.acting, Pomcp) else None
            on_seen(Seen(number, step, belief, decision))

        return note


_Worker = _Playing | _Asking


def _workers(
    model: Model,
    policy: SolvedPolicy | Pomcp | Acting | None,
    steps: int,
    threads: int,
    on_seen: OnSeen | None,
) -> list[_Worker]:
    """One for each thread."""
    if policy is None or isinstance(policy, SolvedPolicy):
        agent = random_agent() if policy is None else compiled(model, policy)
        if agent is not None and on_seen is None:
            expect(steps)
            return [_Playing(model, agent, steps) for _ in range(threads)]
        policy = RandomActing(model) if policy is None else acting(model, policy)
        threads = 1
    if not isinstance(policy, Pomcp):
        return [_Asking(Environment(model), policy, steps, on_seen)]
    planners = [policy, *(policy.twin() for _ in range(threads - 1))]
    return [
        _Asking(Environment(model, policy.simulator), planner, steps, on_seen)
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

    def reset(self) -> None:
        """Begin an episode."""

    def act(self) -> int:
        """Return any action."""
        return int(self.rng.integers(self.n_actions))

    def observe(self, action: int, observation: int) -> None:
        """Take in nothing."""


def _streams(rng: np.random.Generator, n: int) -> Iterator[np.random.Generator]:
    """Random streams that do not meet."""
    for _ in range(n):
        yield rng.spawn(1)[0]


def _played(
    workers: list[_Worker],
    lots: list[tuple[int, int]],
    streams: Iterator[np.random.Generator],
) -> Iterator[_Lot]:
    """Play lots of episodes side by side; what they earned, in their order."""
    if len(workers) == 1:
        for (first, count), rng in zip(lots, streams, strict=True):
            yield workers[0].play(first, count, rng)
        return
    free = list(workers)
    with ThreadPoolExecutor(len(workers)) as pool:

        def run(first: int, count: int, rng: np.random.Generator) -> _Lot:
            worker = free.pop()
            try:
                return worker.play(first, count, rng)
            finally:
                free.append(worker)

        waiting: list[Future[_Lot]] = []
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
