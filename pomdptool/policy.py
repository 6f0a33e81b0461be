"""Policies: what to do for a belief, and what it is worth.

Alpha vectors bound the optimal value from below, V(b) = max over i of alpha_i . b, and name an
action each (Smallwood and Sondik 1973). A `SolvedPolicy` carries them with the problem that they
solve and with what is certain about them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from pomdptool.errors import PolicyError
from pomdptool.model import Model
from pomdptool.sparse import FloatArray, IntArray


class Policy(Protocol):
    """Anything that chooses an action for a belief and knows a value for it."""

    def act(self, b: FloatArray) -> int:
        """Index of the action chosen at belief `b`, shape (S,)."""

    def value(self, b: FloatArray) -> float:
        """Expected discounted return from belief `b`."""


@dataclass(frozen=True, eq=False, slots=True)
class AlphaVectors:
    """A set of vectors, each with its action.

    Attributes
    ----------
    actions
        Shape (n,): index of the action of each vector.
    values
        Shape (n, S).
    """

    actions: IntArray
    values: FloatArray

    def best(self, b: FloatArray) -> int:
        """Index of the vector that is largest at belief `b` (the first of equal ones)."""
        return int(np.argmax(self.values @ b))


@dataclass(frozen=True, slots=True)
class Bounds:
    """The optimal value at the start belief lies between these two."""

    lower: float
    upper: float

    @property
    def gap(self) -> float:
        """Upper less lower."""
        return self.upper - self.lower

    def closed(self, precision: float) -> bool:
        """Whether the gap is below `precision` times max(1, |value|)."""
        return self.gap <= precision * max(1.0, abs(self.lower))


@dataclass(frozen=True, eq=False, slots=True)
class Problem:
    """What a policy needs to know of the model that it was made for."""

    name: str
    digest: str
    states: tuple[str, ...]
    actions: tuple[str, ...]
    observations: tuple[str, ...]
    discount: float
    costs: bool
    start: FloatArray


def problem_of(model: Model) -> Problem:
    """Describe a model for its policies."""
    return Problem(
        name=model.name,
        digest=model.digest,
        states=model.states,
        actions=model.actions,
        observations=model.observations,
        discount=model.discount,
        costs=model.costs,
        start=model.start,
    )


@dataclass(frozen=True, eq=False, slots=True)
class SolvedPolicy:
    """Alpha vectors, the problem they solve, and what is certain about them.

    Attributes
    ----------
    bounds
        Certified, at the start belief, in rewards.
    converged
        Whether what was asked for was reached.
    stop_reason
        "precision", "horizon", "fixed-point", "rounding", "time-limit", "max-vectors" or
        "interrupted".
    horizon
        Steps to go for which the vectors hold; None: without end.
    stats
        `seconds`, `iterations`, `vectors`, `backups`.
    """

    problem: Problem
    method: str
    vectors: AlphaVectors
    bounds: Bounds
    converged: bool
    stop_reason: str
    horizon: int | None = None
    stats: dict[str, float] = field(default_factory=dict)

    def act(self, b: FloatArray) -> int:
        """Index of the action of the vector that is largest at belief `b`, shape (S,)."""
        return int(self.vectors.actions[self.vectors.best(self._checked(b))])

    def value(self, b: FloatArray) -> float:
        """Value of the largest vector at belief `b`, in rewards."""
        return float((self.vectors.values @ self._checked(b)).max())

    def _checked(self, b: FloatArray) -> FloatArray:
        if np.shape(b) != (len(self.problem.states),):
            n = len(self.problem.states)
            raise PolicyError(f"a belief must have {n} entries, not shape {np.shape(b)}")
        return b
