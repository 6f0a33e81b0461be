"""Expectation and maximisation in turn, with longer steps where they pay.

From tables x0 two iterations of EM lead to x1 and x2. With r = x1 - x0 and v = (x2 - x1) - r, the
way that EM would go on is guessed as

    x0 + 2 l r + l^2 v,   l = |r| / |v|

(SQUAREM's third scheme; Varadhan and Roland 2008), where x are the square roots of probabilities:
their distances are those of distributions (Hellinger), and rows stay on a sphere. Where the guess
is less probable than x1, x2 is taken in its place, which cannot be. The log-posterior never falls.
Learning stops when the log-posterior gains less than a tolerance per iteration and step of data,
or, where the tolerance is below what floats resolve, less than the rounding of the log-posterior.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from threading import Lock

import numpy as np

from pomdptool.learning.e_step import ExpectedCounts, Threads, expected_counts
from pomdptool.learning.encoding import Sequences
from pomdptool.learning.m_step import MStepSettings, log_prior, maximise
from pomdptool.learning.parameters import Parameters
from pomdptool.learning.progress import LearningMonitor
from pomdptool.limits import LimitReached
from pomdptool.sparse import FloatArray

MIN_SHRINKAGE = 0.1
"""Least part of its square root that a guess leaves of a probability."""

MAX_EXTRAPOLATION = 1e6
"""Most times that a guess goes the way of one iteration."""

ROUNDING = 2.0**-50
"""Relative error of a log-posterior: less gain than that is none."""


@dataclass(slots=True)
class EMRun:
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
        "tolerance", "rounding" (the tolerance is below what floats resolve, and so is the gain),
        "iterations", "interrupted", "time-limit", "impossible", or "behind" where others were
        better and this one has not gone on.
    """

    number: int
    seed: int | None
    parameters: Parameters
    loglik: float = -np.inf
    log_posterior: float = -np.inf
    history: list[float] = field(default_factory=list)
    log_posteriors: list[float] = field(default_factory=list)
    converged: bool = False
    stop_reason: str = ""

    @property
    def iterations(self) -> int:
        """Passes over the data."""
        return len(self.history)


@dataclass(slots=True)
class BestCounts:
    """The counts of the most probable tables that any run has come to; of equals, the first run."""

    counts: ExpectedCounts | None = None
    posterior: float = -np.inf
    number: int = 0
    lock: Lock = field(default_factory=Lock)

    def offer(self, counts: ExpectedCounts, posterior: float, number: int) -> None:
        """Keep counts if they are better."""
        with self.lock:
            if (posterior, -number) > (self.posterior, -self.number):
                self.counts, self.posterior, self.number = counts, posterior, number


@dataclass(frozen=True, slots=True)
class _Iterate:
    parameters: Parameters
    counts: ExpectedCounts
    posterior: float


@dataclass(slots=True)
class EM:
    """What improving a run needs: the data, the settings, and when to stop."""

    sequences: Sequences
    settings: MStepSettings
    threads: Threads
    monitor: LearningMonitor
    tolerance: float
    iterations: int
    accelerate: bool = True
    best: BestCounts = field(default_factory=BestCounts)

    def improve(self, run: EMRun, *, evaluate_first: bool = False) -> None:
        """Improve a run until it gains less than the tolerance, or something else stops it.

        With `visit_first` its own tables are visited also where a limit was met before, if that
        takes no longer than a moment.
        """
        run.converged, run.stop_reason = False, ""
        try:
            self._iterate(
                run, self.monitor.last_pass().check if evaluate_first else self.monitor.check
            )
        except LimitReached as stopped:
            run.stop_reason = self.monitor.reason or stopped.reason

    def _iterate(self, run: EMRun, first_check: Callable[[], None]) -> None:
        here = self._evaluate(run, run.parameters, check=first_check)
        while not run.stop_reason:
            there = self._evaluate(run, self._m_step(here))
            self._check_convergence(run, there.posterior - here.posterior, there.posterior)
            if run.stop_reason:
                return
            further = self._m_step(there)
            guess = _extrapolated(here, there.parameters, further) if self.accelerate else None
            if guess is not None:
                here = self._evaluate(run, guess, reject_below=there.posterior)
            if guess is None or (here.posterior < there.posterior and not run.stop_reason):
                here = self._evaluate(run, further)

    def _check_convergence(self, run: EMRun, gain: float, posterior: float) -> None:
        """Stop a run that gains too little."""
        wanted = self.tolerance * max(1, self.sequences.n_steps)
        resolved = ROUNDING * max(1.0, abs(posterior))
        if posterior > -np.inf and gain < max(wanted, resolved):
            run.converged = wanted >= resolved
            run.stop_reason = "tolerance" if run.converged else "rounding"

    def _m_step(self, point: _Iterate) -> Parameters:
        return maximise(point.counts, point.parameters, self.settings)

    def _evaluate(
        self,
        run: EMRun,
        parameters: Parameters,
        reject_below: float = -np.inf,
        check: Callable[[], None] | None = None,
    ) -> _Iterate:
        """Pass over the data once; note in the run what was found, and whether to stop."""
        counts = expected_counts(
            parameters, self.sequences, self.threads, check or self.monitor.check
        )
        posterior = counts.loglik
        if posterior > -np.inf:
            posterior += log_prior(parameters, self.settings)
        before = run.loglik
        if posterior > run.log_posterior:
            run.parameters, run.loglik, run.log_posterior = parameters, counts.loglik, posterior
            self.best.offer(counts, posterior, run.number)
        run.history.append(run.loglik)
        run.log_posteriors.append(run.log_posterior)
        gain = (run.loglik - before) / max(1, self.sequences.n_steps)
        self.monitor.step(parameters.n_states, run.number, run.iterations, run.loglik, gain)
        if posterior == -np.inf and reject_below == -np.inf:
            run.stop_reason = "impossible"
        elif run.iterations >= self.iterations:
            run.stop_reason = "iterations"
        run.stop_reason = self.monitor.reason or run.stop_reason
        return _Iterate(parameters, replace(counts, steps=np.empty((0, 0, 0))), posterior)


def _extrapolated(here: _Iterate, x1: Parameters, x2: Parameters) -> Parameters | None:
    """Guess where EM would go on from three tables in a row; None where it would not go further."""
    roots = [[np.sqrt(part) for part in x.arrays] for x in (here.parameters, x1, x2)]
    r = [b - a for a, b in zip(roots[0], roots[1], strict=True)]
    v = [(c - b) - d for b, c, d in zip(roots[1], roots[2], r, strict=True)]
    counts = here.counts.arrays
    length, bend = _norm(r, counts), _norm(v, counts)
    if not length > bend:
        return None
    step = min(length / bend, MAX_EXTRAPOLATION) if bend > 0.0 else 1.0
    guesses = []
    for a, d, e, last, table in zip(roots[0], r, v, roots[2], x2.arrays, strict=True):
        guess = np.maximum(a + 2.0 * step * d + step * step * e, MIN_SHRINKAGE * last) ** 2
        moved = ((d != 0.0) | (e != 0.0)).any(axis=-1, keepdims=True)
        guesses.append(np.where(moved, guess / guess.sum(axis=-1, keepdims=True), table))
    T, Z, start, W = guesses
    return Parameters(T, Z, start, W, x2.terminal)


def _norm(parts: list[FloatArray], counts: tuple[FloatArray, ...]) -> float:
    """Length of a change of square roots, each row as often as it is expected to have occurred."""
    squares = (
        (n.sum(axis=-1, keepdims=True) * part * part).sum()
        for part, n in zip(parts, counts, strict=True)
    )
    return float(np.sqrt(sum(map(float, squares))))
