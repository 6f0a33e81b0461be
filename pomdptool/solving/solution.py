"""Results, progress and limits of solvers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from pomdptool.errors import PomdpError
from pomdptool.graph import PolicyGraph
from pomdptool.limits import LARGEST_VALUE, Limits
from pomdptool.limits import LimitReached as LimitReached
from pomdptool.memory import resident
from pomdptool.model import Model
from pomdptool.policy import Bounds, SolvedPolicy, ValueFunction, problem_of
from pomdptool.readable import Readable
from pomdptool.sparse import FloatArray

MEASURE_INTERVAL = 0.1
"""Seconds between two measurements of memory."""


@dataclass(frozen=True, slots=True)
class Progress:
    """State of a solver after an iteration.

    `lower` and `upper` bound the value of the initial belief, in rewards. Solvers that know them
    add the polytope vertices and linear programs of the iteration, the largest error of the value
    function at any belief, and the number of beliefs. An iteration of SARSOP is a trial.
    """

    iteration: int
    seconds: float
    vectors: int
    lower: float
    upper: float
    vertices: int | None = None
    programs: int | None = None
    error: float | None = None
    beliefs: int | None = None


OnStep = Callable[[Progress], None]


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Solution(Readable):
    """Result of a solver: the policy, and how it was computed.

    Attributes
    ----------
    trace
        Progress over time.
    detail
        Summary of the computation in one line.
    """

    policy: SolvedPolicy
    trace: tuple[Progress, ...] = ()
    detail: str = ""

    def _summary(self) -> str:
        return self.policy._summary()

    @classmethod
    def of(
        cls,
        model: Model,
        method: str,
        monitor: Monitor,
        values: ValueFunction,
        bounds: Bounds,
        stop_reason: str,
        *,
        converged: bool,
        counts: dict[str, float],
        horizon: int | None = None,
        graph: PolicyGraph | None = None,
        detail: str = "",
    ) -> Solution:
        """Create a solution with the time and progress of the monitor.

        `counts` holds `iterations`, `vectors`, `backups`, and `beliefs` if counted.
        """
        policy = SolvedPolicy(
            problem_of(model),
            method,
            values,
            bounds,
            converged,
            stop_reason,
            horizon,
            graph,
            stats={"seconds": monitor.seconds, **counts},
        )
        return cls(policy, tuple(monitor.trace), detail)

    @property
    def bounds(self) -> Bounds:
        """Certified bounds on the optimal value at the initial belief."""
        return self.policy.bounds

    @property
    def converged(self) -> bool:
        """Whether the precision or the horizon was reached."""
        return self.policy.converged

    @property
    def stop_reason(self) -> str:
        """Why the solver stopped."""
        return self.policy.stop_reason


@dataclass(slots=True)
class Monitor(Limits):
    """Limits and progress of one solver run; at a limit the solver returns its best result so far.

    `memory` limits the resident memory of the process, in bytes.
    """

    max_vectors: int | None = None
    on_step: OnStep | None = None
    memory: int | None = None
    trace: list[Progress] = field(default_factory=list)
    reported: float = 0.0
    measured: float = -math.inf

    def check(self, vectors: int = 0) -> None:
        """Raise LimitReached at a limit; repeat the last progress report every half second."""
        Limits.check(self)
        if self.max_vectors is not None and vectors > self.max_vectors:
            raise LimitReached("max-vectors")
        if self.memory is not None and self.seconds - self.measured > MEASURE_INTERVAL:
            if (resident() or 0) > self.memory:
                raise LimitReached("memory")
            self.measured = self.seconds
        if self.on_step and self.trace and self.seconds - self.reported > 0.5:
            self.reported = self.seconds
            self.on_step(replace(self.trace[-1], seconds=self.reported))

    def step(
        self,
        iteration: int,
        vectors: int,
        bounds: Bounds,
        *,
        vertices: int | None = None,
        programs: int | None = None,
        error: float | None = None,
        beliefs: int | None = None,
    ) -> None:
        """Record progress and report it."""
        optional = (vertices, programs, error, beliefs)
        progress = Progress(iteration, self.seconds, vectors, bounds.lower, bounds.upper, *optional)
        self.trace.append(progress)
        self.reported = progress.seconds
        if self.on_step:
            self.on_step(progress)


def discounted_steps(discount: float, first: int, horizon: int | None) -> float:
    """Sum of discount**t over first <= t < horizon."""
    if discount == 1.0:
        return math.inf if horizon is None else float(horizon - first)
    last = 0.0 if horizon is None else discount**horizon
    return (discount**first - last) / (1.0 - discount)


def check_sum(quantity: str, largest: float, times: float) -> None:
    """Raise PomdpError if `times` numbers of up to `largest` are too large to be added."""
    if not largest * times < LARGEST_VALUE:
        raise PomdpError(f"{quantity} up to {largest:g} are too large to be added up")


def remaining_return(
    model: Model, done: int, horizon: int, terminal: FloatArray | None = None
) -> Bounds:
    """Bounds on the discounted return of the steps after the first `done` of `horizon`.

    With terminal vectors, shape (n, S): bounds on the change in value when these apply after all
    steps instead of after `done`.
    """
    r, g = model.expected_rewards, model.discount
    weight = discounted_steps(g, done, horizon)
    rest = Bounds(weight * float(r.min()), weight * float(r.max()))
    if terminal is None or done == horizon:
        return rest
    low, high = float(terminal.min(axis=1).max()), float(terminal.max())
    first, last = g**done, g**horizon
    return Bounds(rest.lower + last * low - first * high, rest.upper + last * high - first * low)


def maximin_action(model: Model) -> int:
    """Action with the largest minimum reward; it attains the lower end of `remaining_return`."""
    return int(model.expected_rewards.min(axis=1).argmax())


def require_discount(model: Model, horizon: int | None) -> None:
    """Raise PomdpError with discount 1 and an infinite horizon."""
    if model.discount == 1.0 and horizon is None:
        raise PomdpError(
            "with discount 1 the value may be infinite: give a horizon, or a discount below 1"
        )
