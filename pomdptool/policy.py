"""Policies: what to do for a belief, and what it is worth.

Alpha vectors bound the optimal value from below, V(b) = max over i of alpha_i . b, and name an
action each (Smallwood and Sondik 1973). A `SolvedPolicy` carries them with the problem that they
solve and with what is certain about them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from pomdptool.errors import PolicyError
from pomdptool.graph import PolicyGraph
from pomdptool.model import Model
from pomdptool.sparse import FloatArray, IntArray


@dataclass(frozen=True, eq=False, slots=True)
class Row:
    """One vector: the action's index, values, and the states that they belong to (None: all).

    In a controller `next` is the vector that follows each observation, -1 where it is impossible.
    """

    action: int
    values: FloatArray
    states: list[int] | None
    next: list[int] | None = None


class ValueFunction(Protocol):
    """Values and actions for all beliefs, from vectors."""

    def value(self, b: FloatArray) -> float:
        """Value at belief `b`, shape (S,)."""

    def action(self, b: FloatArray) -> int:
        """Index of the action at belief `b`, shape (S,)."""

    def rows(self) -> Iterator[Row]:
        """Every vector."""


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

    def value(self, b: FloatArray) -> float:
        """Value of the largest vector at belief `b`, shape (S,)."""
        return float((self.values @ b).max())

    def action(self, b: FloatArray) -> int:
        """Action of the vector that is largest at belief `b` (the first of equal ones)."""
        return int(self.actions[np.argmax(self.values @ b)])

    def rows(self) -> Iterator[Row]:
        """Every vector with its action; each covers all states."""
        for action, vector in zip(self.actions.tolist(), self.values, strict=True):
            yield Row(action, vector, None)


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
        return math.isfinite(self.gap) and self.gap <= precision * max(1.0, abs(self.lower))


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
    mdp: bool = False


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
        mdp=model.mdp,
    )


def check_names(problem: Problem, model: Model, what: str) -> None:
    """Refuse a policy with other states, actions or observations, as `what` says.

    Raises
    ------
    PolicyError
        It says what differs.
    """
    theirs, ours = getattr(problem, what), getattr(model, what)
    if len(theirs) != len(ours):
        raise PolicyError(f"the policy is for {len(theirs)} {what}, the model has {len(ours)}")
    for k, (their, our) in enumerate(zip(theirs, ours, strict=True)):
        if their != our:
            raise PolicyError(
                f"the policy is for another model: {what[:-1]} {k} is {their!r} there and "
                f"{our!r} here"
            )


def check_fits(problem: Problem, model: Model) -> None:
    """Refuse a policy that was made for another model; the discount may be another.

    Raises
    ------
    PolicyError
        It says what differs.
    """
    for what in ("states", "actions", "observations"):
        check_names(problem, model, what)
    if problem.costs != model.costs:
        kinds = ("rewards", "costs")
        raise PolicyError(
            f"the policy is for a model in {kinds[problem.costs]}, this one is in "
            f"{kinds[model.costs]}"
        )
    if problem.digest == model.digest:
        return
    what = "probabilities, rewards or discount differ"
    if not np.array_equal(problem.start, model.start):
        what = "the start differs"
    raise PolicyError(f"the policy is for another model: {what}")


@dataclass(frozen=True, eq=False, slots=True)
class SolvedPolicy:
    """A value function, the problem that it solves, and what is certain about it.

    Attributes
    ----------
    values
        Vectors over all states, or on faces with a step of look-ahead.
    bounds
        Certified, at the start belief, in rewards.
    converged
        Whether what was asked for was reached.
    stop_reason
        "precision", "horizon", "fixed-point", "rounding", "time-limit", "max-vectors", "memory" or
        "interrupted".
    horizon
        The steps that were asked for; None: without end. Where the solver was stopped before, the
        vectors hold for `stats["iterations"]` steps, the bounds for all of them.
    graph
        The controller from the start belief, where one was extracted.
    stats
        `seconds`, `iterations`, `vectors`, `backups`.
    graph_value
        What the controller earns from the start belief, exactly, where that was computed.
    stages
        Values with 1, 2, ... steps to go, where all of them were asked for: those that were
        reached.
    terminal
        Shape (n, S): the largest of these vectors is what a belief after the last step is worth,
        where that is not 0.
    trace
        Over time: seconds, lower and upper bound at the start belief, and vectors.
    """

    problem: Problem
    method: str
    values: ValueFunction
    bounds: Bounds
    converged: bool
    stop_reason: str
    horizon: int | None = None
    graph: PolicyGraph | None = None
    stats: dict[str, float] = field(default_factory=dict)
    graph_value: float | None = None
    stages: tuple[ValueFunction, ...] = ()
    terminal: FloatArray | None = None
    trace: tuple[tuple[float, float, float, int], ...] = ()

    def act(self, b: FloatArray) -> int:
        """Index of the best action at belief `b`, shape (S,)."""
        return self.values.action(self._checked(b))

    def value(self, b: FloatArray) -> float:
        """Value at belief `b`, shape (S,), in rewards."""
        return self.values.value(self._checked(b))

    def _checked(self, b: FloatArray) -> FloatArray:
        if np.shape(b) != (len(self.problem.states),):
            n = len(self.problem.states)
            raise PolicyError(f"a belief must have {n} entries, not shape {np.shape(b)}")
        return b
