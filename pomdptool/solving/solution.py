"""What a solver returns, what it reports on its way, and when it must stop."""

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
from pomdptool.sparse import FloatArray

MEASURED_EVERY = 0.1
"""Seconds after which memory is measured anew."""


@dataclass(frozen=True, slots=True)
class Progress:
    """One line of a solver's progress: bounds at the start belief, in rewards.

    Solvers that know them add the vertices of the polytopes and the linear programs of the last
    round, by how much the vectors may miss the optimum anywhere, and the beliefs that a search has
    found (an iteration is one trial of it).
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


@dataclass(frozen=True, eq=False, slots=True)
class Solution:
    """A policy and how it came about.

    Attributes
    ----------
    trace
        Progress over time.
    detail
        How it was computed, in a line for people.
    """

    policy: SolvedPolicy
    trace: tuple[Progress, ...] = ()
    detail: str = ""

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
        """Put a solver's result together; time and progress are those of its monitor.

        `counts` holds `iterations`, `vectors`, `backups`, and `beliefs` where these are counted.
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
        """Certified bounds on the optimal value at the start belief."""
        return self.policy.bounds

    @property
    def converged(self) -> bool:
        """Whether what was asked for was reached."""
        return self.policy.converged

    @property
    def stop_reason(self) -> str:
        """Why the solver stopped."""
        return self.policy.stop_reason


@dataclass(slots=True)
class Monitor(Limits):
    """Limits and progress of one solver, which returns the best so far where it is stopped.

    `memory` is in bytes, of all that the process holds.
    """

    max_vectors: int | None = None
    on_step: OnStep | None = None
    memory: int | None = None
    trace: list[Progress] = field(default_factory=list)
    reported: float = 0.0
    measured: float = -math.inf

    def check(self, vectors: int = 0) -> None:
        """Raise LimitReached where a limit is met; repeat the last progress every half second."""
        Limits.check(self)
        if self.max_vectors is not None and vectors > self.max_vectors:
            raise LimitReached("max-vectors")
        if self.memory is not None and self.seconds - self.measured > MEASURED_EVERY:
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
        """Note progress and report it."""
        more = (vertices, programs, error, beliefs)
        progress = Progress(iteration, self.seconds, vectors, bounds.lower, bounds.upper, *more)
        self.trace.append(progress)
        self.reported = progress.seconds
        if self.on_step:
            self.on_step(progress)


def discounted_steps(discount: float, first: int, horizon: int | None) -> float:
    """Sum of discount**t for t from `first` to the horizon, which is not included."""
    if discount == 1.0:
        return math.inf if horizon is None else float(horizon - first)
    last = 0.0 if horizon is None else discount**horizon
    return (discount**first - last) / (1.0 - discount)


def check_sum(what: str, largest: float, times: float) -> None:
    """Refuse numbers up to the largest, so many of which cannot be added up.

    Raises
    ------
    PomdpError
        It says how large they are.
    """
    if not largest * times < LARGEST_VALUE:
        raise PomdpError(f"{what} up to {largest:g} are too large to be added up")


def rewards_ahead(
    model: Model, done: int, horizon: int, terminal: FloatArray | None = None
) -> Bounds:
    """Least and most that the steps after the first `done` of `horizon` can bring.

    With terminal vectors, shape (n, S): less what these, the largest at each belief, are worth
    after `done` steps instead of after all.
    """
    r, g = model.expected_rewards, model.discount
    weight = discounted_steps(g, done, horizon)
    rest = Bounds(weight * float(r.min()), weight * float(r.max()))
    if terminal is None or done == horizon:
        return rest
    low, high = float(terminal.min(axis=1).max()), float(terminal.max())
    first, last = g**done, g**horizon
    return Bounds(rest.lower + last * low - first * high, rest.upper + last * high - first * low)


def safest(model: Model) -> int:
    """The action whose least reward is the largest: it earns what `rewards_ahead` promises."""
    return int(model.expected_rewards.min(axis=1).argmax())


def require_discount(model: Model, horizon: int | None) -> None:
    """Refuse an endless sum of undiscounted rewards.

    Raises
    ------
    PomdpError
        With discount 1 and no horizon.
    """
    if model.discount == 1.0 and horizon is None:
        raise PomdpError(
            "with discount 1 the value may be infinite: give a horizon, or a discount below 1"
        )
