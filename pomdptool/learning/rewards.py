"""Learning rewards: binned rewards as additional observations, and their mean in each state.

Rewards often identify states better than observations do. They are binned, one bin per value if
there are few, else into quantiles; and the probability W[a, s, k] of bin k (W[a, s, s', o, k] for
the reward model "transition") is learned by EM together with T and O. R is the mean of the observed
rewards, weighted by the posterior of the state,

    R[a, s] = sum of n[c, s] r[c] / sum of n[c, s]

over symbols c of action a, with the expected number n[c, s] of steps with c in s and the mean
reward r[c] of those steps: the maximum likelihood estimate. Posteriors that ignored rewards would
be biased: with observations of accuracy 0.85, a state would receive 15% of the reward of another.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pomdptool.episodes import NONE, Episodes
from pomdptool.errors import DataError
from pomdptool.learning.e_step import ExpectedCounts
from pomdptool.learning.encoding import Sequences
from pomdptool.learning.parameters import Parameters
from pomdptool.limits import LARGEST_VALUE
from pomdptool.sparse import FloatArray, check_dense_size

RewardModel = Literal["state", "transition"]

MAX_BINS = 32
"""Maximum number of reward bins."""

CLEAR = 20.0
"""Excess above which rewards depend on more than action and state."""

MIN_VISITS = 1e-3
"""Expected visits below which the reward of a state is unknown."""


@dataclass(frozen=True, eq=False, slots=True)
class LearnedRewards:
    """R and expected visits, shape (A, S) or (A, S, S, O) each.

    Without visits R[a, s] is the lowest observed reward, and R[a, s, s', o] is R[a, s]. If no
    E-step was completed, visits are NaN and R is the mean under W.

    `excess` measures how rewards depend on the next state and the observation, given action and
    state: the deviation of the G statistic from independence, in standard deviations.
    """

    R: FloatArray
    visits: FloatArray
    excess: float = 0.0


def reward_bin_edges(episodes: Episodes) -> FloatArray | None:
    """Inner edges of the reward bins, ascending; None if the data have no rewards.

    Raises DataError for a reward that is infinite or too large to be summed.
    """
    if episodes.rewards is None:
        return None
    wrong = np.flatnonzero(np.abs(episodes.rewards) >= LARGEST_VALUE)
    if len(wrong):
        t = int(wrong[0])
        raise DataError(
            f"row {t + 1} ({episodes.place(t)}): the reward {episodes.rewards[t]:g} is too large "
            "to be added up"
        )
    r = episodes.rewards[~np.isnan(episodes.rewards)]
    values = np.unique(r)
    if len(values) > MAX_BINS:
        values = np.unique(np.quantile(r, (np.arange(MAX_BINS) + 0.5) / MAX_BINS))
    return np.asarray(0.5 * (values[1:] + values[:-1]))


def bin_frequencies(episodes: Episodes, bin_edges: FloatArray | None) -> FloatArray:
    """Frequency of each reward bin by action, shape (A, K); uniform for actions without rewards."""
    A = len(episodes.action_names)
    if bin_edges is None or episodes.rewards is None:
        return np.ones((A, 1))
    K = len(bin_edges) + 1
    known = ~np.isnan(episodes.rewards) & (episodes.actions != NONE)
    reward_bin = np.searchsorted(bin_edges, episodes.rewards[known], "right")
    times = np.bincount(episodes.actions[known] * K + reward_bin, minlength=A * K).reshape(A, K)
    times[times.sum(axis=1) == 0] = 1
    return np.asarray(times / times.sum(axis=1, keepdims=True))


def with_all_axes(W: FloatArray, model: RewardModel, observations: int) -> FloatArray:
    """Expand W[a, s, k] to the axes of the reward model."""
    A, S, K = W.shape
    W = W[:, :, np.newaxis, np.newaxis]
    if model == "state":
        return W
    check_dense_size((A, S, S, observations, K), "table of rewards")
    return np.ascontiguousarray(np.broadcast_to(W, (A, S, S, observations, K)))


def reward_scale(rewards: FloatArray) -> float:
    """Power of two near the largest absolute reward; scaled rewards have squares in range."""
    largest = float(np.nanmax(np.abs(rewards), initial=0.0))
    return math.ldexp(1.0, math.frexp(largest)[1]) if largest > 0.0 else 1.0


def bin_means(episodes: Episodes, bin_edges: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean and variance of the rewards by action and bin, shape (A, K) each.

    A bin without rewards of an action has the mean over all actions, and variance 0.
    """
    assert episodes.rewards is not None
    A, K = len(episodes.action_names), len(bin_edges) + 1
    known = ~np.isnan(episodes.rewards) & (episodes.actions != NONE)
    r = episodes.rewards[known]
    reward_bin = np.searchsorted(bin_edges, r, "right")
    cell = episodes.actions[known] * K + reward_bin
    times = np.bincount(cell, minlength=A * K).reshape(A, K)
    sums = np.bincount(cell, r, A * K).reshape(A, K)
    overall = sums.sum(axis=0) / np.maximum(times.sum(axis=0), 1)
    mean = np.where(times > 0, sums / np.maximum(times, 1), overall)
    apart = (r - mean.ravel()[cell]) ** 2
    variance = np.bincount(cell, apart, A * K).reshape(A, K) / np.maximum(times, 1)
    return mean, variance


def rewards_from_parameters(
    parameters: Parameters, episodes: Episodes, bin_edges: FloatArray
) -> LearnedRewards:
    """Mean rewards under W, without expected counts."""
    mean = bin_means(episodes, bin_edges)[0]
    R = (parameters.W * mean[:, np.newaxis, np.newaxis, np.newaxis]).sum(axis=4)
    R = R[:, :, 0, 0] if R.shape[3] == 1 else R
    return LearnedRewards(R, np.full(R.shape, np.nan))


def learned_rewards(
    episodes: Episodes, sequences: Sequences, counts: ExpectedCounts, model: RewardModel
) -> LearnedRewards:
    """Mean rewards, weighted by expected counts."""
    assert episodes.rewards is not None
    c = np.flatnonzero(sequences.reward_bins != NONE)
    a = sequences.actions[c]
    by_state = _weighted_means(counts.steps[c].sum(axis=2), a, sequences, c, counts.T.shape[:2])
    known = ~np.isnan(episodes.rewards) & (episodes.actions != NONE)
    least = float(episodes.rewards[known].min()) if known.any() else 0.0
    R = np.where(by_state.visits >= MIN_VISITS, by_state.R, least)
    if model == "state":
        return LearnedRewards(R, by_state.visits, _excess(sequences, counts, c))
    A, S = R.shape
    n_observations = counts.Z.shape[2]
    known = sequences.observations[c] != NONE
    c, a = c[known], a[known]
    row = a * n_observations + sequences.observations[c]
    flat = counts.steps[c].reshape(len(c), S * S)
    all_ = _weighted_means(flat, row, sequences, c, (A * n_observations, S * S))
    wide = np.repeat(np.repeat(R, n_observations, 0), S, 1)
    R = np.where(all_.visits >= MIN_VISITS, all_.R, wide)
    R, visits = (
        part.reshape(A, n_observations, S, S).transpose(0, 2, 3, 1) for part in (R, all_.visits)
    )
    return LearnedRewards(R, visits)


def _excess(sequences: Sequences, counts: ExpectedCounts, c: np.ndarray) -> float:
    """Test whether reward bins are independent of (s', o), given action and state (G test).

    Only cells of symbols that occur are stored; most others of a large alphabet are empty.
    """
    a, n = sequences.actions[c], counts.steps[c]
    rows, row = _group_sums(n, a, sequences.observations[c])  # by s and (s', o)
    columns, column = _group_sums(n.sum(axis=2), a, sequences.reward_bins[c])  # by s and level
    totals, total = _group_sums(n.sum(axis=2), a, np.zeros_like(a))
    chance = rows[row] * (columns[column] / np.maximum(totals[total], MIN_VISITS))[:, :, np.newaxis]
    positive = (n > 0.0) & (chance > 0.0)
    G = 2.0 * float((n[positive] * np.log(n[positive] / chance[positive])).sum())
    free = np.ones(totals.shape)
    for part, of, axes in ((rows, row, (2,)), (columns, column, ())):
        used = np.zeros(totals.shape)
        owner = np.zeros(len(part), dtype=np.int64)
        owner[of] = total
        np.add.at(used, owner, (part >= 1.0).sum(axis=axes))
        free *= (used - 1.0).clip(0.0)
    df = float(free.sum())
    return (G - df) / float(np.sqrt(2.0 * max(df, 1.0)))


def _group_sums(n: FloatArray, a: np.ndarray, other: np.ndarray) -> tuple[FloatArray, np.ndarray]:
    """Sum the rows of n by (a, other); returns the sums and the group of each row."""
    _, group = np.unique(a * (other.max(initial=0) + 2) + other + 1, return_inverse=True)
    sums = np.zeros((group.max(initial=-1) + 1, *n.shape[1:]))
    np.add.at(sums, group, n)
    return sums, group


def _weighted_means(
    steps: FloatArray,
    row: np.ndarray,
    sequences: Sequences,
    c: np.ndarray,
    shape: tuple[int, ...],
) -> LearnedRewards:
    """Mean rewards of the symbols c by row, weighted by their expected numbers of steps."""
    visits, sums = np.zeros(shape), np.zeros(shape)
    np.add.at(visits, row, steps)
    np.add.at(sums, row, steps * sequences.rewards[c][:, np.newaxis])
    return LearnedRewards(sums / np.where(visits >= MIN_VISITS, visits, 1.0), visits)
