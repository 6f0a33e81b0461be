"""What something earns in a model, by playing it.

The mean discounted return of n episodes has the standard error s / sqrt(n), s the returns' standard
deviation, and the 95% interval of Student's t distribution with n - 1 degrees of freedom. Episodes
end in a terminal state or after a number of steps: what the steps beyond could still be worth, at
most, is the truncation bound. A policy with a horizon ends with it, and so do its episodes: there
are no steps beyond.

Episodes have random streams of their own, so that they are the same whatever the number of
threads; those of the environment and of the planner are apart, so that two policies meet the same
luck for as long as they act alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from pomdptool.acting.agents import Agent, EpisodeInterruptedError, Interrupted, horizon_of
from pomdptool.acting.pomcp import Pomcp
from pomdptool.acting.runners import CompiledRunner, Lot, OnSeen, lots_played, runners_of
from pomdptool.episodes import steps_until
from pomdptool.errors import PomdpError
from pomdptool.limits import Clock
from pomdptool.model import Model
from pomdptool.policy import SolvedPolicy
from pomdptool.solving.solution import check_sum, discounted_steps
from pomdptool.sparse import FloatArray, IntArray

AT_ONCE = 64
"""Episodes of one random stream, where no planner searches."""

MOST_AT_ONCE = 1 << 20
"""Steps of such episodes, the log of which is kept together."""

OnEpisode = Callable[[int, Callable[[], FloatArray]], None]
"""Called with the number of episodes done, and a function that gives their returns."""

TRUNCATION = 1e-3
"""By default episodes are so long that what lies beyond is worth this share of all."""

UNDISCOUNTED_STEPS = 100
"""Steps of an episode by default, with discount 1."""


@dataclass(frozen=True, slots=True)
class Summary:
    """Statistics of simulated episodes, in rewards.

    Attributes
    ----------
    episodes, steps
        Number of episodes, and of steps of each at most.
    mean_discounted_return, standard_error, confidence_95
        Estimate of the expected discounted return, with its 95% confidence interval by Student's
        t; NaN and infinite where there are fewer than two episodes.
    mean_undiscounted_return, mean_length
        Means of the plain sum of rewards, and of the number of steps.
    terminated
        Episodes that reached a terminal state.
    truncation_bound
        Truncation error: how much the steps beyond the last one could add to the mean, at most.
    """

    episodes: int
    steps: int
    mean_discounted_return: float
    standard_error: float
    confidence_95: tuple[float, float]
    mean_undiscounted_return: float
    mean_length: float
    terminated: int
    truncation_bound: float


@dataclass(frozen=True, eq=False, slots=True)
class Simulation:
    """Returns of some episodes, in rewards.

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

    @property
    def summary(self) -> Summary:
        """Statistics, with the keys of the command's JSON."""
        return Summary(
            episodes=len(self.returns),
            steps=self.steps,
            mean_discounted_return=self.mean,
            standard_error=self.standard_error,
            confidence_95=self.confidence_95,
            mean_undiscounted_return=float(self.undiscounted.mean()),
            mean_length=float(self.lengths.mean()),
            terminated=self.terminated,
            truncation_bound=self.truncation_bound,
        )


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


def default_steps(model: Model, horizon: int | None = None) -> int:
    """Steps after which a thousandth of all there is to earn is left, the horizon at most."""
    steps = steps_until(model.discount, TRUNCATION)
    if horizon is None:
        return steps or UNDISCOUNTED_STEPS
    return min(horizon, steps or MOST_AT_ONCE)


def simulate(
    model: Model,
    policy: SolvedPolicy | Pomcp | Agent | None,
    *,
    episodes: int = 1000,
    rng: np.random.Generator,
    steps: int | None = None,
    threads: int = 1,
    on_seen: OnSeen | None = None,
    on_episode: OnEpisode | None = None,
    interrupted: Interrupted | None = None,
    at_once: int | None = None,
) -> Simulation:
    """Play episodes, and say what they earn.

    Parameters
    ----------
    policy
        A saved policy, a planner, something of one's own that acts, or None: actions at random.
    steps
        Of an episode at most; by default as many as the discount leaves worth a thousandth. A
        policy with a horizon ends with that.
    threads
        How many episodes are played side by side; of something of one's own always one.
    on_seen
        Called after every step, in order; then one episode is played after the other.
    at_once
        Episodes of one random stream; with 1 policies meet the same luck episode by episode.
    on_episode
        Called with the number of episodes done, and a function that gives their returns.
    interrupted
        Asked after every step and some simulations; an episode that it ends does not count.

    Raises
    ------
    PolicyError
        Where a policy was made for another model.
    PomdpError
        Where rewards are too large to be added up.
    KeyboardInterrupt
        Where an interrupt comes before the first episode has ended.
    """
    steps = _checked(model, policy, episodes, steps)
    clock = Clock()
    threads = 1 if on_seen else min(threads, episodes)
    runners = runners_of(model, policy, steps, threads, on_seen, interrupted)
    if not isinstance(runners[0], CompiledRunner):
        at_once = 1
    elif at_once is None:
        at_once = max(1, min(AT_ONCE, MOST_AT_ONCE // steps))
    counts = [(k, min(at_once, episodes - k)) for k in range(0, episodes, at_once)]
    lots: list[Lot] = []
    stopped = False
    try:
        streams = _streams(rng, len(counts))
        for lot in lots_played(runners[: len(counts)], counts, streams, model.discount):
            lots.append(lot)
            if on_episode is not None:
                done = sum(counts[len(lots) - 1])
                on_episode(done, lambda: np.concatenate([lot.returns for lot in lots]))
            if interrupted is not None and interrupted():
                stopped = len(lots) < len(counts)
                break
    except EpisodeInterruptedError:
        stopped = True
    if not lots:
        raise KeyboardInterrupt
    lengths, ended = (
        np.concatenate([getattr(lot, name) for lot in lots]) for name in ("lengths", "terminated")
    )
    left = _beyond(model, lengths[~ended], horizon_of(policy)) * float((~ended).mean())
    agents = (runner.agent for runner in runners)
    planners = [agent for agent in agents if isinstance(agent, Pomcp)]
    return Simulation(
        returns=np.concatenate([lot.returns for lot in lots]),
        undiscounted=np.concatenate([lot.undiscounted for lot in lots]),
        lengths=lengths,
        terminated=int(ended.sum()),
        steps=steps,
        truncation_bound=left,
        seconds=clock.seconds,
        sims=sum(planner.searched for planner in planners),
        search_seconds=sum(planner.seconds for planner in planners),
        interrupted=stopped,
    )


def _checked(
    model: Model, policy: SolvedPolicy | Pomcp | Agent | None, episodes: int, steps: int | None
) -> int:
    """Check the numbers of episodes and steps; steps of an episode, the horizon at most."""
    if episodes < 1:
        raise PomdpError(f"episodes must be 1 or more, not {episodes}")
    horizon = horizon_of(policy)
    steps = default_steps(model, horizon) if steps is None else steps
    if steps < 1:
        raise PomdpError(f"steps must be 1 or more, not {steps}")
    steps = steps if horizon is None else min(steps, horizon)
    check_sum("rewards", float(np.abs(model.rewards.stored).max(initial=0.0)), steps)
    return steps


def _beyond(model: Model, lengths: IntArray, horizon: int | None) -> float:
    """What steps after the last, up to the horizon, could still be worth, at most, on average."""
    largest = float(np.abs(model.expected_rewards).max())
    if not len(lengths) or largest == 0.0:
        return 0.0
    played, times = np.unique(lengths, return_counts=True)
    left = [discounted_steps(model.discount, n, horizon) for n in played.tolist()]
    return float(np.average(left, weights=times)) * largest


def _streams(rng: np.random.Generator, n: int) -> Iterator[np.random.Generator]:
    """Random streams that do not meet."""
    for _ in range(n):
        yield rng.spawn(1)[0]
