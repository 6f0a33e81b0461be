"""Expectation and maximisation in turn, with longer steps where they pay.

From tables x0 two iterations of EM lead to x1 and x2. With r = x1 - x0 and v = (x2 - x1) - r, the
way that EM would go on is guessed as

    x0 + 2 l r + l^2 v,   l = |r| / |v|

(SQUAREM's third scheme; Varadhan and Roland 2008), where x are the square roots of probabilities:
their distances are those of distributions (Hellinger), and rows stay on a sphere. Where the guess
is less probable than x1, x2 is taken in its place, which cannot be. The log-posterior never falls.
Learning stops when the log-posterior gains less than a tolerance per iteration and step of data.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pomdptool.learning.expectation import Expected, Threads, expected
from pomdptool.learning.maximisation import Settings, log_prior, maximised
from pomdptool.learning.sequences import Sequences
from pomdptool.learning.tables import Tables
from pomdptool.learning.watch import LearningWatch
from pomdptool.sparse import FloatArray

SHORTEST = 0.1
"""Least part of its square root that a guess leaves of a probability."""


@dataclass(slots=True)
class Run:
    """One start, and what has become of it.

    Attributes
    ----------
    number
        Which restart it is.
    seed
        What its start was drawn with; None for tables that were given.
    tables, loglik, log_posterior
        The best so far.
    history
        Log-likelihood after each iteration, that of the start first; iterations whose guess was
        refused count, and repeat the best.
    posteriors
        The same with the log-prior.
    converged
        Whether the gain has fallen below the tolerance.
    stop_reason
        "tolerance", "iterations", "interrupted", "time-limit", "impossible", or "behind" where
        others were better and this one has not gone on.
    """

    number: int
    seed: int | None
    tables: Tables
    loglik: float = -np.inf
    log_posterior: float = -np.inf
    history: list[float] = field(default_factory=list)
    posteriors: list[float] = field(default_factory=list)
    converged: bool = False
    stop_reason: str = ""

    @property
    def iterations(self) -> int:
        """Passes over the data."""
        return len(self.history)


@dataclass(frozen=True, slots=True)
class _Point:
    tables: Tables
    counts: Expected
    posterior: float


@dataclass(slots=True)
class Climb:
    """What improving a run needs: the data, the settings, and when to stop."""

    sequences: Sequences
    settings: Settings
    threads: Threads
    watch: LearningWatch
    tolerance: float
    iterations: int
    accelerate: bool = True

    def improve(self, run: Run) -> None:
        """Improve a run until it gains less than the tolerance, or something else stops it."""
        run.converged, run.stop_reason = False, ""
        here = self._visit(run, run.tables)
        while not run.stop_reason:
            there = self._visit(run, self._maximised(here))
            gain = (there.posterior - here.posterior) / max(1, self.sequences.n_steps)
            if gain < self.tolerance and there.posterior > -np.inf:
                run.converged, run.stop_reason = True, "tolerance"
            if run.stop_reason:
                return
            further = self._maximised(there)
            guess = _guess(here, there.tables, further) if self.accelerate else None
            if guess is not None:
                here = self._visit(run, guess, refuse_below=there.posterior)
            if guess is None or (here.posterior < there.posterior and not run.stop_reason):
                here = self._visit(run, further)

    def _maximised(self, point: _Point) -> Tables:
        return maximised(point.counts, point.tables, self.settings)

    def _visit(self, run: Run, tables: Tables, refuse_below: float = -np.inf) -> _Point:
        """Pass over the data once; note in the run what was found, and whether to stop."""
        counts = expected(tables, self.sequences, self.threads)
        posterior = counts.loglik
        if posterior > -np.inf:
            posterior += log_prior(tables, self.settings)
        before = run.loglik
        if posterior > run.log_posterior:
            run.tables, run.loglik, run.log_posterior = tables, counts.loglik, posterior
        run.history.append(run.loglik)
        run.posteriors.append(run.log_posterior)
        gain = (run.loglik - before) / max(1, self.sequences.n_steps)
        self.watch.step(tables.n_states, run.number, run.iterations, run.loglik, gain)
        if posterior == -np.inf and refuse_below == -np.inf:
            run.stop_reason = "impossible"
        elif run.iterations >= self.iterations:
            run.stop_reason = "iterations"
        run.stop_reason = self.watch.reason or run.stop_reason
        return _Point(tables, counts, posterior)


def _guess(here: _Point, x1: Tables, x2: Tables) -> Tables | None:
    """Guess where EM would go on from three tables in a row; None where it would not go further."""
    roots = [[np.sqrt(part) for part in x.parts] for x in (here.tables, x1, x2)]
    r = [b - a for a, b in zip(roots[0], roots[1], strict=True)]
    v = [(c - b) - d for b, c, d in zip(roots[1], roots[2], r, strict=True)]
    counts = here.counts.parts
    length, bend = _norm(r, counts), _norm(v, counts)
    if not length > bend:
        return None
    step = length / bend if bend > 0.0 else 1.0
    guesses = []
    for a, d, e, last, table in zip(roots[0], r, v, roots[2], x2.parts, strict=True):
        guess = np.maximum(a + 2.0 * step * d + step * step * e, SHORTEST * last) ** 2
        moved = ((d != 0.0) | (e != 0.0)).any(axis=-1, keepdims=True)
        guesses.append(np.where(moved, guess / guess.sum(axis=-1, keepdims=True), table))
    T, Z, start, W = guesses
    return Tables(T, Z, start, W, x2.terminal)


def _norm(parts: list[FloatArray], counts: tuple[FloatArray, ...]) -> float:
    """Length of a change of square roots, each row as often as it is expected to have occurred."""
    squares = (
        (n.sum(axis=-1, keepdims=True) * part * part).sum()
        for part, n in zip(parts, counts, strict=True)
    )
    return float(np.sqrt(sum(map(float, squares))))
