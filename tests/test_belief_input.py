"""Beliefs and names as callers give them, and what is said about wrong ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from models import tiger
from pomdptool.belief_input import belief_over, index_of_name
from pomdptool.errors import ModelError
from pomdptool.solving.solve import solve

STATES = ("tiger-left", "tiger-right")


@pytest.mark.parametrize(
    "given",
    [
        [0.25, 0.75],
        (0.25, 0.75),
        np.array([0.25, 0.75]),
        {"tiger-left": 0.25, "tiger-right": 0.75},
        {"tiger-right": 0.75, "tiger-left": 0.25},
    ],
)
def test_forms_of_a_belief(given: Any) -> None:
    assert belief_over(given, STATES).tolist() == [0.25, 0.75]


def test_states_that_are_not_named_have_probability_zero() -> None:
    assert belief_over({"tiger-right": 1}, STATES).tolist() == [0.0, 1.0]


def test_a_sum_near_one_is_normalised() -> None:
    belief = belief_over([0.333333, 0.666666], STATES)
    assert belief.sum() == pytest.approx(1.0, abs=1e-15)
    assert belief[0] == pytest.approx(1 / 3, abs=1e-6)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([1.0], "2 entries"),
        ([[0.5, 0.5]], "2 entries"),
        (0.5, "2 entries"),
        ([0.5, 0.6], "sum to 1, not 1.1"),
        ([0.5, 0.4], "sum to 1, not 0.9"),
        ([1e308, 1e308], "sum to 1"),
        ([-0.5, 1.5], "negative or not finite"),
        ([np.nan, 1.0], "negative or not finite"),
        ([np.inf, 0.0], "negative or not finite"),
        ({}, "sum to 1, not 0"),
        ({"tiger-left": -1.0, "tiger-right": 2.0}, "negative or not finite"),
        ({"tiger-lef": 1.0}, "no state 'tiger-lef'; did you mean 'tiger-left'"),
        ({"wumpus": 1.0}, "no state 'wumpus'; the states are tiger-left, tiger-right"),
        ({1.5: 1.0}, "expected a name or an index of a state"),
        (["a", "b"], "a belief"),
    ],
)
def test_wrong_beliefs(given: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        belief_over(given, STATES)


def test_many_names_are_not_listed() -> None:
    with pytest.raises(ModelError) as error:
        index_of_name("wumpus", [f"x{k}" for k in range(9)], "state")
    assert "x0" not in str(error.value)


@pytest.mark.parametrize("given", [2, -1, True, 0.0, None])
def test_wrong_indices(given: Any) -> None:
    with pytest.raises(ModelError):
        index_of_name(given, STATES, "state")


def test_policies_take_every_form() -> None:
    policy = solve(tiger(), "sarsop").policy
    named = {"tiger-left": 0.03, "tiger-right": 0.97}
    assert policy.problem.actions[policy.act(named)] == "open-left"
    assert policy.act([0.03, 0.97]) == policy.act(np.array([0.03, 0.97])) == policy.act(named)
    assert policy.value(named) == policy.value((0.03, 0.97))
    with pytest.raises(ModelError, match="2 entries"):
        policy.value([1.0])
    with pytest.raises(ModelError, match="did you mean 'tiger-left'"):
        policy.act({"tiger-lft": 1.0})
