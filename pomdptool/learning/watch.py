"""Progress of learning, and when it must stop."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class LearningProgress:
    """One iteration: of which restart, the log-likelihood, and its gain per step of the data."""

    states: int
    restart: int
    iteration: int
    loglik: float
    gain: float
    seconds: float


def time_left(limit: float | None, began: float) -> float | None:
    """Return what is left of a limit in seconds, None of none, since `began` on the clock."""
    return None if limit is None else max(0.0, limit - (time.perf_counter() - began))


OnLearned = Callable[[LearningProgress], None]


@dataclass(slots=True)
class LearningWatch:
    """Time and progress of one run; `interrupted` is asked after each iteration."""

    time_limit: float | None = None
    on_step: OnLearned | None = None
    interrupted: Callable[[], bool] | None = None
    began: float = field(default_factory=time.perf_counter)

    @property
    def reason(self) -> str | None:
        """Why to stop now, None to go on."""
        if self.interrupted is not None and self.interrupted():
            return "interrupted"
        if self.time_limit is not None and time.perf_counter() - self.began > self.time_limit:
            return "time-limit"
        return None

    def step(self, states: int, restart: int, iteration: int, loglik: float, gain: float) -> None:
        """Report progress."""
        if self.on_step is not None:
            seconds = time.perf_counter() - self.began
            self.on_step(LearningProgress(states, restart, iteration, loglik, gain, seconds))
