"""How far two models are from each other.

Hidden states have no names of their own, so those of the second model are aligned first: with
states of the first model that are probable at the same steps of the same data (the assignment with
the largest overlap of posteriors; Kuhn 1955, by scipy), or, where these data are impossible in
the second model, with states that show the same. Then distances of the tables, and, which needs no
alignment, the rate at which data tell the models apart (Juang and Rabiner 1985):

    (log P(data | model they are from) - log P(data | other model)) / steps
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
"""Trajectories of each model, and their steps, that the rates are measured on."""


@dataclass(frozen=True, slots=True)
class Distance:
    """Of the rows of a table: total variation, or of rewards the absolute difference."""

    mean: float
    worst: float


@dataclass(frozen=True, eq=False, slots=True)
class Comparison:
    """Distances between a true and a learned model.

    Attributes
    ----------
    states
        Shape (S,): the learned state that each true state is aligned with; -1 for none, where the
        learned model has fewer.
    T, O, start, R
        Distances over the states that are aligned, R of expected rewards r[a, s].
    rate_true, rate_learned
        Log-likelihood per step by which the true model's data are less likely under the learned
        model, and the other way round; infinite where they are impossible.
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
    """Compare two models over the same actions and observations, in any order.

    Raises
    ------
    DataError
        Where actions or observations differ.
    ModelError
        Where tables would be too large.
    """
    for what, of_true, of_learned in (
        ("actions", true.actions, learned.actions),
        ("observations", true.observations, learned.observations),
    ):
        if set(of_true) != set(of_learned):
            odd = sorted(set(of_true) ^ set(of_learned))[0]
            raise DataError(f"the models' {what} differ: only one of them has {odd!r}")
    # Episodes continue in terminal states, so that the data of both models have the same length.
    data, others = (
        sample(model, episodes=episodes, steps=steps, rng=rng, ends="continue")
        for model in (true, learned)
    )
    rates = []
    for seen, own, other in ((data, true, learned), (others, learned, true)):
        rates.append((float(loglik(own, seen)) - float(loglik(other, seen))) / seen.n_steps)
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
    """T, Z and r of a model, actions and observations in the order of another."""
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
    """Total variation, counting what leads to states that are not aligned."""
    lost = np.abs(one.sum(axis=-1) - two.sum(axis=-1))
    apart = 0.5 * (np.abs(one - two).sum(axis=-1) + lost)
    return Distance(float(apart.mean()), float(apart.max()))
