"""Options of solvers, and checks that they are valid and compatible."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from inspect import signature
from typing import Any

import numpy as np

from pomdptool.errors import PomdpError
from pomdptool.limits import LARGEST_VALUE
from pomdptool.model import Model
from pomdptool.policy import SolvedPolicy
from pomdptool.solving.solution import Solution
from pomdptool.sparse import FloatArray

Solver = Callable[..., Solution]
"""Called with a model and, by keyword, `monitor` and the options among its parameters."""

REFUSALS = {
    "horizon": "method {method!r} has no horizon: use 'exact'",
    "terminal": "terminal values need method 'exact', not {method!r}",
    "all_horizons": "all horizons need method 'exact', not {method!r}",
    "algorithm": "algorithm {value!r} is for method 'exact', not {method!r}",
    "resume": "method {method!r} cannot resume: use 'sarsop'",
}
"""Errors for options that a method does not take; other options are ignored by such methods."""


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Options:
    """Options of `solve` that are passed on to the solver.

    Raises PomdpError if one is out of range or lacks an option that it depends on.
    """

    precision: float = 1e-3
    horizon: int | None = None
    full_simplex: bool = False
    terminal: FloatArray | None = None
    all_horizons: bool = False
    algorithm: str | None = None
    resume: SolvedPolicy | None = None
    rng: np.random.Generator | None = None

    def __post_init__(self) -> None:
        if not 0.0 < self.precision < math.inf:
            raise PomdpError(f"the precision must be above 0, not {self.precision}")
        if self.horizon is None:
            if self.terminal is not None:
                raise PomdpError("terminal values need a horizon")
            if self.all_horizons:
                raise PomdpError("all horizons need a horizon")
        elif not isinstance(self.horizon, int) or self.horizon < 1:
            raise PomdpError(f"the horizon must be a whole number above 0, not {self.horizon}")

    def taken_by(self, solver: Solver, method: str) -> dict[str, Any]:
        """Return the options that the solver has parameters for.

        Raises PomdpError if an option is set that the method rejects (see `REFUSALS`).
        """
        taken, parameters = {}, signature(solver).parameters
        for option in fields(self):
            value = getattr(self, option.name)
            if option.name in parameters:
                taken[option.name] = value
            elif option.name in REFUSALS and value is not option.default:
                raise PomdpError(REFUSALS[option.name].format(method=method, value=value))
        return taken


def checked_terminal(model: Model, terminal: FloatArray) -> FloatArray:
    """Return terminal values as an array of shape (n, S).

    Raises PomdpError if the shape is wrong, or a value is not a number or too large.
    """
    terminal = np.asarray(terminal, dtype=np.float64)
    if terminal.ndim != 2 or terminal.shape[1] != model.n_states or not len(terminal):
        raise PomdpError(
            f"terminal values must have shape (n, {model.n_states}), not {terminal.shape}"
        )
    if not (np.abs(terminal) < LARGEST_VALUE).all():
        raise PomdpError(f"terminal values must be numbers of magnitude below {LARGEST_VALUE:g}")
    return np.ascontiguousarray(terminal)
