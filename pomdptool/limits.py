"""Limits of a run: interrupts, and its time without compilation."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from pomdptool.kernels.jit import compiling_seconds

LARGEST_VALUE = 1e100
"""Largest magnitude of rewards and values; beyond it, sums and squares of floats overflow."""


class LimitReached(Exception):  # noqa: N818 - not an error: it carries control out of the loops
    """A limit was reached inside an iteration; `reason` names it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Clock:
    """A clock that stops while kernels are compiled."""

    began: float = field(default_factory=lambda: _now())

    @property
    def seconds(self) -> float:
        """Seconds since the clock was started, without compilation."""
        return _now() - self.began

    def remaining(self, limit: float | None) -> float | None:
        """Remaining seconds of a time limit; None without one."""
        return None if limit is None else max(0.0, limit - self.seconds)


def _now() -> float:
    return time.perf_counter() - compiling_seconds()


@dataclass(slots=True)
class Limits:
    """Time limit of a run in seconds, and `interrupted`, which is polled."""

    time_limit: float | None = None
    interrupted: Callable[[], bool] | None = None
    clock: Clock = field(default_factory=Clock)

    @property
    def seconds(self) -> float:
        """Seconds since the run began, without compilation."""
        return self.clock.seconds

    @property
    def reason(self) -> str | None:
        """The limit reached, "interrupted" or "time-limit"; None if none."""
        if self.interrupted is not None and self.interrupted():
            return "interrupted"
        if self.time_limit is not None and self.seconds > self.time_limit:
            return "time-limit"
        return None

    def check(self) -> None:
        """Raise LimitReached if a limit is reached."""
        reason = self.reason
        if reason is not None:
            raise LimitReached(reason)
