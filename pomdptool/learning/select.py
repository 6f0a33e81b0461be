"""How many states: models of several sizes are learned and compared by a criterion.

BIC = p log n - 2 loglik (Schwarz 1978), AIC = 2 p - 2 loglik (Akaike 1974), or the log-likelihood
of observations held out: a fifth of the episodes, or of a single one the last fifth, given what
came before.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from pomdptool.episodes import Episodes
from pomdptool.errors import DataError
from pomdptool.learning.fit import fit
from pomdptool.learning.fitted import Fit
from pomdptool.learning.likelihood import loglik
from pomdptool.learning.parts import beginning, chosen
from pomdptool.learning.watch import time_left
from pomdptool.sparse import FloatArray

Criterion = Literal["bic", "aic", "heldout"]

HELD_OUT = 0.2
"""Share of the data that is held out."""

CLEAR = 2.0
"""Difference of a criterion below which it hardly speaks (Raftery 1995); half as much in nats."""


@dataclass(frozen=True, eq=False, slots=True)
class Candidate:
    """A model of one size.

    `heldout` is the log-likelihood of the data held out, per step; None where none were. `fit` was
    then learned from the rest of the data.
    """

    states: int
    fit: Fit
    heldout: float | None = None

    def score(self, by: Criterion) -> float:
        """Return what is to be small; of data held out, their negative log-likelihood per step."""
        if by == "heldout":
            assert self.heldout is not None
            return -self.heldout
        return self.fit.bic if by == "bic" else self.fit.aic


@dataclass(frozen=True, eq=False, slots=True)
class Selection:
    """The model that was selected, learned from all data, and the candidates."""

    fit: Fit
    by: Criterion
    candidates: tuple[Candidate, ...]


def select(
    episodes: Episodes,
    states: Sequence[int],
    *,
    rng: np.random.Generator,
    by: Criterion = "bic",
    time_limit: float | None = None,
    **options: Any,
) -> Selection:
    """Learn a model of each size and take the best by a criterion; `options` are those of `fit`.

    The time limit, in seconds, is one for all sizes.

    Where the two best are about as good, a warning of the model says so. An interrupt selects among
    what has been learned.

    Raises
    ------
    DataError
        Where `fit` raises it, without sizes, or with too little data to hold some out.
    """
    sizes = sorted(set(states))
    if not sizes:
        raise DataError("there are no numbers of states to choose from")
    if by not in ("bic", "aic", "heldout"):
        raise DataError(f"models are selected by bic, aic or heldout, not {by!r}")
    began = time.perf_counter()
    train, tests = (episodes, None) if by != "heldout" else _parted(episodes, rng)
    candidates: list[Candidate] = []
    gains: list[FloatArray] = []
    for n, own in zip(sizes, rng.spawn(len(sizes)), strict=True):
        found = fit(train, n, rng=own, time_limit=time_left(time_limit, began), **options)
        if tests is None:
            candidates.append(Candidate(n, found))
        else:
            values = loglik(found.model, tests).per_episode
            if episodes.n_episodes == 1:
                values = values - float(loglik(found.model, train))
            gains.append(values)
            steps = tests.n_steps - (train.n_steps if episodes.n_episodes == 1 else 0)
            candidates.append(Candidate(n, found, float(gains[-1].sum()) / steps))
        if found.stop_reason in ("interrupted", "time-limit"):
            break
    order = sorted(range(len(candidates)), key=lambda k: candidates[k].score(by))
    best = candidates[order[0]]
    found = best.fit
    if tests is not None and found.stop_reason not in ("interrupted", "time-limit"):
        left = time_left(time_limit, began)
        found = fit(episodes, best.states, rng=rng, time_limit=left, **options)
    if len(order) > 1:
        said = _doubt(
            best, candidates[order[1]], by, [gains[k] for k in order[:2]] if gains else []
        )
        found = replace(found, warnings=(*found.warnings, *said))
    return Selection(found, by, tuple(candidates))


def _doubt(best: Candidate, second: Candidate, by: Criterion, gains: list[FloatArray]) -> list[str]:
    """Warn where a criterion hardly tells the two best apart."""
    difference, clear = second.score(by) - best.score(by), CLEAR
    what = by.upper()
    if by == "heldout":
        each = gains[0] - gains[1]
        difference, clear = float(each.sum()), CLEAR / 2.0
        if len(each) > 1:
            clear = max(clear, float(each.std(ddof=1)) * np.sqrt(len(each)))
        what = "the log-likelihood of the data held out"
    if difference > clear:
        return []
    return [
        f"the data hardly tell {best.states} states from {second.states}: {what} differs by "
        f"{difference:.2g}, where {clear:.2g} would be clear"
    ]


def _parted(episodes: Episodes, rng: np.random.Generator) -> tuple[Episodes, Episodes]:
    """Data to learn from, and data held out; of a single episode its beginning, and all of it."""
    n = episodes.n_episodes
    if n == 1:
        cut = int((1.0 - HELD_OUT) * episodes.n_steps)
        if not 0 < cut < episodes.n_steps:
            raise DataError("there are too few steps to hold some out")
        _check_ends(beginning(episodes, cut), episodes)
        return beginning(episodes, cut), episodes
    out = np.zeros(n, dtype=bool)
    out[rng.choice(n, max(1, round(HELD_OUT * n)), replace=False)] = True
    if not episodes.lengths[~out].sum() or not episodes.lengths[out].sum():
        raise DataError("there are too few steps to hold some out")
    train, tests = chosen(episodes, ~out), chosen(episodes, out)
    _check_ends(train, tests)
    return train, tests


def _check_ends(train: Episodes, tests: Episodes) -> None:
    """Refuse to judge terminated episodes by models that were learned from none."""
    if tests.terminated.any() and not train.terminated.any():
        raise DataError(
            "too few episodes terminated to hold some of them out: choose the number of states by "
            "bic or aic"
        )
