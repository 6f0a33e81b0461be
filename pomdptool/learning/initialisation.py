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
from pomdptool.learning.encoding import levels_of
from pomdptool.learning.m_step import Settings
from pomdptool.learning.parameters import Tables, tables_of
from pomdptool.learning.rewards import RewardModel, with_axes
from pomdptool.limits import LimitReached
from pomdptool.model import Model
from pomdptool.sparse import FloatArray, IntArray

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

SAMPLE = 20_000
"""Most steps that are clustered."""

WIDTH = 6
"""How many steps one looks back and ahead."""

ROUNDS = 20
"""Rounds of k-means."""

DRAFTS = 4
"""Tables that are drawn for one start."""

FLAT = 1e-9
"""States whose observations differ by less are the same."""


def given_tables(init: Model, states: int | None, shared: bool, warnings: list[str]) -> Tables:
    """Tables of a model to start from."""
    if states is not None and states != init.n_states:
        raise DataError(f"the model to start from has {init.n_states} states, not {states}")
    tables = tables_of(init)
    if shared and not tables.shared:
        raise DataError("the observations of the model to start from depend on the action")
    if tables.n_states > 1 and np.ptp(tables.Z, axis=1).max() < FLAT:
        warnings.append(
            "all states of the model to start from have the same observations: nothing tells them "
            "apart, and learning leaves them so"
        )
    Z = tables.Z if shared else np.repeat(tables.Z, init.n_actions // len(tables.Z), axis=0)
    return Tables(tables.T, Z, tables.start)


@dataclass(frozen=True, eq=False, slots=True)
class Drafts:
    """What drafts of a start are drawn from.

    `often` has shape (A, K): how often each level of reward follows each action.
    """

    episodes: Episodes
    states: int
    shared: bool
    settings: Settings
    cuts: FloatArray | None
    often: FloatArray
    reward_model: RewardModel
    check: Callable[[], None]

    def of(self, seed: int) -> Iterator[Tables]:
        """Draw drafts one after another: one of clusters, if there is time, others at random."""
        rng = np.random.default_rng(seed)
        with contextlib.suppress(LimitReached):
            yield self._finished(
                clustered_tables(
                    *(self.episodes, self.states, self.often, self.cuts),
                    shared=self.shared,
                    rng=rng,
                    check=self.check,
                )
            )
        for _ in range(DRAFTS - 1):
            n_observations = len(self.episodes.observation_names)
            yield self._finished(
                random_tables(self.states, n_observations, self.often, shared=self.shared, rng=rng)
            )

    def _finished(self, tables: Tables) -> Tables:
        """Leave rows uniform that the data say nothing of, and a start that is fixed."""
        A, n_observations = len(self.often), len(self.episodes.observation_names)
        acted = self.episodes.actions[self.episodes.actions != NONE]
        untried = np.bincount(acted, minlength=A) == 0
        tables.T[untried] = 1.0 / self.states
        tables.W[untried] = self.often[untried, np.newaxis, np.newaxis, np.newaxis]
        if not self.shared:
            tables.Z[untried] = 1.0 / n_observations
        if "start" in self.settings.fix:
            tables.start[:] = 1.0 / self.states
        return replace(tables, W=with_axes(tables.W[:, :, 0, 0], self.reward_model, n_observations))


def with_rewards(
    tables: Tables, often: FloatArray, cuts: FloatArray | None, model: RewardModel
) -> Tables:
    """Tables that were given, with levels of rewards as frequent in all states as in the data."""
    if cuts is None:
        return tables
    W = np.repeat(often[:, np.newaxis], tables.n_states, axis=1)
    return replace(tables, W=with_axes(W, model, tables.Z.shape[2]))


def random_tables(
    states: int, observations: int, often: FloatArray, *, shared: bool, rng: np.random.Generator
) -> Tables:
    """Rows from Dirichlet distributions, those of T leaning to staying or not, as it is drawn.

    W[a, s, k] is drawn about the frequencies of levels `often`, (A, K).
    """
    actions = len(often)
    stay = rng.choice([0.0, 0.5, 0.9]) * np.eye(states)
    T = rng.dirichlet(np.ones(states), size=(actions, states))
    T = stay + (1.0 - stay.max()) * T
    Z = rng.dirichlet(np.ones(observations), size=(1 if shared else actions, states))
    W = often[:, np.newaxis] * rng.exponential(size=(actions, states, often.shape[1]))
    W /= W.sum(axis=2, keepdims=True)
    return Tables(T, Z, rng.dirichlet(np.full(states, 5.0)), with_axes(W, "state", observations))


def clustered_tables(
    episodes: Episodes,
    states: int,
    often: FloatArray,
    cuts: FloatArray | None,
    *,
    shared: bool,
    rng: np.random.Generator,
    check: Callable[[], None],
) -> Tables:
    """Tables of counts between clusters of steps, blurred by random rows."""
    drawn = random_tables(states, len(episodes.observation_names), often, shared=shared, rng=rng)
    fade = rng.uniform(0.2, 0.9)
    chosen = _sample(episodes, rng)
    level = levels_of(episodes, cuts)[1]
    happened = (
        (episodes.actions, len(often)),
        (episodes.observations, len(episodes.observation_names)),
        (level, often.shape[1]),
    )
    label = _k_means(_contexts(episodes, chosen, happened, fade), states, rng, check)
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
    return Tables(
        _blurred(T, drawn.T, blur),
        _blurred(Z, drawn.Z, blur),
        drawn.start,
        _blurred(W, drawn.W, blur),
    )


def _blurred(counts: FloatArray, drawn: FloatArray, blur: float) -> FloatArray:
    sums = counts.sum(axis=-1, keepdims=True)
    rows = np.where(sums > 0.0, counts / np.maximum(sums, 1.0), drawn)
    return (1.0 - blur) * rows + blur * drawn


def _sample(episodes: Episodes, rng: np.random.Generator) -> IntArray:
    """Steps in stretches, all of them where they are few; ascending."""
    n = episodes.n_steps
    if n <= SAMPLE:
        return np.arange(n)
    stretch = 200
    begins = np.sort(rng.choice(n // stretch, SAMPLE // stretch, replace=False)) * stretch
    return (begins[:, np.newaxis] + np.arange(stretch)).ravel()


def _contexts(
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
    for lag in range(-WIDTH, WIDTH + 1):
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
    squares = _squares(points)
    chosen = [int(rng.integers(n))]
    nearest = np.full(n, np.inf)
    while True:
        check()
        centre = points[[chosen[-1]]]
        apart = squares - 2.0 * (points @ centre.T).toarray()[:, 0] + _squares(centre)[0]
        nearest = np.minimum(nearest, np.maximum(apart, 0.0))
        if len(chosen) == k:
            break
        total = nearest.sum()
        chosen.append(int(rng.choice(n, p=nearest / total if total > 0.0 else None)))
    centres = points[chosen]
    label = np.zeros(n, dtype=np.int64)
    for _ in range(ROUNDS):
        check()
        far = _squares(centres) - 2.0 * (points @ centres.T).toarray()
        before, label = label, far.argmin(axis=1)
        if np.array_equal(before, label):
            break
        size = np.bincount(label, minlength=k)
        members = csr_matrix((1.0 / size[label], (label, np.arange(n))), shape=(k, n))
        centres = vstack([members @ points, centres], format="csr")
        centres = centres[np.where(size > 0, 0, k) + np.arange(k)]  # an empty one stays
    return label


def _squares(rows: csr_matrix) -> FloatArray:
    """Squared length of each row."""
    return np.asarray(rows.multiply(rows).sum(axis=1)).ravel()
