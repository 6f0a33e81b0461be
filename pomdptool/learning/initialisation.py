"""Where learning starts: tables drawn at random, or from clusters of what happens around a step.

Tables that are the same for all states are a fixed point of EM, and those near it a plateau. Steps
that look alike to their neighbours come from the same state more often than not: each step is
described by the actions, observations and rewards around it, weighted less the farther away, steps
are clustered by k-means (Lloyd 1982, seeded as by Arthur and Vassilvitskii 2007), and counts of the
clusters' transitions, observations and rewards, blurred, are the tables. How far one looks, and how
much is blurred, is drawn anew for each start. Beside these there are tables from Dirichlet
distributions.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from pomdptool.episodes import NONE, Episodes
from pomdptool.errors import DataError
from pomdptool.learning.encoding import bin_rewards
from pomdptool.learning.m_step import MStepSettings
from pomdptool.learning.parameters import Parameters, parameters_of
from pomdptool.learning.rewards import RewardModel, with_all_axes
from pomdptool.limits import LimitReached
from pomdptool.model import Model
from pomdptool.sparse import FloatArray, IntArray

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

MAX_CLUSTERED_STEPS = 20_000
"""Most steps that are clustered."""

CONTEXT = 6
"""How many steps one looks back and ahead."""

KMEANS_ITERATIONS = 20
"""Rounds of k-means."""

CANDIDATES = 4
"""Tables that are drawn for one start."""

SAME_OBSERVATIONS = 1e-9
"""States whose observations differ by less are the same."""


def parameters_of_init(
    init: Model, states: int | None, shared: bool, warnings: list[str]
) -> Parameters:
    """Tables of a model to start from."""
    if states is not None and states != init.n_states:
        raise DataError(f"the model to start from has {init.n_states} states, not {states}")
    parameters = parameters_of(init)
    if shared and not parameters.shared:
        raise DataError("the observations of the model to start from depend on the action")
    if parameters.n_states > 1 and np.ptp(parameters.Z, axis=1).max() < SAME_OBSERVATIONS:
        warnings.append(
            "all states of the model to start from have the same observations: nothing tells them "
            "apart, and learning leaves them so"
        )
    Z = (
        parameters.Z
        if shared
        else np.repeat(parameters.Z, init.n_actions // len(parameters.Z), axis=0)
    )
    return Parameters(parameters.T, Z, parameters.start)


@dataclass(frozen=True, eq=False, slots=True)
class Initialiser:
    """What drafts of a start are drawn from.

    `often` has shape (A, K): how often each level of reward follows each action.
    """

    episodes: Episodes
    states: int
    shared: bool
    settings: MStepSettings
    bin_edges: FloatArray | None
    frequencies: FloatArray
    reward_model: RewardModel
    check: Callable[[], None]

    def of(self, seed: int) -> Iterator[Parameters]:
        """Draw drafts one after another: one of clusters, if there is time, others at random."""
        rng = np.random.default_rng(seed)
        with contextlib.suppress(LimitReached):
            yield self._completed(
                clustered_parameters(
                    *(self.episodes, self.states, self.frequencies, self.bin_edges),
                    shared=self.shared,
                    rng=rng,
                    check=self.check,
                )
            )
        for _ in range(CANDIDATES - 1):
            n_observations = len(self.episodes.observation_names)
            yield self._completed(
                random_parameters(
                    self.states, n_observations, self.frequencies, shared=self.shared, rng=rng
                )
            )

    def _completed(self, parameters: Parameters) -> Parameters:
        """Leave rows uniform that the data say nothing of, and a start that is fixed."""
        A, n_observations = len(self.frequencies), len(self.episodes.observation_names)
        acted = self.episodes.actions[self.episodes.actions != NONE]
        untried = np.bincount(acted, minlength=A) == 0
        parameters.T[untried] = 1.0 / self.states
        parameters.W[untried] = self.frequencies[untried, np.newaxis, np.newaxis, np.newaxis]
        if not self.shared:
            parameters.Z[untried] = 1.0 / n_observations
        if "start" in self.settings.fix:
            parameters.start[:] = 1.0 / self.states
        return replace(
            parameters, W=with_all_axes(parameters.W[:, :, 0, 0], self.reward_model, n_observations)
        )


def with_reward_bins(
    parameters: Parameters,
    frequencies: FloatArray,
    bin_edges: FloatArray | None,
    model: RewardModel,
) -> Parameters:
    """Tables that were given, with levels of rewards as frequent in all states as in the data."""
    if bin_edges is None:
        return parameters
    W = np.repeat(frequencies[:, np.newaxis], parameters.n_states, axis=1)
    return replace(parameters, W=with_all_axes(W, model, parameters.Z.shape[2]))


def random_parameters(
    states: int,
    observations: int,
    frequencies: FloatArray,
    *,
    shared: bool,
    rng: np.random.Generator,
) -> Parameters:
    """Rows from Dirichlet distributions, those of T leaning to staying or not, as it is drawn.

    W[a, s, k] is drawn about the frequencies of levels `often`, (A, K).
    """
    actions = len(frequencies)
    stay = rng.choice([0.0, 0.5, 0.9]) * np.eye(states)
    T = rng.dirichlet(np.ones(states), size=(actions, states))
    T = stay + (1.0 - stay.max()) * T
    Z = rng.dirichlet(np.ones(observations), size=(1 if shared else actions, states))
    W = frequencies[:, np.newaxis] * rng.exponential(size=(actions, states, frequencies.shape[1]))
    W /= W.sum(axis=2, keepdims=True)
    return Parameters(
        T, Z, rng.dirichlet(np.full(states, 5.0)), with_all_axes(W, "state", observations)
    )


def clustered_parameters(
    episodes: Episodes,
    states: int,
    frequencies: FloatArray,
    bin_edges: FloatArray | None,
    *,
    shared: bool,
    rng: np.random.Generator,
    check: Callable[[], None],
) -> Parameters:
    """Tables of counts between clusters of steps, blurred by random rows."""
    drawn = random_parameters(
        states, len(episodes.observation_names), frequencies, shared=shared, rng=rng
    )
    fade = rng.uniform(0.2, 0.9)
    chosen = _sample(episodes, rng)
    level = bin_rewards(episodes, bin_edges)[1]
    happened = (
        (episodes.actions, len(frequencies)),
        (episodes.observations, len(episodes.observation_names)),
        (level, frequencies.shape[1]),
    )
    label = _k_means(_context_features(episodes, chosen, happened, fade), states, rng, check)
    a, o, k = (index[chosen] for index, _ in happened)
    inner = (np.diff(chosen) == 1) & ~np.isin(chosen[1:], episodes.first) & (a[1:] != NONE)
    T, Z = np.zeros(drawn.T.shape), np.zeros(drawn.Z.shape)
    np.add.at(T, (a[1:][inner], label[:-1][inner], label[1:][inner]), 1.0)
    seen = (o != NONE) & (shared | (a != NONE))
    np.add.at(Z, (np.zeros_like(a[seen]) if shared else a[seen], label[seen], o[seen]), 1.0)
    W = np.zeros(drawn.W.shape)
    paid = inner & (k[1:] != NONE)
    np.add.at(W, (a[1:][paid], label[:-1][paid], 0, 0, k[1:][paid]), 1.0)
    blur = rng.uniform(0.1, 0.5)
    return Parameters(
        _smoothed(T, drawn.T, blur),
        _smoothed(Z, drawn.Z, blur),
        drawn.start,
        _smoothed(W, drawn.W, blur),
    )


def _smoothed(counts: FloatArray, drawn: FloatArray, blur: float) -> FloatArray:
    sums = counts.sum(axis=-1, keepdims=True)
    rows = np.where(sums > 0.0, counts / np.maximum(sums, 1.0), drawn)
    return (1.0 - blur) * rows + blur * drawn


def _sample(episodes: Episodes, rng: np.random.Generator) -> IntArray:
    """Steps in stretches, all of them where they are few; ascending."""
    n = episodes.n_steps
    if n <= MAX_CLUSTERED_STEPS:
        return np.arange(n)
    stretch = 200
    begins = (
        np.sort(rng.choice(n // stretch, MAX_CLUSTERED_STEPS // stretch, replace=False)) * stretch
    )
    return (begins[:, np.newaxis] + np.arange(stretch)).ravel()


def _context_features(
    episodes: Episodes,
    chosen: IntArray,
    happened: tuple[tuple[IntArray, int], ...],
    fade: float,
) -> csr_matrix:
    """Describe steps by what happened around them, indices below a number each; two sides a row.

    Columns are those that occur: there may be millions of names.
    """
    from scipy.sparse import csr_matrix

    n = episodes.n_steps
    bases = np.cumsum([0, *(number for _, number in happened)])
    episode = np.searchsorted(episodes.first, chosen, side="right")
    rows, columns, weights = [], [], []
    for lag in range(-CONTEXT, CONTEXT + 1):
        at = np.clip(chosen + lag, 0, n - 1)
        inside = (at == chosen + lag) & (np.searchsorted(episodes.first, at, "right") == episode)
        for (indices, _), base in zip(happened, bases[:-1], strict=True):
            index = indices[at]
            there = np.flatnonzero(inside & (index != NONE))
            side = int(lag > 0)
            rows.append(there)
            columns.append(side * bases[-1] + base + index[there])
            weights.append(np.full(len(there), fade ** (abs(lag) - side)))
    occurs, column = np.unique(np.concatenate(columns), return_inverse=True)
    return csr_matrix(
        (np.concatenate(weights), (np.concatenate(rows), column)),
        shape=(len(chosen), max(1, len(occurs))),
    )


def _k_means(
    points: csr_matrix, k: int, rng: np.random.Generator, check: Callable[[], None]
) -> IntArray:
    """Cluster the rows of a matrix; shape (n,), a label in 0..k-1 each.

    `scipy.cluster.vq.kmeans2` finds the same clusters, but of dense rows (1.6 GB with 5,000
    observations), in eight times the time with 100 clusters, not where fewer than k rows differ,
    and without looking at a clock.
    """
    from scipy.sparse import csr_matrix, vstack

    n = points.shape[0]
    squares = _squared_norms(points)
    chosen = [int(rng.integers(n))]
    nearest = np.full(n, np.inf)
    while True:
        check()
        centre = points[[chosen[-1]]]
        apart = squares - 2.0 * (points @ centre.T).toarray()[:, 0] + _squared_norms(centre)[0]
        nearest = np.minimum(nearest, np.maximum(apart, 0.0))
        if len(chosen) == k:
            break
        total = nearest.sum()
        chosen.append(int(rng.choice(n, p=nearest / total if total > 0.0 else None)))
    centres = points[chosen]
    label = np.zeros(n, dtype=np.int64)
    for _ in range(KMEANS_ITERATIONS):
        check()
        far = _squared_norms(centres) - 2.0 * (points @ centres.T).toarray()
        before, label = label, far.argmin(axis=1)
        if np.array_equal(before, label):
            break
        size = np.bincount(label, minlength=k)
        members = csr_matrix((1.0 / size[label], (label, np.arange(n))), shape=(k, n))
        centres = vstack([members @ points, centres], format="csr")
        centres = centres[np.where(size > 0, 0, k) + np.arange(k)]  # an empty one stays
    return label


def _squared_norms(rows: csr_matrix) -> FloatArray:
    """Squared length of each row."""
    return np.asarray(rows.multiply(rows).sum(axis=1)).ravel()
