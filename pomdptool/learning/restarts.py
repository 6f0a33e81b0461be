"""EM with random restarts: all are screened for a few iterations, and the best run to convergence.

Each restart begins with the best of several candidate initialisations, after a few EM iterations on
a sample of the data. If the data are too small to occupy all threads, restarts run in parallel; the
results are the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

from pomdptool.learning.e_step import Threads
from pomdptool.learning.em import EM, BestCounts, EMRun
from pomdptool.learning.encoding import Sequences
from pomdptool.learning.m_step import MStepSettings
from pomdptool.learning.parameters import Parameters
from pomdptool.learning.progress import LearningMonitor

X = TypeVar("X")

SCREENING_TOL = 1e-4
"""Tolerance of the screening: gain of the log-posterior per step of data."""

SCREENING_ITERATIONS = 60
"""Maximum number of EM iterations in the screening."""

FINALISTS = 1 / 3
"""Fraction of the restarts that run to convergence."""

SAMPLE_STEPS = 40_000
"""Maximum number of steps in the sample on which candidates are compared."""

INITIALISATION_SHARE = 0.5
"""Fraction of the time limit after which no more restarts are initialised."""

CANDIDATE_ITERATIONS = 15
"""EM iterations of each candidate initialisation."""

MIN_PARALLEL_WORK = 200_000
"""Multiplications of an E-step from which on threads pay off."""


@dataclass(frozen=True, slots=True)
class MultistartEM:
    """EM from several initialisations; at most `max_concurrent` run at a time, to save memory."""

    sequences: Sequences
    states: int
    settings: MStepSettings
    monitor: LearningMonitor
    threads: int
    max_concurrent: int
    accelerate: bool

    def initialise(
        self, seeds: list[int], candidates: Callable[[int], Iterable[Parameters]], sample: Sequences
    ) -> list[EMRun]:
        """Initialise a run for each seed, as far as time permits, by the best of its candidates."""
        limit = self.monitor.time_limit
        limit = None if limit is None else INITIALISATION_SHARE * limit
        monitor = replace(self.monitor, time_limit=limit, on_step=None)
        on_sample = replace(self, sequences=sample, monitor=monitor)

        def best_candidate(k: int, em: EM) -> EMRun | None:
            if k > 0 and monitor.reason is not None:
                return None
            best: EMRun | None = None
            for parameters in candidates(seeds[k]):
                run = EMRun(k, seeds[k], parameters)
                em.improve(run)
                if best is None or run.log_posterior > best.log_posterior:
                    best = run
            assert best is not None
            return EMRun(k, seeds[k], best.parameters)

        runs = on_sample._map(len(seeds), best_candidate, 0.0, CANDIDATE_ITERATIONS, BestCounts())
        return [run for run in runs if run is not None]

    def run(self, runs: list[EMRun], tol: float, max_iter: int) -> BestCounts:
        """Screen all runs, and iterate the best ones to convergence."""
        finalists, best = runs, BestCounts()
        if len(runs) > 1:
            self._improve(runs, max(tol, SCREENING_TOL), min(max_iter, SCREENING_ITERATIONS), best)
            finalists = sorted(runs, key=lambda run: -run.log_posterior)
            finalists = finalists[: math.ceil(len(runs) * FINALISTS)]
        reason = self.monitor.reason
        if reason is None or len(runs) == 1:
            self._improve(finalists, tol, max_iter, best)
        for run in runs:
            if run not in finalists or reason is not None:
                run.converged = False
                run.stop_reason = reason or "not-selected"
        return best

    def _improve(self, runs: list[EMRun], tol: float, max_iter: int, best: BestCounts) -> None:
        """Iterate runs until convergence or a limit; the first is evaluated at least once."""

        def improve(k: int, em: EM) -> None:
            if k == 0 or self.monitor.reason is None:
                em.improve(runs[k], evaluate_first=k == 0)

        self._map(len(runs), improve, tol, max_iter, best)

    def _map(
        self, n: int, work: Callable[[int, EM], X], tol: float, max_iter: int, best: BestCounts
    ) -> list[X]:
        """Call `work(k, em)` for k < n, in parallel if E-steps are too short for threads."""
        is_long = self.sequences.n_steps * self.states**2 > MIN_PARALLEL_WORK
        threads = self.threads if is_long else 1
        concurrent = min(threads, self.max_concurrent, n)
        parallel_runs = concurrent > 1 and len(self.sequences.chunks) <= threads
        per_run, n_runs = (1, concurrent) if parallel_runs else (threads, 1)
        with Threads(per_run) as inner, Threads(n_runs) as outer:
            em = EM(
                *(self.sequences, self.settings, inner, self.monitor, tol, max_iter),
                self.accelerate,
                best,
            )
            return list(outer.map(lambda k: work(k, em), range(n)))
