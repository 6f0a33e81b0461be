"""Distances between two models.

The labels of hidden states are arbitrary, so states are aligned first: by the assignment (Kuhn
1955) with the largest overlap of posteriors on data of the first model, or, if these data are
impossible under the second model, by similar observation probabilities. Distances of the parameters
follow, and, independent of the alignment, the divergence rates (Juang and Rabiner 1985)

    (log P(data | own model) - log P(data | other model)) / steps
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from pomdptool.acting.agents import Interrupted
from pomdptool.acting.sample import sample
from pomdptool.analysis.parts import OnPart, cut, report_nothing
from pomdptool.arguments import as_model
from pomdptool.episodes import Episodes
from pomdptool.errors import DataError
from pomdptool.learning.decode import decode
from pomdptool.learning.likelihood import loglik
from pomdptool.learning.subsets import select_episodes
from pomdptool.limits import LimitReached, Limits
from pomdptool.model import Model
from pomdptool.randomness import generator
from pomdptool.readable import Readable
from pomdptool.sparse import FloatArray, IntArray, check_dense_size

EPISODES, FEWEST_EPISODES, STEPS = 200, 5, 100
"""Episodes sampled from each model, the number for large models, and their length."""

WORK = 4_000_000_000
"""Multiplications of the default comparison, unless it has the fewest episodes."""

CHUNK = 1_000_000_000
"""Multiplications between two looks at the limits."""


@dataclass(frozen=True, slots=True)
class Distance:
    """Mean and maximum over rows: total variation distance, or absolute difference of rewards."""

    mean: float
    worst: float


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Comparison(Readable):
    """Distances between a true and a learned model.

    Attributes
    ----------
    states
        Learned state aligned with each true state, shape (S,); -1 for none.
    T, O, start, R
        Distances over aligned states; R compares expected rewards r[a, s].
    rate_true, rate_learned
        Divergence rate for data of the true and of the learned model; infinite if these are
        impossible under the other model, NaN if not computed.
    episodes
        Number of episodes sampled from each model.
    reasons
        Why a part is not complete, by the names of the attributes.
    """

    states: IntArray
    T: Distance
    O: Distance  # noqa: E741 - the format's name
    start: Distance
    R: Distance
    rate_true: float
    rate_learned: float
    episodes: int = 0
    reasons: dict[str, str] = field(default_factory=dict)


def compare(
    true: Model,
    learned: Model,
    *,
    rng: np.random.Generator | int,
    episodes: int | None = None,
    steps: int = STEPS,
    time_limit: float | None = None,
    on_part: OnPart | None = None,
    interrupted: Interrupted | None = None,
) -> Comparison:
    """Compare two models with the same actions and observations, in any order.

    Parameters
    ----------
    episodes, steps
        Number of episodes sampled from each model, by default 200 or as many as take a few
        seconds, and their length.
    time_limit
        Limit in seconds; parts that were cut are named in `reasons`.
    on_part
        Called with the part at work, how much of it is done, and how much there is to do.
    interrupted
        Polled regularly; what is done by then is returned.

    Raises
    ------
    DataError
        If actions or observations differ.
    ModelError
        If the models are too large for dense arrays.
    """
    rng, true, learned = generator(rng), as_model(true), as_model(learned)
    _check_comparable(true, learned)
    limits, report = Limits(time_limit, interrupted), on_part or report_nothing
    work = steps * (true.n_states**2 + learned.n_states**2)
    reasons: dict[str, str] = {}
    if episodes is None:
        episodes = min(EPISODES, max(FEWEST_EPISODES, WORK // (4 * work)))
        if episodes < EPISODES:
            reasons["states"] = f"{episodes} trajectories by default, because each takes long"
    # Episodes continue in terminal states, so that the data of both models have the same length.
    data, others = (
        sample(model, episodes=episodes, steps=steps, rng=rng, ends="continue")
        for model in (true, learned)
    )
    rates: list[float] = []
    measured: list[Episodes] = []
    size = max(1, CHUNK // work)
    for name, sampled, own, other in (
        ("rate_true", data, true, learned),
        ("rate_learned", others, learned, true),
    ):
        rate, parts, stopped = _rate(own, other, _chunks(sampled, size), limits)
        done = sum(part.n_episodes for part in parts)
        report(f"{name}: trajectories".replace("_", " "), done, episodes)
        if stopped is not None:
            reasons[name] = cut(stopped, done, episodes, "trajectories")
        rates.append(rate)
        measured = measured or parts
    possible = measured if np.isfinite(rates[0]) else []
    order, done, stopped = _aligned(true, learned, possible, limits, report)
    if stopped is not None:
        reasons["states"] = cut(stopped, done, episodes, "trajectories")
    distances = _distances(true, learned, order)
    return Comparison(order, *distances, rates[0], rates[1], episodes, reasons)


def _rate(
    own: Model, other: Model, chunks: Iterator[Episodes], limits: Limits
) -> tuple[float, list[Episodes], str | None]:
    """Divergence rate on data of the model `own`, the data used, and the limit reached, if any."""
    difference, done, steps = 0.0, [], 0
    stopped = None
    try:
        for part in chunks:
            limits.check()
            difference += float(loglik(own, part)) - float(loglik(other, part))
            done.append(part)
            steps += part.n_steps
    except LimitReached as limit:
        stopped = limit.reason
    return difference / steps if done else math.nan, done, stopped


def _check_comparable(true: Model, learned: Model) -> None:
    for kind, of_true, of_learned in (
        ("actions", true.actions, learned.actions),
        ("observations", true.observations, learned.observations),
    ):
        if set(of_true) != set(of_learned):
            odd = sorted(set(of_true) ^ set(of_learned))[0]
            raise DataError(f"the models' {kind} differ: only one of them has {odd!r}")
    for model in (true, learned):
        check_dense_size((model.n_actions, model.n_states, model.n_states), "T")


def _chunks(episodes: Episodes, size: int) -> Iterator[Episodes]:
    """Some episodes after the other."""
    for first in range(0, episodes.n_episodes, size):
        which = np.zeros(episodes.n_episodes, dtype=bool)
        which[first : first + size] = True
        yield episodes if which.all() else select_episodes(episodes, which)


def _aligned(
    true: Model, learned: Model, possible: list[Episodes], limits: Limits, report: OnPart
) -> tuple[IntArray, int, str | None]:
    """Learned state of each true state, from data of the true model, possible in both.

    Returns also the number of episodes used, and the limit reached, if any. Without data, states
    with similar observation probabilities are aligned.
    """
    from scipy.optimize import linear_sum_assignment

    overlap, done, stopped = np.zeros((true.n_states, learned.n_states)), 0, None
    total = sum(data.n_episodes for data in possible)
    try:
        for data in possible:
            for one, two in zip(decode(true, data), decode(learned, data), strict=True):
                limits.check()
                overlap += one.states.T @ two.states
                done += 1
                report("alignment: trajectories", done, total)
    except LimitReached as limit:
        stopped = limit.reason
    if done:
        used = np.maximum(overlap.sum(axis=1, keepdims=True), 1e-9)
        overlap = overlap / used + overlap / np.maximum(overlap.sum(axis=0), 1e-9)
    else:
        Z = _in_order(learned, true)[1]
        for s in range(true.n_states):
            overlap[s] = -np.abs(true.Z[:, s, np.newaxis] - Z).sum(axis=(0, 2))
    rows, columns = linear_sum_assignment(-overlap)
    order = np.full(true.n_states, -1, dtype=np.int64)
    order[rows] = columns
    return order, done, stopped


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
