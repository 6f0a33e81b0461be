"""A race between starts: all climb until they gain little, and the best go on to the end.

Each start is the best of some drafts, after a few iterations on a sample of the data.

Starts climb side by side where the data alone do not keep the threads busy; what comes of each is
the same in any case.
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
"""Gain per step at which all starts pause."""

SCREENING_ITERATIONS = 60
"""Iterations after which all starts pause."""

FINALISTS = 1 / 3
"""Share of the starts that go on."""

SAMPLE_STEPS = 40_000
"""Most steps that drafts climb on."""

INITIALISATION_SHARE = 0.5
"""Share of the time limit after which no more starts are drawn."""

CANDIDATE_ITERATIONS = 15
"""Iterations of a draft."""

MIN_PARALLEL_WORK = 200_000
"""Multiplications of a pass below which threads do not pay."""


@dataclass(frozen=True, slots=True)
class MultistartEM:
    """Runs that climb, in parallel where the data do not keep the threads busy.

    At most `side_by_side` climb at a time: each has its tables.
    """

    sequences: Sequences
    states: int
    settings: MStepSettings
    monitor: LearningMonitor
    threads: int
    max_concurrent: int
    accelerate: bool

    def initialise(
        self, seeds: list[int], drafts: Callable[[int], Iterable[Parameters]], sample: Sequences
    ) -> list[EMRun]:
        """Draw drafts of each start, and take the best of them; starts that time left out lack."""
        limit = self.monitor.time_limit
        limit = None if limit is None else INITIALISATION_SHARE * limit
        monitor = replace(self.monitor, time_limit=limit, on_step=None)
        on_sample = replace(self, sequences=sample, monitor=monitor)

        def start(k: int, em: EM) -> EMRun | None:
            if k > 0 and monitor.reason is not None:
                return None
            best: EMRun | None = None
            for parameters in drafts(seeds[k]):
                run = EMRun(k, seeds[k], parameters)
                em.improve(run)
                if best is None or run.log_posterior > best.log_posterior:
                    best = run
            assert best is not None
            return EMRun(k, seeds[k], best.parameters)

        runs = on_sample._map(len(seeds), start, 0.0, CANDIDATE_ITERATIONS, BestCounts())
        return [run for run in runs if run is not None]

    def run(self, runs: list[EMRun], tol: float, max_iter: int) -> BestCounts:
        """Improve all runs a little, and the best ones to the end."""
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
                run.stop_reason = reason or "behind"
        return best

    def _improve(self, runs: list[EMRun], tol: float, max_iter: int, best: BestCounts) -> None:
        """Improve runs until it is time to stop; the first is visited once in any case."""

        def improve(k: int, em: EM) -> None:
            if k == 0 or self.monitor.reason is None:
                em.improve(runs[k], evaluate_first=k == 0)

        self._map(len(runs), improve, tol, max_iter, best)

    def _map(
        self, n: int, work: Callable[[int, EM], X], tol: float, max_iter: int, best: BestCounts
    ) -> list[X]:
        """Do some work for 0 to n - 1, which climbs, side by side where that pays."""
        is_long = self.sequences.n_steps * self.states**2 > MIN_PARALLEL_WORK
        threads = self.threads if is_long else 1
        concurrent = min(threads, self.max_concurrent, n)
        parallel_runs = concurrent > 1 and len(self.sequences.chunks) <= threads
        with (
            Threads(1 if parallel_runs else threads) as inner,
            Threads(concurrent if parallel_runs else 1) as outer,
        ):
            em = EM(
                *(self.sequences, self.settings, inner, self.monitor, tol, max_iter),
                self.accelerate,
                best,
            )
            return list(outer.map(lambda k: work(k, em), range(n)))
