"""A race between starts: all climb until they gain little, and the best go on to the end.

Each start is the best of some drafts, after a few iterations on a sample of the data.

Starts climb side by side where the data alone do not keep the threads busy; what comes of each is
the same in any case.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from pomdptool.learning.em import Climb, Run
from pomdptool.learning.expectation import Expected, Threads, expected
from pomdptool.learning.maximisation import Settings
from pomdptool.learning.sequences import Sequences
from pomdptool.learning.tables import Tables
from pomdptool.learning.watch import LearningWatch

ROUGH = 1e-4
"""Gain per step at which all starts pause."""

ROUGH_ITERATIONS = 60
"""Iterations after which all starts pause."""

FINALISTS = 1 / 3
"""Share of the starts that go on."""

SAMPLE_STEPS = 40_000
"""Most steps that drafts climb on."""

DRAFT_ITERATIONS = 15
"""Iterations of a draft."""

LEAST_WORK = 200_000
"""Multiplications of a pass below which threads do not pay."""


@dataclass(frozen=True, slots=True)
class Race:
    """Runs that climb, in parallel where the data do not keep the threads busy."""

    sequences: Sequences
    settings: Settings
    watch: LearningWatch
    threads: int
    accelerate: bool

    def run(self, runs: list[Run], tol: float, max_iter: int) -> None:
        """Improve all runs a little, and the best ones to the end."""
        going = runs
        if len(runs) > 1:
            self._improve(runs, max(tol, ROUGH), min(max_iter, ROUGH_ITERATIONS))
            going = sorted(runs, key=lambda run: -run.log_posterior)
            going = going[: math.ceil(len(runs) * FINALISTS)]
        reason = self.watch.reason
        if reason is None or len(runs) == 1:
            self._improve(going, tol, max_iter)
        for run in runs:
            if run not in going or reason is not None:
                run.converged = False
                run.stop_reason = reason or "behind"

    def chosen(self, drafts: list[list[Run]], sample: Sequences) -> list[Run]:
        """Take the best draft of each start."""
        on_sample = replace(self, sequences=sample, watch=replace(self.watch, on_step=None))
        on_sample._improve([run for runs in drafts for run in runs], 0.0, DRAFT_ITERATIONS)
        best = [max(runs, key=lambda run: run.log_posterior) for runs in drafts]
        return [Run(run.number, run.seed, run.tables) for run in best]

    def _improve(self, runs: list[Run], tol: float, max_iter: int) -> None:
        n = self.sequences.n_steps * runs[0].tables.n_states ** 2
        threads = self.threads if n > LEAST_WORK else 1
        apart = len(runs) > 1 and len(self.sequences.chunks) <= threads
        with Threads(1 if apart else threads) as inner, Threads(threads if apart else 1) as outer:
            climb = Climb(
                self.sequences, self.settings, inner, self.watch, tol, max_iter, self.accelerate
            )
            for _ in outer.map(lambda run: self._improve_one(climb, run, run is runs[0]), runs):
                pass

    def _improve_one(self, climb: Climb, run: Run, first: bool) -> None:
        """Improve a run, unless it is time to stop; the first is visited once in any case."""
        if first or self.watch.reason is None:
            climb.improve(run)

    def expected(self, tables: Tables, sequences: Sequences) -> Expected:
        """Pass over data once."""
        with Threads(self.threads) as threads:
            return expected(tables, sequences, threads)
