"""What the vectors of a policy are called."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from figures import policy_of
from models import random_beliefs, tiger
from pomdptool.certificates import certificate, interval, steps_to_go, value_kind, value_name
from pomdptool.policy import Bounds
from pomdptool.solving.solve import METHODS, RANDOM, solve


@pytest.mark.parametrize("method", [name for name in METHODS if name not in RANDOM])
def test_the_name_is_true(method: str) -> None:
    optimum = solve(tiger(), "exact", precision=1e-6).policy
    policy = solve(tiger(), method).policy
    name = value_name(policy)
    for b in random_beliefs(50, 2):
        difference = policy.value(b) - optimum.value(b)
        if name == "lower bound":
            assert difference <= 1e-4
        elif name == "upper bound":
            assert difference >= -1e-4
        else:
            assert abs(difference) <= policy.stats["error"] + 1e-4
    assert name == {"exact": "optimal value", "sarsop": "lower bound", "blind": "lower bound"}.get(
        method, "upper bound"
    )


def test_a_lower_value_is_a_higher_cost() -> None:
    policy = policy_of(replace(tiger(), costs=True), np.eye(2), [0, 1])
    assert value_name(policy) == "optimal cost"
    assert value_name(replace(policy, method="sarsop")) == "upper bound"
    assert value_name(replace(policy, method="fib")) == "lower bound"
    assert value_name(replace(policy, method="alpha")) == "cost of the alpha vectors"
    assert certificate(policy) == "certified at the initial belief: -2 to -1"


def test_what_is_not_certified_is_not_said() -> None:
    policy = policy_of(tiger(), np.eye(2), [0, 1])
    assert value_kind(replace(policy, converged=False)) == "lower"
    assert certificate(replace(policy, bounds=Bounds(-np.inf, 1.0))) == ""
    stopped = replace(policy, horizon=9, converged=False, stats={"iterations": 4})
    assert steps_to_go(stopped) == 4
    assert steps_to_go(replace(stopped, converged=True)) == 9


def test_intervals_are_rounded_outwards() -> None:
    assert interval(19.37136837, 19.37961) == "19.3713 to 19.3797"
    assert interval(1.0, 1.0) == "1"
