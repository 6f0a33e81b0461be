"""R: every form, wildcards, later rules, and large models."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import naive
from pomdp_texts import (
    BASE,
    full_R,
    numbered,
)
from pomdptool.formats.pomdp import reward_rules
from samples import file_text, programs, read_clean


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("R: x : a : b : o 7", (0, 0, 1, 0)),
        ("R: * : a : b : o 7", (slice(None), 0, 1, 0)),
        ("R: x : * : b : o 7", (0, slice(None), 1, 0)),
        ("R: x : a : * : o 7", (0, 0, slice(None), 0)),
        ("R: x : a : b : * 7", (0, 0, 1)),
        ("R: * : * : b : * 7", (slice(None), slice(None), 1)),
        ("R: * : * : * : p 7", (..., 1)),
        ("R: * : * : * : * 7", ...),
        ("R: 1 : 1 : 0 : 1 7", (1, 1, 0, 1)),
        ("R: x : a : b 7 7", (0, 0, 1)),
        ("R: * : a : * 7 7", (slice(None), 0)),
        ("R: x : a 7 7 7 7", (0, 0)),
        ("R: * : b\n7 7\n7 7", (slice(None), 1)),
        ("R: x : a : b : o +7", (0, 0, 1, 0)),
        ("R: x : a : b : o + 7", (0, 0, 1, 0)),
        ("R:x:a:*:*7", (0, 0)),
        ("R:x:a:*:*+7", (0, 0)),
        ("R : x\n:\na : b :\to\n\n7", (0, 0, 1, 0)),
        ("R: x : a : b 1 1 R: x : a : b : * 7", (0, 0, 1)),
        ("R: x : a : b : o 3 R: x : a : b : o 7", (0, 0, 1, 0)),
        ("R: x : a : b : o 3 R: x : * : * : * 7", (0,)),
        ("R: x : a : b : o 7 R: y : * : * : * 1", (0, 0, 1, 0)),
    ],
)
def test_reward_form(text: str, where: Any) -> None:
    expected = np.ones((2, 2, 2, 2))
    expected[where] = 7
    assert_array_equal(full_R(read_clean(BASE + text)), expected)


@pytest.mark.parametrize("text", ["- 3", "-3", "-3.0e0", "- 3.", "-\n3", "-30E-1"])
def test_negative_reward(text: str) -> None:
    assert full_R(read_clean(f"{BASE}R: x : a : b : o {text}"))[0, 0, 1, 0] == -3


def test_detached_signs_in_a_row_and_a_matrix() -> None:
    model = read_clean(BASE + "R: x : a : b - 3 + 4 R: y : a 1 - 2 -3\n- \n4")
    assert_array_equal(full_R(model)[0, 0, 1], [-3, 4])
    assert_array_equal(full_R(model)[1, 0], [[1, -2], [-3, -4]])


@pytest.mark.parametrize("text", ["1-2", "1 -2", "+1-2", "1.-2"])
def test_sign_separates_numbers(text: str) -> None:
    assert_array_equal(full_R(read_clean(f"{BASE}R: x : a : b {text}"))[0, 0, 1], [1, -2])


def test_zeros_in_a_matrix_override() -> None:
    model = read_clean(BASE + "R: x : a 5 5 5 5 R: x : a 0 7 7 0")
    assert_array_equal(full_R(model)[0, 0], [[0, 7], [7, 0]])


def test_rewards_shrink_to_the_axes_they_depend_on() -> None:
    assert read_clean(BASE).rewards.stored.shape == (1, 1, 1, 1)
    assert read_clean(BASE + "R: x : * : * : * 2").rewards.stored.shape == (2, 1, 1, 1)
    assert read_clean(BASE + "R: * : * : a : o 2").rewards.stored.shape == (1, 1, 2, 2)
    assert read_clean(BASE + "R: * : * : a : o 2 R: * : * : a : p 2").rewards.stored.shape == (
        1,
        1,
        2,
        1,
    )


def test_costs_are_negated_and_remembered() -> None:
    model = read_clean(BASE.replace("reward", "cost") + "R: x : * : * : * -3 R: y : * : * : * 0")
    assert model.costs
    assert_array_equal(model.rewards.stored.ravel(), [3, 0])
    assert not np.signbit(model.R).any()
    assert not read_clean(BASE).costs


@given(programs(), st.integers(0, 30))
def test_rewards_on_the_support_equal_the_table(
    program: tuple[naive.Sizes, list[float], list[naive.Assignment]], limit: int
) -> None:
    text = file_text(*program)
    table = read_clean(text)
    with patch.object(reward_rules, "TABLE_LIMIT", limit):
        model = read_clean(text)
    R = model.R
    for a, s, s2, o in naive.steps(model.T, model.Z):
        step = tuple(i if n > 1 else 0 for i, n in zip((a, s, s2, o), R.shape, strict=True))
        assert R[step] == full_R(table)[a, s, s2, o]
    assert_array_equal(model.rewards.on_steps(model.steps), table.rewards.on_steps(table.steps))
    assert_allclose(model.expected_rewards, table.expected_rewards, rtol=1e-13, atol=1e-13)
    assert_array_equal(model.terminal_states, table.terminal_states)


def test_rewards_of_a_large_model_live_on_the_support() -> None:
    n = 5_000
    text = numbered(n, 2).replace("reward", "cost") + "T: * identity O: * uniform\n"
    model = read_clean(text + "R: 0 : * : 7 : * 5 R: 0 : 8 : 8 : * 6 R: 0 : * : 9 : 1 4")
    assert model.rewards.table is None
    assert model.rewards.by_observation
    assert model.expected_rewards[0, 6:11].tolist() == [0, -5, -6, -2, 0]
