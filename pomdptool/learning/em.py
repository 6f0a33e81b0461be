"""The EM algorithm (Baum-Welch with actions), accelerated by SQUAREM.

Two EM iterations lead from parameters x0 to x1 and x2. With r = x1 - x0 and v = (x2 - x1) - r they
are extrapolated to

    x0 + 2 l r + l^2 v,   l = |r| / |v|

(scheme S3 of SQUAREM; Varadhan and Roland 2008), where x are square roots of probabilities, whose
distance is the Hellinger distance. If the extrapolation has a lower log-posterior than x1, it is
rejected in favour of x2: the log-posterior never falls. EM stops when the log-posterior gains less
than the tolerance per iteration and step of data, or less than its rounding error.
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
"""Minimum ratio of an extrapolated square root to that of x2: entries stay positive."""

MAX_EXTRAPOLATION = 1e6
"""Maximum step length l."""

ROUNDING = 2.0**-50
"""Relative rounding error of a log-posterior."""


@dataclass(slots=True)
class EMRun:
    """One run of EM from one initialisation.

    Attributes
    ----------
    number
        Index of the restart.
    seed
        Seed of its initialisation; None for a given model.
    parameters, loglik, log_posterior
        The best so far.
    history
        Best log-likelihood after each pass over the data, the initial one first; rejected
        extrapolations count.
    log_posteriors
        The same for the log-posterior.
    converged
        Whether the gain has fallen below the tolerance.
    stop_reason
        "tolerance", "rounding" (the gain is below the rounding error, and so is the tolerance),
        "iterations", "interrupted", "time-limit", "impossible" (the data have probability 0), or
        "not-selected" (stopped after screening).
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
        """Number of passes over the data."""
        return len(self.history)


@dataclass(slots=True)
class BestCounts:
    """Expected counts at the highest log-posterior of all runs; the first run wins ties."""

    counts: ExpectedCounts | None = None
    posterior: float = -np.inf
    number: int = 0
    lock: Lock = field(default_factory=Lock)

    def offer(self, counts: ExpectedCounts, posterior: float, number: int) -> None:
        """Keep the counts if their log-posterior is higher."""
        with self.lock:
            if (posterior, -number) > (self.posterior, -self.number):
                self.counts, self.posterior, self.number = counts, posterior, number


@dataclass(frozen=True, slots=True)
class _Iterate:
    """Parameters, the expected counts under them, and their log-posterior."""

    parameters: Parameters
    counts: ExpectedCounts
    posterior: float


@dataclass(slots=True)
class EM:
    """The algorithm: data, settings and stopping rule, shared by several runs."""

    sequences: Sequences
    settings: MStepSettings
    threads: Threads
    monitor: LearningMonitor
    tolerance: float
    iterations: int
    accelerate: bool = True
    best: BestCounts = field(default_factory=BestCounts)

    def improve(self, run: EMRun, *, evaluate_first: bool = False) -> None:
        """Iterate until convergence or a limit.

        With `evaluate_first` the initial parameters are evaluated even if a limit has been reached,
        unless that takes too long (see `LearningMonitor.last_pass`).
        """
        run.converged, run.stop_reason = False, ""
        limits = self.monitor.last_pass() if evaluate_first else self.monitor
        try:
            self._iterate(run, limits.check)
        except LimitReached as stopped:
            run.stop_reason = self.monitor.reason or stopped.reason

    def _iterate(self, run: EMRun, first_check: Callable[[], None]) -> None:
        x0 = self._evaluate(run, run.parameters, check=first_check)
        while not run.stop_reason:
            x1 = self._evaluate(run, self._m_step(x0))
            self._check_convergence(run, x1.posterior - x0.posterior, x1.posterior)
            if run.stop_reason:
                return
            x2 = self._m_step(x1)
            extrapolated = _extrapolate(x0, x1.parameters, x2) if self.accelerate else None
            if extrapolated is not None:
                x0 = self._evaluate(run, extrapolated, reject_below=x1.posterior)
            if extrapolated is None or (x0.posterior < x1.posterior and not run.stop_reason):
                x0 = self._evaluate(run, x2)

    def _check_convergence(self, run: EMRun, gain: float, posterior: float) -> None:
        """Stop a run whose gain is below the tolerance or the rounding error."""
        tolerance = self.tolerance * max(1, self.sequences.n_steps)
        rounding = ROUNDING * max(1.0, abs(posterior))
        if posterior > -np.inf and gain < max(tolerance, rounding):
            run.converged = tolerance >= rounding
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
        """Run the E-step, and record the log-likelihood and the reason to stop, if any."""
        check = check or self.monitor.check
        counts = expected_counts(parameters, self.sequences, self.threads, check)
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


def _extrapolate(x0: _Iterate, x1: Parameters, x2: Parameters) -> Parameters | None:
    """Extrapolate three successive iterates by SQUAREM; None if the step length is at most 1."""
    roots = [[np.sqrt(array) for array in x.arrays] for x in (x0.parameters, x1, x2)]
    r = [b - a for a, b in zip(roots[0], roots[1], strict=True)]
    v = [(c - b) - d for b, c, d in zip(roots[1], roots[2], r, strict=True)]
    counts = x0.counts.arrays
    r_norm, v_norm = _norm(r, counts), _norm(v, counts)
    if not r_norm > v_norm:
        return None
    step = min(r_norm / v_norm, MAX_EXTRAPOLATION) if v_norm > 0.0 else 1.0
    arrays = []
    for a, d, e, last, array in zip(roots[0], r, v, roots[2], x2.arrays, strict=True):
        p = np.maximum(a + 2.0 * step * d + step * step * e, MIN_SHRINKAGE * last) ** 2
        moved = ((d != 0.0) | (e != 0.0)).any(axis=-1, keepdims=True)
        arrays.append(np.where(moved, p / p.sum(axis=-1, keepdims=True), array))
    T, Z, start, W = arrays
    return Parameters(T, Z, start, W, x2.terminal)


def _norm(change: list[FloatArray], counts: tuple[FloatArray, ...]) -> float:
    """Euclidean norm of a change of square roots, rows weighted by their expected counts."""
    squares = (
        (n.sum(axis=-1, keepdims=True) * x * x).sum() for x, n in zip(change, counts, strict=True)
    )
    return float(np.sqrt(sum(map(float, squares))))
