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
from pomdptool.learning.em import Best, Climb, Run
from pomdptool.learning.encoding import Sequences
from pomdptool.learning.m_step import Settings
from pomdptool.learning.parameters import Tables
from pomdptool.learning.progress import LearningMonitor

X = TypeVar("X")

ROUGH = 1e-4
"""Gain per step at which all starts pause."""

ROUGH_ITERATIONS = 60
"""Iterations after which all starts pause."""

FINALISTS = 1 / 3
"""Share of the starts that go on."""

SAMPLE_STEPS = 40_000
"""Most steps that drafts climb on."""

DRAFTING = 0.5
"""Share of the time limit after which no more starts are drawn."""

DRAFT_ITERATIONS = 15
"""Iterations of a draft."""

LEAST_WORK = 200_000
"""Multiplications of a pass below which threads do not pay."""


@dataclass(frozen=True, slots=True)
class Race:
    """Runs that climb, in parallel where the data do not keep the threads busy.

    At most `side_by_side` climb at a time: each has its tables.
    """

    sequences: Sequences
    states: int
    settings: Settings
    monitor: LearningMonitor
    threads: int
    side_by_side: int
    accelerate: bool

    def chosen(
        self, seeds: list[int], drafts: Callable[[int], Iterable[Tables]], sample: Sequences
    ) -> list[Run]:
        """Draw drafts of each start, and take the best of them; starts that time left out lack."""
        limit = self.monitor.time_limit
        limit = None if limit is None else DRAFTING * limit
        monitor = replace(self.monitor, time_limit=limit, on_step=None)
        on_sample = replace(self, sequences=sample, monitor=monitor)

        def start(k: int, climb: Climb) -> Run | None:
            if k > 0 and monitor.reason is not None:
                return None
            best: Run | None = None
            for tables in drafts(seeds[k]):
                run = Run(k, seeds[k], tables)
                climb.improve(run)
                if best is None or run.log_posterior > best.log_posterior:
                    best = run
            assert best is not None
            return Run(k, seeds[k], best.tables)

        found = on_sample._each(len(seeds), start, 0.0, DRAFT_ITERATIONS, Best())
        return [run for run in found if run is not None]

    def run(self, runs: list[Run], tol: float, max_iter: int) -> Best:
        """Improve all runs a little, and the best ones to the end."""
        going, best = runs, Best()
        if len(runs) > 1:
            self._improve(runs, max(tol, ROUGH), min(max_iter, ROUGH_ITERATIONS), best)
            going = sorted(runs, key=lambda run: -run.log_posterior)
            going = going[: math.ceil(len(runs) * FINALISTS)]
        reason = self.monitor.reason
        if reason is None or len(runs) == 1:
            self._improve(going, tol, max_iter, best)
        for run in runs:
            if run not in going or reason is not None:
                run.converged = False
                run.stop_reason = reason or "behind"
        return best

    def _improve(self, runs: list[Run], tol: float, max_iter: int, best: Best) -> None:
        """Improve runs until it is time to stop; the first is visited once in any case."""

        def improve(k: int, climb: Climb) -> None:
            if k == 0 or self.monitor.reason is None:
                climb.improve(runs[k], visit_first=k == 0)

        self._each(len(runs), improve, tol, max_iter, best)

    def _each(
        self, n: int, work: Callable[[int, Climb], X], tol: float, max_iter: int, best: Best
    ) -> list[X]:
        """Do some work for 0 to n - 1, which climbs, side by side where that pays."""
        is_long = self.sequences.n_steps * self.states**2 > LEAST_WORK
        threads = self.threads if is_long else 1
        aside = min(threads, self.side_by_side, n)
        apart = aside > 1 and len(self.sequences.chunks) <= threads
        with Threads(1 if apart else threads) as inner, Threads(aside if apart else 1) as outer:
            climb = Climb(
                *(self.sequences, self.settings, inner, self.monitor, tol, max_iter),
                self.accelerate,
                best,
            )
            return list(outer.map(lambda k: work(k, climb), range(n)))
