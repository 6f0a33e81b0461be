"""Rewards: what they tell of the hidden states, and what each action earns in each state.

A reward is a second observation: where two states earn differently it tells them apart, often
better than the observations do. Rewards are put into levels, k: a level for each value where there
are few, else levels of about as many steps each; and W[a, s, k], how probable they are, is learned
with T and O by the same recursion (W[a, s, s', o, k] for rewards that depend on all of these).
The reward of a state is then the mean of the rewards received, weighted by the state's posterior:

    R[a, s] = sum of n[c, s] r[c] / sum of n[c, s]

over symbols c of action a, where n[c, s] counts how often c is expected to have happened in s and
r[c] is the mean reward of the steps with c. These are the means that maximise the likelihood.
Weights that know nothing of rewards would blur them: a state seen with an accuracy of 85% would be
paid 15% of what the other one earns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from pomdptool.episodes import NONE, Episodes
from pomdptool.learning.expectation import Expected
from pomdptool.learning.sequences import Sequences
from pomdptool.sparse import FloatArray, check_dense_size

RewardModel = Literal["state", "transition"]

LEVELS = 32
"""Most levels of rewards."""

CLEAR = 20.0
"""Excess from which on rewards are seen to depend on more than action and state."""

LEAST_VISITS = 1e-3
"""Expected visits below which a state's reward is not known."""


@dataclass(frozen=True, eq=False, slots=True)
class LearnedRewards:
    """Shape (A, S), or (A, S, S, O), each: R, its standard error, and expected visits.

    The error is infinite where there were no visits. There R[a, s] is the least reward seen, and
    R[a, s, s', o] the mean of R[a, s].

    `excess` says how clearly rewards depend on the next state and the observation, given action and
    state: by how many standard deviations the G statistic exceeds that of chance.
    """

    R: FloatArray
    error: FloatArray
    visits: FloatArray
    excess: float = 0.0


def cuts_of(episodes: Episodes) -> FloatArray | None:
    """Where levels of rewards part, ascending; None where there are no rewards."""
    if episodes.rewards is None:
        return None
    r = episodes.rewards[~np.isnan(episodes.rewards)]
    values = np.unique(r)
    if len(values) > LEVELS:
        values = np.unique(np.quantile(r, (np.arange(LEVELS) + 0.5) / LEVELS))
    return np.asarray(0.5 * (values[1:] + values[:-1]))


def frequencies(episodes: Episodes, cuts: FloatArray) -> FloatArray:
    """How often each level follows each action, shape (A, K); of one never rewarded, all alike."""
    assert episodes.rewards is not None
    A, K = len(episodes.action_names), len(cuts) + 1
    known = ~np.isnan(episodes.rewards) & (episodes.actions != NONE)
    level = np.searchsorted(cuts, episodes.rewards[known], "right")
    times = np.bincount(episodes.actions[known] * K + level, minlength=A * K).reshape(A, K)
    times[times.sum(axis=1) == 0] = 1
    return np.asarray(times / times.sum(axis=1, keepdims=True))


def with_axes(W: FloatArray, model: RewardModel, observations: int) -> FloatArray:
    """W[a, s, k] with all axes, the same along those that it does not depend on yet."""
    A, S, K = W.shape
    W = W[:, :, np.newaxis, np.newaxis]
    if model == "state":
        return W
    check_dense_size((A, S, S, observations, K), "table of rewards")
    return np.ascontiguousarray(np.broadcast_to(W, (A, S, S, observations, K)))


def learned_rewards(
    episodes: Episodes, sequences: Sequences, counts: Expected, model: RewardModel
) -> LearnedRewards:
    """Rewards from counts of sequences of the same episodes."""
    assert episodes.rewards is not None
    c = np.flatnonzero(sequences.levels != NONE)
    a = sequences.actions[c]
    by_state = _means(counts.steps[c].sum(axis=2), a, sequences, c, counts.T.shape[:2])
    known = ~np.isnan(episodes.rewards) & (episodes.actions != NONE)
    least = float(episodes.rewards[known].min()) if known.any() else 0.0
    R = np.where(np.isfinite(by_state.error), by_state.R, least)
    if model == "state":
        excess = _excess(sequences, counts, c, a)
        return LearnedRewards(R, by_state.error, by_state.visits, excess)
    A, S = R.shape
    n_observations = counts.Z.shape[2]
    seen = sequences.observations[c] != NONE
    c, a = c[seen], a[seen]
    row = a * n_observations + sequences.observations[c]
    flat = counts.steps[c].reshape(len(c), S * S)
    all_ = _means(flat, row, sequences, c, (A * n_observations, S * S))
    R = np.where(np.isfinite(all_.error), all_.R, np.repeat(np.repeat(R, n_observations, 0), S, 1))
    R, error, visits = (
        part.reshape(A, n_observations, S, S).transpose(0, 2, 3, 1)
        for part in (R, all_.error, all_.visits)
    )
    return LearnedRewards(R, error, visits)


def _excess(sequences: Sequences, counts: Expected, c: np.ndarray, a: np.ndarray) -> float:
    """Test the independence of a reward's level from what follows, given action and state."""
    (A, S), n_observations = counts.T.shape[:2], counts.Z.shape[2]
    K = int(sequences.levels[c].max(initial=0)) + 1
    G, df = 0.0, 0
    for action in range(A):
        n = np.zeros((n_observations + 1, K, S, S))
        own = c[a == action]
        np.add.at(n, (sequences.observations[own], sequences.levels[own]), counts.steps[own])
        tables = n.transpose(2, 3, 0, 1).reshape(S, -1, K)  # by s: (s', o) and level
        rows, columns = tables.sum(axis=2), tables.sum(axis=1)
        chance = rows[:, :, np.newaxis] * columns[:, np.newaxis]
        chance /= np.maximum(rows.sum(axis=1), LEAST_VISITS)[:, np.newaxis, np.newaxis]
        met = (tables > 0.0) & (chance > 0.0)
        G += 2.0 * float((tables[met] * np.log(tables[met] / chance[met])).sum())
        df += int(
            (
                ((rows >= 1.0).sum(axis=1) - 1).clip(0) * ((columns >= 1.0).sum(axis=1) - 1).clip(0)
            ).sum()
        )
    return (G - df) / float(np.sqrt(2.0 * max(df, 1)))


def _means(
    steps: FloatArray,
    row: np.ndarray,
    sequences: Sequences,
    c: np.ndarray,
    shape: tuple[int, ...],
) -> LearnedRewards:
    """Means of rewards, by rows that symbols c belong to, weighted by how often they happened."""
    visits, paid, squares = (np.zeros(shape) for _ in range(3))
    for total, value in (
        (visits, np.ones(len(c))),
        (paid, sequences.rewards[c]),
        (squares, sequences.squares[c]),
    ):
        np.add.at(total, row, steps * value[:, np.newaxis])
    known = visits >= LEAST_VISITS
    n = np.where(known, visits, 1.0)
    R = paid / n
    error = np.sqrt(np.maximum(squares / n - R * R, 0.0) / n)
    return LearnedRewards(R, np.where(known, error, np.inf), visits)
