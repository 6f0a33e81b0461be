"""Policies as value functions over beliefs.

Alpha vectors, each with an action, define V(b) = max over i of alpha_i . b, a lower bound on the
optimal value (Smallwood and Sondik 1973). A `SolvedPolicy` adds the problem and certified bounds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from pomdptool.belief import action_values
from pomdptool.belief_input import belief_over
from pomdptool.errors import PolicyError
from pomdptool.graph import PolicyGraph
from pomdptool.model import Model
from pomdptool.readable import Readable, counted, short_name
from pomdptool.sparse import FloatArray, IntArray

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@dataclass(frozen=True, eq=False, slots=True)
class Row:
    """One alpha vector: index of its action, values, and their states (None: all).

    In a controller `next` is the successor for each observation, -1 if it is impossible.
    """

    action: int
    values: FloatArray
    states: list[int] | None
    next: list[int] | None = None


class ValueFunction(Protocol):
    """A value function and policy defined by alpha vectors."""

    def value(self, b: FloatArray) -> float:
        """Value at belief `b`, shape (S,)."""

    def action(self, b: FloatArray) -> int:
        """Index of the action at belief `b`, shape (S,)."""

    def rows(self) -> Iterator[Row]:
        """All vectors."""


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class AlphaVectors(Readable):
    """A set of alpha vectors with their actions.

    Attributes
    ----------
    actions
        Shape (n,): index of the action of each vector.
    values
        Shape (n, S).
    """

    actions: IntArray
    values: FloatArray

    def _summary(self) -> str:
        n, n_states = self.values.shape
        return f"{counted(n, 'vector')} over {counted(n_states, 'state')}"

    def value(self, b: FloatArray) -> float:
        """Value of the maximal vector at belief `b`, shape (S,)."""
        return float((self.values @ b).max())

    def action(self, b: FloatArray) -> int:
        """Action of the maximal vector at belief `b` (the first of equal ones)."""
        return int(self.actions[np.argmax(self.values @ b)])

    def rows(self) -> Iterator[Row]:
        """All vectors with their actions, over all states."""
        for action, vector in zip(self.actions.tolist(), self.values, strict=True):
            yield Row(action, vector, None)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Lower and upper bound on the optimal value at the initial belief."""

    lower: float
    upper: float

    @property
    def gap(self) -> float:
        """Upper minus lower bound."""
        return self.upper - self.lower

    def closed(self, precision: float) -> bool:
        """Whether the gap is at most `precision` * max(1, |lower|)."""
        return math.isfinite(self.gap) and self.gap <= precision * max(1.0, abs(self.lower))


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Problem(Readable):
    """Identity of the model that a policy was made for; see `Model` for the attributes."""

    name: str
    digest: str
    states: tuple[str, ...]
    actions: tuple[str, ...]
    observations: tuple[str, ...]
    discount: float
    costs: bool
    start: FloatArray
    mdp: bool = False

    def _summary(self) -> str:
        return short_name(self.name)


def problem_of(model: Model) -> Problem:
    """The Problem of a model."""
    return Problem(**{field.name: getattr(model, field.name) for field in fields(Problem)})


def check_names(problem: Problem, model: Model, kind: str) -> None:
    """Check that policy and model have the same states, actions or observations (the `kind`).

    Raises
    ------
    PolicyError
        With the first difference.
    """
    theirs, ours = getattr(problem, kind), getattr(model, kind)
    if len(theirs) != len(ours):
        raise PolicyError(f"the policy is for {len(theirs)} {kind}, the model has {len(ours)}")
    for k, (their, our) in enumerate(zip(theirs, ours, strict=True)):
        if their != our:
            raise PolicyError(
                f"the policy is for another model: {kind[:-1]} {k} is {their!r} there and "
                f"{our!r} here"
            )


def check_fits(problem: Problem, model: Model) -> None:
    """Check that a policy was made for this model.

    Raises
    ------
    PolicyError
        With the first difference.
    """
    for kind in ("states", "actions", "observations"):
        check_names(problem, model, kind)
    if problem.costs != model.costs:
        kinds = ("rewards", "costs")
        raise PolicyError(
            f"the policy is for a model in {kinds[problem.costs]}, this one is in "
            f"{kinds[model.costs]}"
        )
    if problem.digest == model.digest:
        return
    difference = "probabilities, rewards or discount differ"
    if not np.array_equal(problem.start, model.start):
        difference = "the initial beliefs differ"
    raise PolicyError(f"the policy is for another model: {difference}")


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class SolvedPolicy(Readable):
    """A value function, the problem that it solves, and certified bounds.

    Attributes
    ----------
    values
        Alpha vectors over all states, or on faces with a step of look-ahead.
    bounds
        Certified bounds on the optimal value at the initial belief, in rewards.
    converged
        Whether the requested precision or horizon was reached.
    stop_reason
        "precision", "horizon", "fixed-point", "rounding", "time-limit", "max-vectors", "memory" or
        "interrupted".
    horizon
        Number of steps; None for an infinite horizon. If the solver stopped early, the vectors are
        for `stats["iterations"]` steps, the bounds for the whole horizon.
    graph
        The controller from the initial belief, if one was extracted.
    stats
        `seconds`, `iterations`, `vectors`, `backups`.
    graph_value
        Exact value of the controller at the initial belief, if computed.
    stages
        Value functions with 1, 2, ... steps to go, if requested, as far as computed.
    terminal
        Terminal value function: the maximum of these vectors, shape (n, S); None for 0.
    trace
        Seconds, lower and upper bound at the initial belief, and number of vectors over time.
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

    def _summary(self) -> str:
        """Problem, method, number of vectors, and bounds in the model's sign."""
        sign = -1.0 if self.problem.costs else 1.0
        low, high = sorted((sign * self.bounds.lower, sign * self.bounds.upper))
        vectors = counted(sum(1 for _ in self.values.rows()), "vector")
        horizon = "" if self.horizon is None else f", horizon {self.horizon}"
        bounds = f"optimal value {low:.6g} to {high:.6g}, stopped by {self.stop_reason}"
        return f"{short_name(self.problem.name)}: {self.method}{horizon}, {vectors}, {bounds}"

    def act(self, b: ArrayLike | Mapping[str, float]) -> int:
        """Index of the best action at a belief: an array, or {state: probability}.

        Raises ModelError if `b` is not a belief.
        """
        return self.values.action(belief_over(b, self.problem.states))

    def value(self, b: ArrayLike | Mapping[str, float]) -> float:
        """Value at a belief, in rewards; `b` as in `act`."""
        return self.values.value(belief_over(b, self.problem.states))

    def action_values(
        self, b: ArrayLike | Mapping[str, float], model: Model | None = None
    ) -> FloatArray:
        """Q(b, a) of every action, shape (A,), in rewards: one step of look-ahead.

        Parameters
        ----------
        b
            A belief, as in `act`.
        model
            The model that was solved; not needed if the policy was read with it and its vectors
            cover only some states.

        Raises
        ------
        ModelError
            If `b` is not a belief.
        PolicyError
            Without a model, or if the values of the steps that remain are not in the policy.
        """
        model = model or getattr(self.values, "model", None)
        if model is None:
            raise PolicyError("the values of actions need the model: pass it as `model`")
        check_fits(self.problem, model)
        model = replace(model, discount=self.problem.discount)
        return action_values(model, belief_over(b, self.problem.states), self._after_step)

    def _after_step(self, b: FloatArray) -> float:
        """Value at a belief after the first step."""
        if self.horizon is None:
            return getattr(self.values, "after", self.values).value(b)
        steps = self.horizon if self.converged else int(self.stats["iterations"])
        if steps == 1:
            return 0.0 if self.terminal is None else float((self.terminal @ b).max())
        if len(self.stages) >= steps - 1:
            return self.stages[steps - 2].value(b)
        if hasattr(self.values, "after"):
            return float(self.values.after.value(b))
        raise PolicyError(
            f"the policy has no values for the {steps - 1} steps after the first: solve with "
            "--all-horizons"
        )
