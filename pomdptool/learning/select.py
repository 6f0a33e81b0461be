"""Model selection: the number of states by BIC, AIC or held-out log-likelihood.

For BIC and AIC see `criteria`. The held-out data are a fifth of the episodes, or the last fifth of
a single episode, conditional on its beginning. The log-likelihood is always the joint one of
observations and rewards, binned as in the training data. With held-out data the smallest model
within one standard error of the best is selected (Breiman et al. 1984).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from pomdptool.arguments import as_episodes
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
from pomdptool.randomness import generator
from pomdptool.readable import Readable
from pomdptool.sparse import FloatArray

Criterion = Literal["bic", "aic", "heldout"]

HELD_OUT = 0.2
"""Fraction of the data that is held out."""

LIMIT_REASONS = ("interrupted", "time-limit")
"""Stop reasons that end the selection."""

CLEAR = 2.0
"""Weak evidence: BIC or AIC difference (Raftery 1995); half that for log-likelihoods."""


@dataclass(frozen=True, eq=False, slots=True)
class Candidate:
    """A model of one size.

    `heldout` is the joint log-likelihood of the held-out data, per step with an observation or a
    reward; None without such data or if a limit was reached. `logliks` is that of each episode.
    `fit` was then learned from the training data.
    """

    states: int
    fit: Fit
    heldout: float | None = None
    logliks: FloatArray | None = None

    def score(self, by: Criterion) -> float:
        """BIC, AIC, or negative held-out log-likelihood per step; infinite if unknown."""
        if by == "heldout":
            return np.inf if self.heldout is None else -self.heldout
        score = self.fit.bic if by == "bic" else self.fit.aic
        return np.inf if np.isnan(score) else score


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Selection(Readable):
    """The selected model, learned from all data, and the candidates."""

    fit: Fit
    by: Criterion
    candidates: tuple[Candidate, ...]


def select(
    episodes: Episodes,
    states: Sequence[int],
    *,
    rng: np.random.Generator | int,
    by: Criterion = "bic",
    time_limit: float | None = None,
    **options: Any,
) -> Selection:
    """Learn a model of each size and select the best; `options` are passed to `fit`.

    `time_limit`, in seconds, is the total for all sizes. An interrupt selects among the models
    learned so far. If the two best models are about equal, the result has a warning.

    Raises
    ------
    DataError
        As `fit`, without sizes, or with too few data to hold some out.
    """
    rng, episodes, sizes = generator(rng), as_episodes(episodes), sorted(set(states))
    if not sizes:
        raise DataError("no numbers of states to select from")
    if by not in ("bic", "aic", "heldout"):
        raise DataError(f"the criterion is bic, aic or heldout, not {by!r}")
    limits = Limits(time_limit, options.get("interrupted"))
    test = None if by != "heldout" else _hold_out(episodes, rng)
    train = episodes if test is None else test.train
    candidates: list[Candidate] = []
    reason: str | None = None
    for n, own in zip(sizes, rng.spawn(len(sizes)), strict=True):
        left = limits.clock.remaining(time_limit)
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
        left = limits.clock.remaining(time_limit)
        result = fit(episodes, best.states, rng=rng, time_limit=left, **options)
    elif reason is not None:
        result = replace(result, stop_reason=reason, converged=False)
    if rival is not None:
        result = replace(result, warnings=(*result.warnings, *_ambiguity_warning(best, rival, by)))
    return Selection(result, by, tuple(candidates))


@dataclass(frozen=True, eq=False, slots=True)
class _HoldOut:
    """Training and held-out data; for a single episode its beginning and the whole."""

    train: Episodes
    held_out: Episodes
    continues: bool = False

    def scored(self, candidate: Candidate, limits: Limits, threads: int | None) -> Candidate:
        """Compute the held-out log-likelihood, unless a limit is reached."""

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
    """Choose a candidate; returns also its closest rival, if any."""
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
    """Difference of the criterion, and the threshold from which on it is clear."""
    if by != "heldout":
        return other.score(by) - best.score(by), CLEAR
    assert best.logliks is not None
    assert other.logliks is not None
    each = best.logliks - other.logliks
    error = float(each.std(ddof=1)) * np.sqrt(len(each)) if len(each) > 1 else 0.0
    return float(each.sum()), max(CLEAR / 2.0, error)


def _ambiguity_warning(select_episodes: Candidate, rival: Candidate, by: Criterion) -> list[str]:
    """Warn if the criterion does not clearly distinguish two candidates."""
    best, other = sorted((select_episodes, rival), key=lambda c: c.score(by))
    difference, clear = _difference(best, other, by)
    criterion = by.upper() if by != "heldout" else "the held-out log-likelihood"
    if difference > clear:
        return []
    smaller = "" if select_episodes is best else "; the smaller model is selected"
    return [
        f"the data hardly distinguish {best.states} from {other.states} states: {criterion} "
        f"differs by {difference:.2g}, less than {clear:.2g}{smaller}"
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
    """Require terminated episodes in the training data if the held-out data have some."""
    if tests.terminated.any() and not train.terminated.any():
        raise DataError(
            "too few episodes terminated to hold some out: select the number of states by bic or "
            "aic"
        )
