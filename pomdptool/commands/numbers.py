"""Types of numeric options: finite numbers within sensible limits."""

from __future__ import annotations

import math
from typing import Any

import click

MAX_COUNT = 10**9
"""Maximum number of steps, episodes or simulations."""

MAX_STEPS = 10**7
"""Maximum number of steps of a sampled episode, which is kept in memory."""

MAX_STORED = 10**6
"""Maximum number of particles, steps of a simulation etc., each of which takes memory."""

MAX_THREADS = 256
"""Maximum number of threads; larger numbers are reduced to it."""


class Whole(click.IntRange):
    """An integer in a range."""

    def __init__(self, minimum: int = 1, maximum: int = MAX_COUNT) -> None:
        super().__init__(min=minimum)  # the help shows only the minimum
        self.maximum = maximum

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read the number."""
        number = super().convert(value, param, ctx)
        if number > self.maximum:
            self.fail(f"{value} is more than {self.maximum}.", param, ctx)
        return number


class WholeOrAll(Whole):
    """An integer in a range, or `all`: None."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read the number."""
        return None if value == "all" else super().convert(value, param, ctx)


class Real(click.FloatRange):
    """A finite number in a range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read the number."""
        return _finite(self, super().convert(value, param, ctx), param, ctx)


class AnyReal(click.types.FloatParamType):
    """Any finite number."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read the number."""
        return _finite(self, super().convert(value, param, ctx), param, ctx)


def _finite(
    kind: Real | AnyReal, number: float, param: click.Parameter | None, ctx: click.Context | None
) -> float:
    if not math.isfinite(number):
        kind.fail(f"{number} is not a finite number.", param, ctx)
    return number
