"""How many states: models of several sizes are learned and compared by a criterion.

BIC, AIC (see `criteria`), or the log-likelihood of data held out: a fifth of the episodes, or of a
single one the last fifth, given what came before. In all of them it is the joint log-likelihood of
observations and rewards, which is what learning raises; rewards enter by the levels of the data
learned from. Of data held out the fewest states are taken that are within one standard error of the
best (Breiman et al. 1984).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from pomdptool.episodes import Episodes
from pomdptool.errors import DataError
from pomdptool.kernels.jit import cores
from pomdptool.learning.encoding import encode
from pomdptool.learning.fit import fit
from pomdptool.learning.likelihood import count_observed_steps, episode_logliks
from pomdptool.learning.result import Fit
from pomdptool.learning.rewards import reward_bin_edges
from pomdptool.learning.subsets import first_steps, select_episodes
from pomdptool.limits import LimitReached, Limits
from pomdptool.sparse import FloatArray

Criterion = Literal["bic", "aic", "heldout"]

HELD_OUT = 0.2
"""Share of the data that is held out."""

LIMIT_REASONS = ("interrupted", "time-limit")
"""Reasons to stop that end the selection."""

CLEAR = 2.0
"""Difference of a criterion below which it hardly speaks (Raftery 1995); half as much in nats."""


@dataclass(frozen=True, eq=False, slots=True)
class Candidate:
    """A model of one size.

    `heldout` is the joint log-likelihood of the data held out, per step with an observation or a
    reward; None where none were, or where a limit was met. `gains` is that of each episode. `fit`
    was then learned from the rest.
    """

    states: int
    fit: Fit
    heldout: float | None = None
    logliks: FloatArray | None = None

    def score(self, by: Criterion) -> float:
        """Return what is to be small, infinite where it is unknown.

        Of data held out it is their negative log-likelihood per step.
        """
        if by == "heldout":
            return np.inf if self.heldout is None else -self.heldout
        score = self.fit.bic if by == "bic" else self.fit.aic
        return np.inf if np.isnan(score) else score


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
    limits = Limits(time_limit, options.get("interrupted"))
    test = None if by != "heldout" else _hold_out(episodes, rng)
    train = episodes if test is None else test.train
    candidates: list[Candidate] = []
    reason: str | None = None
    for n, own in zip(sizes, rng.spawn(len(sizes)), strict=True):
        left = limits.clock.left_of(time_limit)
        result = fit(train, n, rng=own, time_limit=left, **options)
        candidates.append(Candidate(n, result))
        if test is not None:
            candidates[-1] = test.scored(candidates[-1], limits, options.get("threads"))
        more_to_do = n != sizes[-1] or test is not None
        reason = result.stop_reason if result.stop_reason in LIMIT_REASONS else None
        reason = reason or (limits.reason if more_to_do else None)
        if reason is not None:
            break
    best, rival = _choose(candidates, by)
    result = best.fit
    if test is not None and reason is None:
        left = limits.clock.left_of(time_limit)
        result = fit(episodes, best.states, rng=rng, time_limit=left, **options)
    elif reason is not None:
        result = replace(result, stop_reason=reason, converged=False)
    if rival is not None:
        result = replace(result, warnings=(*result.warnings, *_ambiguity_warning(best, rival, by)))
    return Selection(result, by, tuple(candidates))


@dataclass(frozen=True, eq=False, slots=True)
class _HoldOut:
    """Data to learn from, and data held out; of a single episode its beginning, and all of it."""

    train: Episodes
    held_out: Episodes
    continues: bool = False

    def scored(self, candidate: Candidate, limits: Limits, threads: int | None) -> Candidate:
        """Measure the data held out, unless a limit is met."""

        def of(episodes: Episodes) -> FloatArray:
            sequences = encode(episodes, reward_bin_edges(self.train))
            values, _ = episode_logliks(
                candidate.fit.estimate, sequences, threads or cores(), limits.check
            )
            return values[sequences.distinct]

        try:
            logliks = of(self.held_out) - (of(self.train) if self.continues else 0.0)
        except LimitReached:
            return candidate
        steps = count_observed_steps(self.held_out, or_rewarded=True)
        steps -= count_observed_steps(self.train, or_rewarded=True) if self.continues else 0
        return replace(candidate, heldout=float(logliks.sum()) / max(1, steps), logliks=logliks)


def _choose(candidates: list[Candidate], by: Criterion) -> tuple[Candidate, Candidate | None]:
    """Choose a candidate, and name the one that it is compared with, where there is one."""
    known = [c for c in candidates if c.score(by) < np.inf]
    if not known:
        return candidates[0], None
    best, *others = sorted(known, key=lambda c: c.score(by))
    if by == "heldout":
        for candidate in known:
            difference, clear = _difference(best, candidate, by)
            if candidate.states < best.states and difference <= clear:
                return candidate, best
    return best, others[0] if others else None


def _difference(best: Candidate, other: Candidate, by: Criterion) -> tuple[float, float]:
    """By how much one is better, and how much of that would be clear."""
    if by != "heldout":
        return other.score(by) - best.score(by), CLEAR
    assert best.logliks is not None
    assert other.logliks is not None
    each = best.logliks - other.logliks
    error = float(each.std(ddof=1)) * np.sqrt(len(each)) if len(each) > 1 else 0.0
    return float(each.sum()), max(CLEAR / 2.0, error)


def _ambiguity_warning(select_episodes: Candidate, rival: Candidate, by: Criterion) -> list[str]:
    """Warn where a criterion hardly tells the one chosen from another."""
    best, other = sorted((select_episodes, rival), key=lambda c: c.score(by))
    difference, clear = _difference(best, other, by)
    what = by.upper() if by != "heldout" else "the log-likelihood of the data held out"
    if difference > clear:
        return []
    fewer = "" if select_episodes is best else "; the fewer are taken"
    return [
        f"the data hardly tell {best.states} states from {other.states}: {what} differs by "
        f"{difference:.2g}, where {clear:.2g} would be clear{fewer}"
    ]


def _hold_out(episodes: Episodes, rng: np.random.Generator) -> _HoldOut:
    n = episodes.n_episodes
    if n == 1:
        cut = int((1.0 - HELD_OUT) * episodes.n_steps)
        if not 0 < cut < episodes.n_steps:
            raise DataError("there are too few steps to hold some out")
        _check_ends(first_steps(episodes, cut), episodes)
        return _HoldOut(first_steps(episodes, cut), episodes, continues=True)
    out = np.zeros(n, dtype=bool)
    out[rng.choice(n, max(1, round(HELD_OUT * n)), replace=False)] = True
    if not episodes.lengths[~out].sum() or not episodes.lengths[out].sum():
        raise DataError("there are too few steps to hold some out")
    train, tests = select_episodes(episodes, ~out), select_episodes(episodes, out)
    _check_ends(train, tests)
    return _HoldOut(train, tests)


def _check_ends(train: Episodes, tests: Episodes) -> None:
    """Refuse to judge terminated episodes by models that were learned from none."""
    if tests.terminated.any() and not train.terminated.any():
        raise DataError(
            "too few episodes terminated to hold some of them out: choose the number of states by "
            "bic or aic"
        )
