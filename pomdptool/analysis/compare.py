"""Distances between two models.

The labels of hidden states are arbitrary, so states are aligned first: by the assignment (Kuhn
1955) with the largest overlap of posteriors on data of the first model, or, if these data are
impossible under the second model, by similar observation probabilities. Distances of the parameters
follow, and, independent of the alignment, the divergence rates (Juang and Rabiner 1985)

    (log P(data | own model) - log P(data | other model)) / steps
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pomdptool.acting.sample import sample
from pomdptool.episodes import Episodes
from pomdptool.errors import DataError
from pomdptool.learning.decode import decode
from pomdptool.learning.likelihood import loglik
from pomdptool.model import Model
from pomdptool.sparse import FloatArray, IntArray

EPISODES, STEPS = 200, 100
"""Episodes sampled from each model, and their length, to estimate the rates."""


@dataclass(frozen=True, slots=True)
class Distance:
    """Mean and maximum over rows: total variation distance, or absolute difference of rewards."""

    mean: float
    worst: float


@dataclass(frozen=True, eq=False, slots=True)
class Comparison:
    """Distances between a true and a learned model.

    Attributes
    ----------
    states
        Learned state aligned with each true state, shape (S,); -1 for none.
    T, O, start, R
        Distances over aligned states; R compares expected rewards r[a, s].
    rate_true, rate_learned
        Divergence rate for data of the true and of the learned model; infinite if these are
        impossible under the other model.
    """

    states: IntArray
    T: Distance
    O: Distance  # noqa: E741 - the format's name
    start: Distance
    R: Distance
    rate_true: float
    rate_learned: float


def compare(
    true: Model,
    learned: Model,
    *,
    rng: np.random.Generator,
    episodes: int = EPISODES,
    steps: int = STEPS,
) -> Comparison:
    """Compare two models with the same actions and observations, in any order.

    Raises
    ------
    DataError
        If actions or observations differ.
    ModelError
        If the models are too large for dense arrays.
    """
    for kind, of_true, of_learned in (
        ("actions", true.actions, learned.actions),
        ("observations", true.observations, learned.observations),
    ):
        if set(of_true) != set(of_learned):
            odd = sorted(set(of_true) ^ set(of_learned))[0]
            raise DataError(f"the models' {kind} differ: only one of them has {odd!r}")
    # Episodes continue in terminal states, so that the data of both models have the same length.
    data, others = (
        sample(model, episodes=episodes, steps=steps, rng=rng, ends="continue")
        for model in (true, learned)
    )
    rates = []
    for sampled, own, other in ((data, true, learned), (others, learned, true)):
        difference = float(loglik(own, sampled)) - float(loglik(other, sampled))
        rates.append(difference / sampled.n_steps)
    order = _aligned(true, learned, data, possible=bool(np.isfinite(rates[0])))
    return Comparison(order, *_distances(true, learned, order), *rates)


def _aligned(true: Model, learned: Model, data: Episodes, *, possible: bool) -> IntArray:
    from scipy.optimize import linear_sum_assignment

    overlap = np.zeros((true.n_states, learned.n_states))
    if possible:
        for one, two in zip(decode(true, data), decode(learned, data), strict=True):
            overlap += one.states.T @ two.states
        used = np.maximum(overlap.sum(axis=1, keepdims=True), 1e-9)
        overlap = overlap / used + overlap / np.maximum(overlap.sum(axis=0), 1e-9)
    else:
        Z = _in_order(learned, true)[1]
        for s in range(true.n_states):
            overlap[s] = -np.abs(true.Z[:, s, np.newaxis] - Z).sum(axis=(0, 2))
    rows, columns = linear_sum_assignment(-overlap)
    order = np.full(true.n_states, -1, dtype=np.int64)
    order[rows] = columns
    return order


def _in_order(learned: Model, true: Model) -> tuple[FloatArray, FloatArray, FloatArray]:
    """T, Z and r of a model, with actions and observations in the order of another."""
    a = [learned.actions.index(name) for name in true.actions]
    o = [learned.observations.index(name) for name in true.observations]
    return learned.T[a], learned.Z[a][:, :, o], learned.expected_rewards[a]


def _distances(
    true: Model, learned: Model, order: IntArray
) -> tuple[Distance, Distance, Distance, Distance]:
    T, Z, r = _in_order(learned, true)
    here = np.flatnonzero(order >= 0)
    there = order[here]
    r_apart = np.abs(true.expected_rewards[:, here] - r[:, there])
    return (
        _rows(true.T[:, here][:, :, here], T[:, there][:, :, there]),
        _rows(true.Z[:, here], Z[:, there]),
        _rows(true.start[here], learned.start[there]),
        Distance(float(r_apart.mean()), float(r_apart.max())),
    )


def _rows(one: FloatArray, two: FloatArray) -> Distance:
    """Total variation distance of rows, including the mass of states that are not aligned."""
    lost = np.abs(one.sum(axis=-1) - two.sum(axis=-1))
    apart = 0.5 * (np.abs(one - two).sum(axis=-1) + lost)
    return Distance(float(apart.mean()), float(apart.max()))
