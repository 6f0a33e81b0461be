"""Initialisation of EM: by clustering steps, or at random from Dirichlet distributions.

Parameters that are equal for all states are a fixed point of EM, surrounded by a plateau. Steps in
similar contexts often belong to the same state: each step is described by the actions, observations
and rewards around it, with weights that decay with distance; the steps are clustered by k-means
(Lloyd 1982, seeded by k-means++: Arthur and Vassilvitskii 2007); and the transitions, observations
and rewards of the clusters are counted and mixed with random rows. The decay and the mixing weight
are drawn anew for each restart.
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
from pomdptool.learning.ends import with_terminal_state, without_terminal_observations
from pomdptool.learning.m_step import MStepSettings
from pomdptool.learning.parameters import Parameters, parameters_of
from pomdptool.learning.rewards import RewardModel, with_all_axes
from pomdptool.limits import LimitReached
from pomdptool.model import Model
from pomdptool.sparse import FloatArray, IntArray

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

MAX_CLUSTERED_STEPS = 20_000
"""Maximum number of steps that are clustered."""

CONTEXT = 6
"""Number of steps before and after a step that describe it."""

KMEANS_ITERATIONS = 20
"""Maximum number of k-means iterations."""

CANDIDATES = 4
"""Candidate initialisations per restart."""

SAME_OBSERVATIONS = 1e-9
"""Difference of probabilities below which states have equal observations."""


def parameters_of_init(
    init: Model, states: int | None, shared: bool, warnings: list[str]
) -> Parameters:
    """Parameters of an initial model."""
    if states is not None and states != init.n_states:
        raise DataError(f"the initial model has {init.n_states} states, not {states}")
    parameters = parameters_of(init)
    Z = parameters.Z
    if shared and not parameters.shared:
        raise DataError("the observations of the initial model depend on the action")
    if init.n_states > 1 and np.ptp(Z, axis=1).max() < SAME_OBSERVATIONS:
        warnings.append(
            "all states of the initial model have the same observation probabilities, which EM "
            "cannot change: its states are not identifiable"
        )
    return replace(parameters, Z=Z if shared else np.repeat(Z, init.n_actions // len(Z), axis=0))


@dataclass(frozen=True, eq=False, slots=True)
class Initialiser:
    """Draws candidate initialisations; `frequencies[a, k]` are those of reward bins by action."""

    episodes: Episodes
    states: int
    shared: bool
    settings: MStepSettings
    bin_edges: FloatArray | None
    frequencies: FloatArray
    reward_model: RewardModel
    check: Callable[[], None]

    def candidates(self, seed: int) -> Iterator[Parameters]:
        """Draw candidates: one by clustering, if time permits, the others at random."""
        rng, n_observations = np.random.default_rng(seed), len(self.episodes.observation_names)
        with contextlib.suppress(LimitReached):
            clustered = clustered_parameters(
                without_terminal_observations(self.episodes),
                *(self.states, self.frequencies, self.bin_edges, self.shared, rng, self.check),
            )
            yield self._completed(clustered)
        for _ in range(CANDIDATES - 1):
            yield self._completed(
                random_parameters(self.states, n_observations, self.frequencies, self.shared, rng)
            )

    def _completed(self, parameters: Parameters) -> Parameters:
        """Make rows without data uniform, and the initial belief if it is fixed."""
        A, n_observations = len(self.frequencies), len(self.episodes.observation_names)
        acted = self.episodes.actions[self.episodes.actions != NONE]
        unused = np.bincount(acted, minlength=A) == 0
        parameters.T[unused] = 1.0 / self.states
        parameters.W[unused] = self.frequencies[unused, np.newaxis, np.newaxis, np.newaxis]
        if not self.shared:
            parameters.Z[unused] = 1.0 / n_observations
        if "start" in self.settings.fix:
            parameters.start[:] = 1.0 / self.states
        W = with_all_axes(parameters.W[:, :, 0, 0], self.reward_model, n_observations)
        return with_terminal_state(replace(parameters, W=W), self.episodes, self.reward_model)


def with_reward_bins(
    parameters: Parameters,
    frequencies: FloatArray,
    bin_edges: FloatArray | None,
    model: RewardModel,
) -> Parameters:
    """Add reward probabilities, equal for all states, as frequent as in the data."""
    if bin_edges is None:
        return parameters
    W = np.repeat(frequencies[:, np.newaxis], parameters.n_states, axis=1)
    return replace(parameters, W=with_all_axes(W, model, parameters.Z.shape[2]))


def random_parameters(
    states: int,
    observations: int,
    frequencies: FloatArray,
    shared: bool,
    rng: np.random.Generator,
) -> Parameters:
    """Rows from Dirichlet distributions, with a random probability of staying in T.

    W[a, s, k] is drawn around `frequencies[a, k]`.
    """
    actions = len(frequencies)
    stay = rng.choice([0.0, 0.5, 0.9]) * np.eye(states)
    T = rng.dirichlet(np.ones(states), size=(actions, states))
    T = stay + (1.0 - stay.max()) * T
    Z = rng.dirichlet(np.ones(observations), size=(1 if shared else actions, states))
    W = frequencies[:, np.newaxis] * rng.exponential(size=(actions, states, frequencies.shape[1]))
    W /= W.sum(axis=2, keepdims=True)
    start = rng.dirichlet(np.full(states, 5.0))
    return Parameters(T, Z, start, with_all_axes(W, "state", observations))


def clustered_parameters(
    episodes: Episodes,
    states: int,
    frequencies: FloatArray,
    bin_edges: FloatArray | None,
    shared: bool,
    rng: np.random.Generator,
    check: Callable[[], None],
) -> Parameters:
    """Relative frequencies between clusters of steps, mixed with random rows."""
    O = len(episodes.observation_names)  # noqa: E741 - the field's name
    random = random_parameters(states, O, frequencies, shared, rng)
    decay = rng.uniform(0.2, 0.9)
    steps = _sample(episodes, rng)
    features = (
        (episodes.actions, len(frequencies)),
        (episodes.observations, O),
        (bin_rewards(episodes, bin_edges)[1], frequencies.shape[1]),
    )
    label = _k_means(_context_features(episodes, steps, features, decay), states, rng, check)
    a, o, k = (index[steps] for index, _ in features)
    inner = (np.diff(steps) == 1) & ~np.isin(steps[1:], episodes.first) & (a[1:] != NONE)
    T, Z, W = (np.zeros(array.shape) for array in (random.T, random.Z, random.W))
    np.add.at(T, (a[1:][inner], label[:-1][inner], label[1:][inner]), 1.0)
    known = (o != NONE) & (shared | (a != NONE))
    np.add.at(Z, (np.zeros_like(a[known]) if shared else a[known], label[known], o[known]), 1.0)
    rewarded = inner & (k[1:] != NONE)
    np.add.at(W, (a[1:][rewarded], label[:-1][rewarded], 0, 0, k[1:][rewarded]), 1.0)
    weight = rng.uniform(0.1, 0.5)
    return Parameters(
        _mixed(T, random.T, weight),
        _mixed(Z, random.Z, weight),
        random.start,
        _mixed(W, random.W, weight),
    )


def _mixed(counts: FloatArray, random: FloatArray, weight: float) -> FloatArray:
    sums = counts.sum(axis=-1, keepdims=True)
    rows = np.where(sums > 0.0, counts / np.maximum(sums, 1.0), random)
    return (1.0 - weight) * rows + weight * random


def _sample(episodes: Episodes, rng: np.random.Generator) -> IntArray:
    """Indices of at most MAX_CLUSTERED_STEPS steps, in runs of 200, ascending."""
    n, length = episodes.n_steps, 200
    if n <= MAX_CLUSTERED_STEPS:
        return np.arange(n)
    runs = np.sort(rng.choice(n // length, MAX_CLUSTERED_STEPS // length, replace=False))
    return (length * runs[:, np.newaxis] + np.arange(length)).ravel()


def _context_features(
    episodes: Episodes,
    steps: IntArray,
    features: tuple[tuple[IntArray, int], ...],
    decay: float,
) -> csr_matrix:
    """Describe steps by the weighted features before (and at) and after them, a row each.

    A feature is an index per step and the number of its values. Columns that are zero are left out:
    there may be millions of names.
    """
    from scipy.sparse import csr_matrix

    n = episodes.n_steps
    bases = np.cumsum([0, *(number for _, number in features)])
    episode = np.searchsorted(episodes.first, steps, side="right")
    rows, columns, weights = [], [], []
    for lag in range(-CONTEXT, CONTEXT + 1):
        at = np.clip(steps + lag, 0, n - 1)
        inside = (at == steps + lag) & (np.searchsorted(episodes.first, at, "right") == episode)
        for (indices, _), base in zip(features, bases[:-1], strict=True):
            index = indices[at]
            known = np.flatnonzero(inside & (index != NONE))
            side = int(lag > 0)
            rows.append(known)
            columns.append(side * bases[-1] + base + index[known])
            weights.append(np.full(len(known), decay ** (abs(lag) - side)))
    occurs, column = np.unique(np.concatenate(columns), return_inverse=True)
    return csr_matrix(
        (np.concatenate(weights), (np.concatenate(rows), column)),
        shape=(len(steps), max(1, len(occurs))),
    )


def _k_means(
    points: csr_matrix, k: int, rng: np.random.Generator, check: Callable[[], None]
) -> IntArray:
    """Cluster the rows of a sparse matrix by k-means++; returns labels 0..k-1, shape (n,).

    `scipy.cluster.vq.kmeans2` needs dense rows (1.6 GB with 5,000 observations) and eight times as
    long with 100 clusters, fails with fewer than k distinct rows, and cannot be interrupted.
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
        centres = centres[np.where(size > 0, 0, k) + np.arange(k)]  # keep centres without members
    return label


def _squared_norms(rows: csr_matrix) -> FloatArray:
    """Squared Euclidean norm of each row."""
    return np.asarray(rows.multiply(rows).sum(axis=1)).ravel()
