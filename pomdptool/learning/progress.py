"""Progress of learning, and when it must stop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pomdptool.limits import Limits

GRACE = 0.3
"""Seconds for a last pass over the data after a limit was met."""


@dataclass(frozen=True, slots=True)
class LearningProgress:
    """One iteration: of which restart, the log-likelihood, and its gain per step of the data."""

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
        """Limits of a pass over the data that ends the run: a little longer than the run's own."""
        if self.reason is not None:
            return Limits(GRACE)
        left = self.clock.remaining(self.time_limit)
        return Limits(None if left is None else left + GRACE, self.interrupted)

    def step(self, states: int, restart: int, iteration: int, loglik: float, gain: float) -> None:
        """Report progress."""
        if self.on_step is not None:
            self.on_step(LearningProgress(states, restart, iteration, loglik, gain, self.seconds))
