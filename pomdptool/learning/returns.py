"""Returns that follow a state, by the transition that it was entered by.

The return after step t is the discounted sum of the rewards of the next h steps,

    G[t] = r[t+1] + g r[t+2] + ... + g^(h-1) r[t+h],

and a step counts for the transition i -> s under a as much as the posterior takes it for one. Were
s a state in Markov's sense, returns after s would not depend on how it was entered, whatever is
done next. Returns of steps near each other have rewards in common: the variance of a mean is that
of sums over lots of steps that lie apart (Liang and Zeger 1986), each an episode, or a part of a
long one. Whether means are equal is Welch's test (1951), with as many samples as there are lots.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pomdptool.episodes import NONE, Episodes, steps_until
from pomdptool.errors import ModelError
from pomdptool.learning.decode import posteriors
from pomdptool.learning.encoding import Sequences
from pomdptool.learning.parameters import Parameters
from pomdptool.learning.rewards import reward_scale
from pomdptool.sparse import DENSE_LIMIT, FloatArray

MIN_DISCOUNT = 0.1
"""Weight of a reward, relative to the first one, at which a return is cut."""

BLOCK_LENGTH = 4
"""Steps of a lot, in lengths of a return."""

MIN_STEPS, MIN_BLOCKS = 20.0, 8.0
"""Expected steps, and lots of them, that a mean must come from to be compared."""

ROUNDING = 1e-9
"""Standard error of a mean, relative to the spread of returns, that counts as none."""


@dataclass(frozen=True, eq=False, slots=True)
class Returns:
    """Means of returns G, each group a transition that was entered by and an action that follows.

    They are in units of `unit`.

    Attributes
    ----------
    mean, variance
        Shape (A, A, S, S), by [a, next action, i, s]: of the returns after i -> s under a, and of
        that mean.
    weight, lots
        The same shape: expected number of steps, and how many equal lots these are worth.
    """

    mean: FloatArray
    variance: FloatArray
    weight: FloatArray
    blocks: FloatArray
    unit: float = 1.0

    @property
    def comparable(self) -> NDArray[np.bool_]:
        """Where there is enough to compare."""
        return (self.weight >= MIN_STEPS) & (self.blocks >= MIN_BLOCKS)


def return_length(episodes: Episodes, discount: float) -> int:
    """Steps of a return: until a tenth is left, but no more than a quarter of half the episodes."""
    quarter = max(1, int(np.median(episodes.lengths)) // 4)
    return min(quarter, steps_until(discount, MIN_DISCOUNT) or quarter)


def discounted_returns(episodes: Episodes, discount: float, steps: int) -> FloatArray:
    """Return at each step, (n_steps,), that step's reward first; NaN where it is not complete.

    After an episode that terminated there is nothing more to earn.
    """
    assert episodes.rewards is not None
    n = episodes.n_steps
    rewards = np.concatenate([episodes.rewards, np.full(steps, np.nan)])
    G, t = np.zeros(n), np.arange(n)
    ends = np.repeat(episodes.first[1:], episodes.lengths)
    after = np.repeat(np.where(episodes.terminated, 0.0, np.nan), episodes.lengths)
    for k in range(steps):
        G += discount**k * np.where(t + k < ends, rewards[k : n + k], after)
    return G


def returns_by_transition(
    parameters: Parameters,
    sequences: Sequences,
    episodes: Episodes,
    discount: float,
    check: Callable[[], None] | None = None,
) -> Returns:
    """Collect returns by the transitions that they follow; `sequences` hold every episode.

    `check` is called before each episode, and may raise `LimitReached`.

    Raises
    ------
    ModelError
        Where the tables of transitions by pairs of actions would be too large.
    """
    assert episodes.rewards is not None
    A, S = parameters.T.shape[:2]
    if 8 * (A * S) ** 2 > DENSE_LIMIT:
        raise ModelError(
            f"utile distinction compares transitions by what is done next: {A} actions and {S} "
            f"states would take {8 * (A * S) ** 2 / 2**30:.1f} GiB"
        )
    h = return_length(episodes, discount)
    unit = reward_scale(episodes.rewards)
    G = discounted_returns(replace(episodes, rewards=episodes.rewards / unit), discount, h)
    scale = float(np.nanmax(G) - np.nanmin(G)) if np.isfinite(G).any() else 0.0
    weight, sums, weight2, cross, sums2 = (np.zeros((A * A, S * S)) for _ in range(5))
    for e, decoded in enumerate(posteriors(parameters, sequences, episodes)):
        if check is not None:
            check()
        at = episodes.episode(e)
        a, after = episodes.actions[at], G[at][1:]
        for low in range(0, len(after), BLOCK_LENGTH * h):
            block = slice(low, low + BLOCK_LENGTH * h)
            used = np.flatnonzero(np.isfinite(after[block]) & (a[:-1][block] != NONE)) + low
            pair = a[used] * A + a[used + 1]
            chosen = (np.arange(A * A)[:, np.newaxis] == pair).astype(np.float64)
            steps = decoded.transitions_at(used).reshape(len(used), S * S)
            n, y = chosen @ steps, (chosen * after[used]) @ steps
            for total, part in (
                (weight, n),
                (sums, y),
                (weight2, n * n),
                (cross, n * y),
                (sums2, y * y),
            ):
                total += part
    n = np.maximum(weight, 1e-100)
    mean = sums / n
    blocks = weight * weight / np.maximum(weight2, 1e-200)
    spread = np.maximum(sums2 - 2.0 * mean * cross + mean * mean * weight2, 0.0) / (n * n)
    spread *= blocks / np.maximum(blocks - 1.0, 1.0)
    spread = np.maximum(spread, (ROUNDING * scale) ** 2)
    shape = (A, A, S, S)
    mean, spread, weight, blocks = (x.reshape(shape) for x in (mean, spread, weight, blocks))
    return Returns(mean, spread, weight, blocks, unit)


def welch_p_value(mean: FloatArray, variance: FloatArray, blocks: FloatArray) -> float:
    """Probability that means of one distribution differ by so much; 1 of fewer than two.

    No variance is taken for less than that of all groups together: where rewards are rare, a small
    group may have met none.
    """
    from scipy.special import fdtrc

    k = len(mean)
    if k < 2:
        return 1.0
    together = float(blocks @ (variance * blocks)) / float(blocks.sum())
    precision = 1.0 / np.maximum(variance, together / blocks)
    if not np.isfinite(precision).all():  # all returns are the same
        return 1.0
    total = precision.sum()
    between = float((precision * (mean - precision @ mean / total) ** 2).sum()) / (k - 1)
    doubt = float(((1.0 - precision / total) ** 2 / (blocks - 1.0)).sum())
    F = between / (1.0 + 2.0 * (k - 2) / (k * k - 1) * doubt)
    return float(fdtrc(k - 1, (k * k - 1) / (3.0 * doubt), F))
