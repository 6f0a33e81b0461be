"""Mean returns after a state by incoming transition: a test of the Markov property.

The return after step t, G[t+1], is the discounted sum of the rewards of the next h steps,

    G[t+1] = r[t+1] + g r[t+2] + ... + g^(h-1) r[t+h].

Each step contributes to the transition i -> s under a with its posterior probability. If s is
Markov, the return after s and a next action does not depend on the incoming transition. Returns of
nearby steps share rewards, so that variances of means are cluster-robust (Liang and Zeger 1986);
clusters are blocks of steps, each an episode or a part of a long one. Means are compared by Welch's
test (1951), with the number of blocks as sample size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pomdptool.episodes import NONE, Episodes, effective_horizon
from pomdptool.errors import ModelError
from pomdptool.learning.decode import posteriors
from pomdptool.learning.encoding import Sequences
from pomdptool.learning.parameters import Parameters
from pomdptool.learning.rewards import reward_scale
from pomdptool.sparse import DENSE_LIMIT, FloatArray

MIN_DISCOUNT = 0.1
"""Discounted weight of a reward at which returns are truncated."""

BLOCK_LENGTH = 4
"""Steps of a block, in lengths of a return."""

MIN_STEPS, MIN_BLOCKS = 20.0, 8.0
"""Minimum expected number of steps and of blocks behind a mean that is compared."""

ROUNDING = 1e-9
"""Minimum standard error of a mean, relative to the range of returns."""


@dataclass(frozen=True, eq=False, slots=True)
class Returns:
    """Mean returns, in multiples of `unit`, by incoming transition and next action.

    Attributes
    ----------
    mean, variance
        Shape (A, A, S, S), indexed [a, next action, i, s]: mean of the returns after i -> s under
        a, and the variance of that mean.
    weight, blocks
        The same shape: expected number of steps, and effective number of blocks.
    """

    mean: FloatArray
    variance: FloatArray
    weight: FloatArray
    blocks: FloatArray
    unit: float = 1.0

    @property
    def comparable(self) -> NDArray[np.bool_]:
        """Mask of the means with enough data to be compared."""
        return (self.weight >= MIN_STEPS) & (self.blocks >= MIN_BLOCKS)


def return_length(episodes: Episodes, discount: float) -> int:
    """Steps of a return: until MIN_DISCOUNT, at most a quarter of the median episode length."""
    quarter = max(1, int(np.median(episodes.lengths)) // 4)
    return min(quarter, effective_horizon(discount, MIN_DISCOUNT) or quarter)


def discounted_returns(episodes: Episodes, discount: float, steps: int) -> FloatArray:
    """Return from each step on, including its reward, shape (n_steps,); NaN if incomplete.

    Rewards after termination are 0.
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
    """Compute mean returns by incoming transition; `sequences` contain every episode.

    `check` is called before each episode; it may raise `LimitReached`. Raises ModelError if the
    arrays of transitions by pairs of actions would be too large.
    """
    assert episodes.rewards is not None
    A, S = parameters.T.shape[:2]
    if 8 * (A * S) ** 2 > DENSE_LIMIT:
        raise ModelError(
            f"utile distinction compares returns by transition and next action: {A} actions and "
            f"{S} states would take {8 * (A * S) ** 2 / 2**30:.1f} GiB"
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
            weight += n
            sums += y
            weight2 += n * n
            cross += n * y
            sums2 += y * y
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
    """Compute the p-value of Welch's test for equal means; 1 for fewer than two groups.

    The variance of a group is at least the pooled one: with rare rewards, a small group may contain
    none.
    """
    from scipy.special import fdtrc

    k = len(mean)
    if k < 2:
        return 1.0
    pooled = float(blocks @ (variance * blocks)) / float(blocks.sum())
    precision = 1.0 / np.maximum(variance, pooled / blocks)
    if not np.isfinite(precision).all():  # all returns are the same
        return 1.0
    total = precision.sum()
    between = float((precision * (mean - precision @ mean / total) ** 2).sum()) / (k - 1)
    doubt = float(((1.0 - precision / total) ** 2 / (blocks - 1.0)).sum())
    F = between / (1.0 + 2.0 * (k - 2) / (k * k - 1) * doubt)
    return float(fdtrc(k - 1, (k * k - 1) / (3.0 * doubt), F))
