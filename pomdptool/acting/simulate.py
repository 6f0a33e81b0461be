"""Monte-Carlo estimation of the expected discounted return.

The mean discounted return of n episodes has the standard error s / sqrt(n), s the returns' standard
deviation, and the 95% interval of Student's t distribution with n - 1 degrees of freedom. Episodes
end in a terminal state, at the policy's horizon, or after a number of steps; the truncation bound
is the largest expected return that the steps cut off could contribute.

Each batch of episodes has its own random stream, so results do not depend on the number of threads.
Environment and planner draw from separate streams, so that two policies face the same random events
for as long as they act alike (common random numbers).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pomdptool.acting.agents import Agent, EpisodeInterruptedError, Interrupted, horizon_of
from pomdptool.acting.pomcp import Pomcp
from pomdptool.acting.runners import BatchReturns, CompiledRunner, OnStep, run_batches, runners_of
from pomdptool.arguments import as_model, as_policy
from pomdptool.deprecation import renamed
from pomdptool.episodes import effective_horizon
from pomdptool.errors import PomdpError
from pomdptool.limits import Clock
from pomdptool.model import Model
from pomdptool.policy import SolvedPolicy
from pomdptool.randomness import generator
from pomdptool.readable import Readable
from pomdptool.solving.solution import Solution, check_sum, discounted_steps
from pomdptool.sparse import FloatArray, IntArray

BATCH_EPISODES, MAX_BATCH_STEPS = 64, 1 << 20
"""Episodes of a batch in a kernel, and the maximum number of their steps."""

OnEpisode = Callable[[int, Callable[[], FloatArray]], None]
"""Called with the number of episodes completed, and a function that returns their returns."""

TRUNCATION = 1e-3
"""Discounting of the steps beyond the default length of episodes."""

UNDISCOUNTED_STEPS = 100
"""Default length of episodes with discount 1."""


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Summary(Readable):
    """Statistics of simulated episodes, in rewards.

    Attributes
    ----------
    episodes, steps
        Number of episodes, and maximum number of steps of each.
    mean_discounted_return, standard_error, confidence_95
        Estimate of the expected discounted return, with its 95% confidence interval by Student's
        t; NaN and infinite for fewer than two episodes.
    mean_undiscounted_return, mean_length
        Means of the undiscounted return, and of the number of steps.
    terminated
        Number of episodes that reached a terminal state.
    truncation_bound
        Upper bound on the truncation error of the mean.
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


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Simulation(Readable):
    """Returns of n simulated episodes, in rewards.

    Attributes
    ----------
    returns, undiscounted
        Shape (n,): discounted and undiscounted returns.
    lengths
        Shape (n,): numbers of steps.
    terminated
        Number of episodes that reached a terminal state.
    steps
        Maximum number of steps of an episode.
    truncation_bound
        Upper bound on the truncation error of the mean.
    sims, search_seconds
        Number of simulations of a planner, and their time.
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
        """Standard error of the mean; NaN for fewer than two episodes."""
        return standard_error(self.returns)

    @property
    def confidence_95(self) -> tuple[float, float]:
        """95% confidence interval of the mean."""
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
    """Standard error of the mean of a sample; NaN for fewer than two elements."""
    return float(x.std(ddof=1)) / math.sqrt(len(x)) if len(x) > 1 else math.nan


def confidence(x: FloatArray) -> tuple[float, float]:
    """95% confidence interval of a mean, by Student's t; infinite for fewer than two elements."""
    if len(x) < 2:
        return -math.inf, math.inf
    from scipy.special import stdtrit

    half = float(stdtrit(len(x) - 1, 0.975)) * standard_error(x)
    mean = float(x.mean())
    return mean - half, mean + half


def default_steps(model: Model, horizon: int | None = None) -> int:
    """Steps until rewards are discounted by `TRUNCATION`, at most the horizon."""
    steps = effective_horizon(model.discount, TRUNCATION)
    if horizon is None:
        return steps or UNDISCOUNTED_STEPS
    return min(horizon, steps or MAX_BATCH_STEPS)


@renamed(on_seen="on_step", at_once="batch_size")
def simulate(
    model: Model,
    policy: SolvedPolicy | Solution | Pomcp | Agent | None,
    *,
    episodes: int = 1000,
    rng: np.random.Generator | int,
    steps: int | None = None,
    threads: int = 1,
    on_step: OnStep | None = None,
    on_episode: OnEpisode | None = None,
    interrupted: Interrupted | None = None,
    batch_size: int | None = None,
) -> Simulation:
    """Simulate episodes and estimate the expected discounted return.

    Parameters
    ----------
    policy
        A saved policy, a Solution, a planner, any other agent, or None for uniformly random
        actions.
    steps
        Maximum number of steps of an episode, at most the policy's horizon; by default rewards
        beyond them are discounted by 0.001 or less.
    threads
        Worker threads; other agents run in one.
    on_step
        Called for every step, in order; for saved policies after each batch of episodes. Does not
        change the result; implies one thread.
    on_episode
        Called with the number of episodes completed, and a function that returns their returns.
    interrupted
        Polled after every step and some simulations; an interrupted episode is discarded.
    batch_size
        Episodes per random stream; 1 gives common random numbers for each episode.

    Raises
    ------
    PolicyError
        If the policy was made for another model.
    PomdpError
        If sums of rewards would overflow.
    KeyboardInterrupt
        If interrupted before the first episode ends.
    """
    rng, model = generator(rng), as_model(model)
    if isinstance(policy, (Solution, str, Path)):
        policy = as_policy(policy)
    steps = _checked(model, policy, episodes, steps)
    clock = Clock()
    threads = 1 if on_step else min(threads, episodes)
    runners = runners_of(model, policy, steps, threads, on_step, interrupted)
    if not isinstance(runners[0], CompiledRunner):
        batch_size = 1
    elif batch_size is None:
        batch_size = max(1, min(BATCH_EPISODES, MAX_BATCH_STEPS // steps))
    firsts = range(0, episodes, batch_size)
    counts = ((k, min(batch_size, episodes - k)) for k in firsts)  # there may be 10^9
    batches: list[BatchReturns] = []
    stopped = False
    try:
        streams = _streams(rng, len(firsts))
        for batch in run_batches(runners[: len(firsts)], counts, streams, model.discount):
            batches.append(batch)
            if on_episode is not None:
                done = min(len(batches) * batch_size, episodes)
                on_episode(done, lambda: np.concatenate([batch.returns for batch in batches]))
            if interrupted is not None and interrupted():
                stopped = sum(len(batch.lengths) for batch in batches) < episodes
                break
    except EpisodeInterruptedError:
        stopped = True
    if not batches:
        raise KeyboardInterrupt
    lengths, ended = (
        np.concatenate([getattr(batch, name) for batch in batches])
        for name in ("lengths", "terminated")
    )
    truncation = _truncation_bound(model, lengths[~ended], horizon_of(policy))
    agents = (runner.agent for runner in runners)
    planners = [agent for agent in agents if isinstance(agent, Pomcp)]
    return Simulation(
        returns=np.concatenate([batch.returns for batch in batches]),
        undiscounted=np.concatenate([batch.undiscounted for batch in batches]),
        lengths=lengths,
        terminated=int(ended.sum()),
        steps=steps,
        truncation_bound=truncation * float((~ended).mean()),
        seconds=clock.seconds,
        sims=sum(planner.searched for planner in planners),
        search_seconds=sum(planner.seconds for planner in planners),
        interrupted=stopped,
    )


def _checked(
    model: Model, policy: SolvedPolicy | Pomcp | Agent | None, episodes: int, steps: int | None
) -> int:
    """Check the numbers of episodes and steps; returns the maximum number of steps."""
    if episodes < 1:
        raise PomdpError(f"episodes must be 1 or more, not {episodes}")
    horizon = horizon_of(policy)
    steps = default_steps(model, horizon) if steps is None else steps
    if steps < 1:
        raise PomdpError(f"steps must be 1 or more, not {steps}")
    steps = steps if horizon is None else min(steps, horizon)
    check_sum("rewards", float(np.abs(model.rewards.stored).max(initial=0.0)), steps)
    return steps


def _truncation_bound(model: Model, lengths: IntArray, horizon: int | None) -> float:
    """Mean upper bound on the return after episodes of these lengths, up to the horizon."""
    largest = float(np.abs(model.expected_rewards).max())
    if not len(lengths) or largest == 0.0:
        return 0.0
    distinct, counts = np.unique(lengths, return_counts=True)
    remaining = [discounted_steps(model.discount, n, horizon) for n in distinct.tolist()]
    return float(np.average(remaining, weights=counts)) * largest


def _streams(rng: np.random.Generator, n: int) -> Iterator[np.random.Generator]:
    """Independent random streams."""
    for _ in range(n):
        yield rng.spawn(1)[0]
