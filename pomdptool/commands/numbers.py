"""Types of numeric options: finite and within sensible limits.

Every numeric option has one of these types; anything else is wrong usage.
"""

from __future__ import annotations

import math
from typing import Any

import click

MOST = 10**9
"""Largest count of steps, episodes or simulations."""

MOST_STEPS = 10**7
"""Most steps of a sampled episode, which are kept in memory until it ends."""

MOST_KEPT = 10**6
"""Most particles, steps of a simulation and the like, which take memory each."""

MOST_THREADS = 256
"""Largest number of threads; more are reduced to it."""


class Whole(click.IntRange):
    """A whole number from `least` to `most`."""

    def __init__(self, least: int = 1, most: int = MOST) -> None:
        super().__init__(min=least)  # the help shows the least only
        self.most = most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read the number."""
        number = super().convert(value, param, ctx)
        if number > self.most:
            self.fail(f"{value} is more than {self.most}.", param, ctx)
        return number


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
