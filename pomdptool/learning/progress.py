"""Progress and limits of learning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pomdptool.limits import Limits

GRACE = 0.3
"""Seconds granted for a last pass over the data after a limit is reached."""


@dataclass(frozen=True, slots=True)
class LearningProgress:
    """One EM iteration of a restart: log-likelihood, and its gain per step of data."""

    states: int
    restart: int
    iteration: int
    loglik: float
    gain: float
    seconds: float


OnLearned = Callable[[LearningProgress], None]


@dataclass(slots=True)
class LearningMonitor(Limits):
    """Limits and progress of one run."""

    on_step: OnLearned | None = None

    def last_pass(self) -> Limits:
        """Limits of the last pass over the data: those of the run, extended by GRACE."""
        if self.reason is not None:
            return Limits(GRACE)
        left = self.clock.remaining(self.time_limit)
        return Limits(None if left is None else left + GRACE, self.interrupted)

    def step(self, states: int, restart: int, iteration: int, loglik: float, gain: float) -> None:
        """Report progress."""
        if self.on_step is not None:
            self.on_step(LearningProgress(states, restart, iteration, loglik, gain, self.seconds))
