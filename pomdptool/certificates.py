"""What the value function of a saved policy is: the optimal value, or a bound on it.

The vectors of `qmdp`, `fib` and `mdp` are an upper bound on the optimal value at every belief, and
those of the other methods a lower bound; that of `sarsop` and `perseus` is tight only near beliefs
that are reached from the initial belief. The vectors of a converged `exact` are the optimal value.
In a model of costs the lower bound on the value is an upper bound on the cost.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from pomdptool.policy import SolvedPolicy

if TYPE_CHECKING:
    from decimal import Decimal

ValueKind = Literal["optimal", "lower", "upper", "unknown"]

UPPER = frozenset({"qmdp", "fib", "mdp"})
"""Methods whose vectors are an upper bound on the optimal value."""

UNSTATED = frozenset({"alpha", "appl"})
"""Formats of vectors that do not state how they were computed."""


def value_kind(policy: SolvedPolicy) -> ValueKind:
    """What the policy's vectors are, in rewards: the optimal value, or which bound on it."""
    if policy.method in UNSTATED:
        return "unknown"
    if policy.method == "exact" and (policy.converged or policy.horizon is not None):
        return "optimal"
    return "upper" if policy.method in UPPER else "lower"


def value_name(policy: SolvedPolicy) -> str:
    """Name of the value function, such as "optimal value" or "lower bound"; see `value_kind`."""
    kind = value_kind(policy)
    quantity = "cost" if policy.problem.costs else "value"
    if kind == "optimal":
        return f"optimal {quantity}"
    if kind == "unknown":
        return f"{quantity} of the alpha vectors"
    above = (kind == "upper") != policy.problem.costs
    return "upper bound" if above else "lower bound"


def steps_to_go(policy: SolvedPolicy) -> int | None:
    """Number of steps that the vectors are for: fewer than the horizon if the solver stopped."""
    if policy.horizon is None or policy.converged:
        return policy.horizon
    return int(policy.stats.get("iterations", policy.horizon))


def certificate(policy: SolvedPolicy) -> str:
    """The certified bounds on the optimal value, in words, and where they hold.

    Empty if no bounds are known.
    """
    sign = -1.0 if policy.problem.costs else 1.0
    low, high = sorted((sign * policy.bounds.lower, sign * policy.bounds.upper))
    if not (math.isfinite(low) and math.isfinite(high)):
        return ""
    return f"certified at the initial belief: {interval(low, high)}"


def interval(low: float, high: float) -> str:
    """Format an interval, rounded outwards, with enough digits to distinguish its ends."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return f"{low} to {high}"
    for digits in range(6, 16):
        a, b = rounded_outwards(low, high, digits)
        if high - low > 2.0 * float(b - a) / 3.0 or low == high:
            break
    return f"{a:g}" if a == b else f"{a:g} to {b:g}"


def rounded_outwards(low: float, high: float, digits: int) -> tuple[Decimal, Decimal]:
    """The ends of an interval, the lower rounded down and the upper up to `digits` digits."""
    from decimal import ROUND_CEILING, ROUND_FLOOR, Context

    return (
        Context(prec=digits, rounding=ROUND_FLOOR).create_decimal(low),
        Context(prec=digits, rounding=ROUND_CEILING).create_decimal(high),
    )
