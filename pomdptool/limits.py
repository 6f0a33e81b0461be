"""Limits of a run: its time, in which compiling does not count, and interrupts."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from pomdptool.kernels.jit import compiling_seconds

LARGEST_VALUE = 1e100
"""Rewards and values from which on sums and squares of floats say nothing."""


class LimitReached(Exception):  # noqa: N818 - not an error: it carries control out of the loops
    """A limit was met inside a step; `reason` says which."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Clock:
    """A clock that stands still while kernels are compiled."""

    began: float = field(default_factory=lambda: _now())

    @property
    def seconds(self) -> float:
        """Seconds since the clock was made."""
        return _now() - self.began

    def left_of(self, limit: float | None) -> float | None:
        """Return what is left of a limit in seconds, None of none."""
        return None if limit is None else max(0.0, limit - self.seconds)


def _now() -> float:
    return time.perf_counter() - compiling_seconds()


@dataclass(slots=True)
class Limits:
    """When a run must stop: after some seconds, or when `interrupted`, asked often, says so."""

    time_limit: float | None = None
    interrupted: Callable[[], bool] | None = None
    clock: Clock = field(default_factory=Clock)

    @property
    def seconds(self) -> float:
        """Seconds since the run began, but for those in which kernels were compiled."""
        return self.clock.seconds

    @property
    def reason(self) -> str | None:
        """Why to stop now: "interrupted" or "time-limit"; None to go on."""
        if self.interrupted is not None and self.interrupted():
            return "interrupted"
        if self.time_limit is not None and self.seconds > self.time_limit:
            return "time-limit"
        return None

    def check(self) -> None:
        """Raise LimitReached where a limit is met."""
        reason = self.reason
        if reason is not None:
            raise LimitReached(reason)
