"""Reading .pomdp text: every form, every dialect, and every error with its place."""

from __future__ import annotations

import io
import time
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import naive
from pomdptool.errors import Finding, FormatError, PomdpWarning
from pomdptool.formats.models import load, loads, read_model
from pomdptool.formats.pomdp import reward_rules
from pomdptool.formats.text_input import read_stream
from pomdptool.model import Model
from samples import ROOT, file_text, programs, read_clean

PREAMBLE = "discount: 0.9\nvalues: reward\nstates: a b\nactions: x y\nobservations: o p\n"
TABLES = "T: *\nuniform\nO: *\nuniform\n"
SET_R = "R: * : * : * : * 1\n"
BASE = PREAMBLE + TABLES + SET_R
"""Ten lines: what a test adds begins in line 11."""
MDP = "discount: 0.9\nvalues: reward\nstates: a b c\nactions: x y\n"

Place = tuple[int, int, str]
"""Line, column and code of an error; column 0 is any."""


def read(text: str, *, strict: bool = False) -> tuple[Model | None, tuple[Finding, ...]]:
    return read_model(text, "f", kind="pomdp", strict=strict)


def errors(text: str) -> list[Finding]:
    model, findings = read(text)
    found = [f for f in findings if f.level == "error"]
    assert (model is None) == bool(found)
    return found


def error_places(text: str) -> list[Place]:
    return [(f.line, f.column, f.code) for f in errors(text)]


def counted(states: int, observations: int) -> str:
    """One line of preamble: one action, the rest counted."""
    return f"discount: 1 values: reward actions: 1 states: {states} observations: {observations}\n"


def matches(found: Place, expected: Place) -> bool:
    return expected in (found, (found[0], 0, found[2]))


def only_error(text: str) -> Finding:
    (error,) = errors(text)
    return error


def full_R(model: Model) -> np.ndarray:
    shape = (model.n_actions, model.n_states, model.n_states, model.n_observations)
    return np.broadcast_to(model.R, shape)


# ---------------------------------------------------------------- T and O


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("T: x 0.25 0.75 1 0", [[0.25, 0.75], [1, 0]]),
        ("T: x\n0.25 0.75\n1 0", [[0.25, 0.75], [1, 0]]),
        ("T: x identity", [[1, 0], [0, 1]]),
        ("T: x uniform", [[0.5, 0.5], [0.5, 0.5]]),
        ("T: x : a 0.25 0.75", [[0.25, 0.75], [0.5, 0.5]]),
        ("T: x : a\nuniform", [[0.5, 0.5], [0.5, 0.5]]),
        ("T: x : b reset", [[0.5, 0.5], [0.125, 0.875]]),
        ("T: x : * reset", [[0.125, 0.875], [0.125, 0.875]]),
        ("T: x : a : a 0.25\nT: x : a : b 0.75", [[0.25, 0.75], [0.5, 0.5]]),
        ("T: x : a : a 0.25 T: x : a : b 0.75", [[0.25, 0.75], [0.5, 0.5]]),
        ("T: x : * : a 0.25 T: x : * : b 0.75", [[0.25, 0.75], [0.25, 0.75]]),
        ("T: x : a : * 0 T: x : a : b 1", [[0, 1], [0.5, 0.5]]),
        ("T: x : * : * 0 T: x : * : b 1", [[0, 1], [0, 1]]),
        ("T: 0 : 1 : 0 0.25 T: 00 : 01 : 001 0.75", [[0.5, 0.5], [0.25, 0.75]]),
        ("T: x : 1 : a 1 T: x : b : 1 0", [[0.5, 0.5], [1, 0]]),
        ("T: x : a : b 1.0e0 T: x : a : a 0e5", [[0, 1], [0.5, 0.5]]),
        ("T: x : a : b 1. T: x : a : a 0.", [[0, 1], [0.5, 0.5]]),
        ("T:x:a:b 1 T:x:a:a 0", [[0, 1], [0.5, 0.5]]),
        ("T\t:\tx\n:\na # a\n: # b\nb # c\n 1\nT: x : a : a #d\n0", [[0, 1], [0.5, 0.5]]),
    ],
)
def test_transition_form(text: str, expected: list[list[float]]) -> None:
    start = "start: 0.125 0.875\n"
    model = read_clean(PREAMBLE + start + TABLES + SET_R + text)
    assert_array_equal(model.T, [expected, [[0.5, 0.5], [0.5, 0.5]]])


def test_transition_wildcard_action_sets_every_action() -> None:
    for text in ("T: * : a 0.25 0.75", "T: * 0.25 0.75 0.5 0.5"):
        assert_array_equal(read_clean(BASE + text).T, [[[0.25, 0.75], [0.5, 0.5]]] * 2)
    text = "T: * : a : a 0.25 T: * : a : b 0.75"
    assert_array_equal(read_clean(BASE + text).T, [[[0.25, 0.75], [0.5, 0.5]]] * 2)


def test_transition_all_wildcards_set_everything() -> None:
    assert_array_equal(
        read_clean(BASE + "T: * identity T: * : * : * 0.5").T, np.full((2, 2, 2), 0.5)
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("O: x 0.25 0.75 1 0", [[0.25, 0.75], [1, 0]]),
        ("O: x uniform", [[0.5, 0.5], [0.5, 0.5]]),
        ("O: x : a 0.25 0.75", [[0.25, 0.75], [0.5, 0.5]]),
        ("O: x : a uniform", [[0.5, 0.5], [0.5, 0.5]]),
        ("O: x : * 0.25 0.75", [[0.25, 0.75], [0.25, 0.75]]),
        ("O: x : b : p 0.75 O: x : b : o 0.25", [[0.5, 0.5], [0.25, 0.75]]),
        ("O: x : * : p 1 O: x : * : o 0", [[0, 1], [0, 1]]),
        ("O: x : a : * 0 O: x : a : 1 1", [[0, 1], [0.5, 0.5]]),
    ],
)
def test_observation_form(text: str, expected: list[list[float]]) -> None:
    model = read_clean(BASE + text)
    assert_array_equal(model.Z, [expected, [[0.5, 0.5], [0.5, 0.5]]])


def test_observations_may_be_fewer_or_more_than_states() -> None:
    text = "discount: 1 values: reward states: a b actions: x observations: 3 T: x identity "
    model = read_clean(text + "O: x 1 0 0 0.25 0.25 0.5 O: x : a : 2 0 R: x : * : * : 2 1")
    assert_array_equal(model.Z, [[[1, 0, 0], [0.25, 0.25, 0.5]]])
    assert_array_equal(model.R, [[[[0, 0, 1]]]])


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("T: x : a : a 1 T: x : a : b 0 T: x : a : a 0 T: x : a : b 1", [0, 1]),
        ("T: x : a : a 1 T: x : a : b 0 T: x uniform", [0.5, 0.5]),
        ("T: x : a : a 1 T: x : a : b 0 T: * : a uniform", [0.5, 0.5]),
        ("T: x : a : a 1 T: x : a : b 0 T: * : * : * 0.5", [0.5, 0.5]),
        ("T: x identity T: x : a : a 0 T: x : a : b 1", [0, 1]),
        ("T: x : a reset T: x : a 1 0", [1, 0]),
        ("T: x : a 1 0 T: x identity T: x : a reset", [0.5, 0.5]),
        ("T: x : a : * 0 T: x : a : a 1 T: x : a : * 0.5", [0.5, 0.5]),
        ("T: x 0 1 1 0 T: x : a : a 0.25 T: x : a : b 0.75 T: y uniform", [0.25, 0.75]),
    ],
)
def test_later_statement_wins(text: str, row: list[float]) -> None:
    assert_array_equal(read_clean(BASE + text).T[0, 0], row)


def test_tables_mix_in_a_run() -> None:
    run = "T: x : a : a 1 R: x : a : a : o 5\nO: x : a : o 1 T: x : a : b 0\nO: x : a : p 0"
    model = read_clean(BASE + run)
    assert_array_equal(model.T[0], [[1, 0], [0.5, 0.5]])
    assert_array_equal(model.Z[0], [[1, 0], [0.5, 0.5]])
    assert model.R[0, 0, 0, 0] == 5
    assert full_R(model).sum() == 5 + 15


# ---------------------------------------------------------------- R


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
    assert read_clean(BASE).R.shape == (1, 1, 1, 1)
    assert read_clean(BASE + "R: x : * : * : * 2").R.shape == (2, 1, 1, 1)
    assert read_clean(BASE + "R: * : * : a : o 2").R.shape == (1, 1, 2, 2)
    assert read_clean(BASE + "R: * : * : a : o 2 R: * : * : a : p 2").R.shape == (1, 1, 2, 1)


def test_costs_are_negated_and_remembered() -> None:
    model = read_clean(BASE.replace("reward", "cost") + "R: x : * : * : * -3 R: y : * : * : * 0")
    assert model.costs
    assert_array_equal(model.R.ravel(), [3, 0])
    assert not np.signbit(model.R).any()
    assert not read_clean(BASE).costs


# ---------------------------------------------------------------- MDP


def test_mdp_observes_its_state() -> None:
    model = read_clean(MDP + "T: * identity R: x 1 2 3 4 5 6 7 8 9")
    assert model.mdp
    assert model.observations == ("a", "b", "c")
    assert_array_equal(model.Z, [np.eye(3)] * 2)


@pytest.mark.parametrize(
    ("text", "where", "values"),
    [
        ("R: x 1 2 3 4 5 6 7 8 9", (0,), np.arange(1, 10).reshape(3, 3)),
        ("R: *\n1 2 3\n4 5 6\n7 8 9", ..., np.arange(1, 10).reshape(3, 3)),
        ("R: x : b 1 - 2 3", (0, 1), [1, -2, 3]),
        ("R: x : * 1 2 3", (0,), [1, 2, 3]),
        ("R: x : b : c 4", (0, 1, 2), 4),
        ("R: x : * : c - 4", (0, slice(None), 2), -4),
        ("R: * : * : * 4", ..., 4),
        ("R: 1 : 2 : 0 4", (1, 2, 0), 4),
    ],
)
def test_mdp_reward_form(text: str, where: Any, values: Any) -> None:
    expected = np.zeros((2, 3, 3))
    expected[where] = values
    model = read_clean(MDP + "T: * uniform " + text)
    assert_array_equal(np.broadcast_to(model.R, (2, 3, 3, 1))[..., 0], expected)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("O: * uniform", "PT008"),
        ("O: x : a : b 1", "PT008"),
        ("R: x : a : b : c 4", "PT012"),
        ("R: x : a : b : c : 4", "PT012"),
    ],
)
def test_mdp_has_no_observations(text: str, code: str) -> None:
    assert error_places(MDP + "T: * uniform R: x : a : a 1\n" + text) == [(6, 1, code)]


# ---------------------------------------------------------------- start


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [1 / 3, 1 / 3, 1 / 3]),
        ("start: uniform", [1 / 3, 1 / 3, 1 / 3]),
        ("start: 0.25 0.5 0.25", [0.25, 0.5, 0.25]),
        ("start:\n0.25 # a\n 0.5\n\n0.25", [0.25, 0.5, 0.25]),
        ("start : b", [0, 1, 0]),
        ("start include: a c", [0.5, 0, 0.5]),
        ("start include: 0 2", [0.5, 0, 0.5]),
        ("start include: a 2 # and\n", [0.5, 0, 0.5]),
        ("start include: 02 a a", [0.5, 0, 0.5]),
        ("start exclude: b", [0.5, 0, 0.5]),
        ("start exclude: 1", [0.5, 0, 0.5]),
        ("start\nexclude : a 1", [0, 0, 1]),
    ],
)
def test_start_form(text: str, expected: list[float]) -> None:
    rest = "observations: o\n" + text + "\nT: * : * reset O: * uniform R: * : * : * : * 1"
    model = read_clean(MDP + rest)
    assert_array_equal(model.start, expected)
    assert_array_equal(model.T, [[expected] * 3] * 2)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("start: 0.5 0.4", (6, 8, "PT007")),
        ("start: 0.5", (6, 8, "PT006")),
        ("start: 0.5 0.25 0.25", (6, 17, "PT006")),
        ("start: 0.5\n\n0.25\n0.25", (9, 1, "PT006")),
        ("start: a b", (6, 10, "PT006")),
        ("start: q", (6, 8, "PT002")),
        ("start: 2", (6, 8, "PT002")),
        ("start: -0.5 1.5", (6, 8, "PT005")),
        ("start: 1.5 -0.5", (6, 12, "PT005")),
        ("start: 1.5\n  -0.5", (7, 3, "PT005")),
        ("start: 1e308 1e308", (6, 8, "PT007")),
        ("start: 0 1e400", (6, 10, "PT005")),
        ("start exclude: a b", (6, 0, "PT007")),
        ("start include: a q", (6, 18, "PT002")),
        ("start include: 0 7", (6, 18, "PT002")),
        ("start include: 0 1.5", (6, 18, "PT002")),
        ("start include: uniform", (6, 16, "PT001")),
        ("start: uniform\nstart: uniform", (7, 0, "PT003")),
    ],
)
def test_start_error(text: str, place: Place) -> None:
    (found,) = error_places(PREAMBLE + text + "\n" + TABLES + SET_R)
    assert matches(found, place)


# ---------------------------------------------------------------- preamble


def test_preamble_in_any_order_and_layout() -> None:
    text = "actions:x y\tobservations :\n2\nstates\n:\na # first\nb\nvalues: cost discount: 0.25\n"
    model = read_clean(text + TABLES + SET_R)
    assert (model.actions, model.states) == (("x", "y"), ("a", "b"))
    assert (model.observations, model.discount, model.costs) == (("0", "1"), 0.25, True)


@pytest.mark.parametrize(
    ("text", "expected"), [("0", 0), ("1", 1), ("1.", 1), ("9.5e-1", 0.95), ("+0.5", 0.5)]
)
def test_discount(text: str, expected: float) -> None:
    assert read_clean(BASE.replace("0.9", text)).discount == expected


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("0.9", "1.5", (1, 11, "PT005")),
        ("0.9", "-0.5", (1, 11, "PT005")),
        ("0.9", "1e400", (1, 11, "PT005")),
        ("0.9", "0.9 0.8", (1, 15, "PT006")),
        ("0.9", "nan", (1, 11, "PT001")),
        ("0.9", "", (2, 1, "PT001")),
        ("reward", "money", (2, 9, "PT001")),
        ("reward", "5", (2, 9, "PT001")),
        ("a b", "a a", (3, 11, "PT003")),
        ("a b", "a b a b", (3, 13, "PT003")),
        ("a b", "0", (3, 9, "PT010")),
        ("a b", "-2", (3, 9, "PT005")),
        ("a b", "2.0", (3, 9, "PT005")),
        ("a b", "2 3", (3, 11, "PT005")),
        ("a b", "99999999999", (3, 9, "PT010")),
        ("a b", "4194305", (3, 9, "PT010")),
        ("a b", "a T", (3, 11, "PT004")),
        ("a b", "a reset", (3, 11, "PT004")),
        ("a b", "1a b", (3, 9, "PT001")),
        ("a b", "a 7", (3, 11, "PT001")),
        ("a b", "", (4, 1, "PT001")),
        ("x y", "x y\nactions: x y", (5, 0, "PT003")),
        ("discount", "Discount", (1, 1, "PT001")),
    ],
)
def test_preamble_error(old: str, new: str, place: Place) -> None:
    assert matches(error_places(PREAMBLE.replace(old, new) + TABLES + SET_R)[0], place)


@pytest.mark.parametrize("n", ["2", "02", "0000000000002"])
def test_count_with_leading_zeros(n: str) -> None:
    assert read_clean(BASE.replace("a b", n)).states == ("0", "1")


@pytest.mark.parametrize("keyword", ["states", "actions"])
def test_missing_statement(keyword: str) -> None:
    lines = [line for line in BASE.splitlines() if not line.startswith(keyword)]
    assert only_error("\n".join(lines)).message == f"`{keyword}:` is missing"


@pytest.mark.parametrize("line", range(5))
def test_preamble_after_entries(line: int) -> None:
    moved = PREAMBLE.splitlines()[line]
    text = BASE.replace(moved + "\n", "") + moved
    assert [(f.line, f.code) for f in errors(text) if f.code != "PT008"] == [(10, "PT009")]


def test_start_out_of_order() -> None:
    for text, line in (("start: 0.5 0.5\n" + BASE, 1), (BASE + "start: uniform", 11)):
        assert (only_error(text).line, only_error(text).code) == (line, "PT009")


def test_names_may_look_reserved() -> None:
    names = "goals Tx O-1 startx resets e5 E-3 uniform2 a- b-c_d2"
    text = BASE.replace("states: a b", f"states: {names}") + "T: x : goals : E-3 0.1\n"
    model = read_clean(text)
    assert model.states == tuple(names.split())
    assert model.T[0, 0, 6] == 0.1


def test_state_and_observation_share_a_name() -> None:
    model = read_clean(BASE.replace("o p", "a b") + "O: x : a : b 1 O: x : a : a 0")
    assert_array_equal(model.Z[0, 0], [0, 1])


def test_names_are_case_sensitive() -> None:
    assert read_clean(BASE.replace("a b", "a A")).states == ("a", "A")


# ---------------------------------------------------------------- dialects

DIALECTS = [
    ("PT101", BASE + "R: x : a : a : o .5\n", (11, 18)),
    ("PT101", BASE + "R: x : a : a\n1 -.5\n", (12, 3)),
    ("PT101", BASE.replace("0.9", ".9"), (1, 11)),
    ("PT102", "\ufeff" + BASE, (1, 1)),
    ("PT103", BASE.replace("discount: 0.9\n", ""), (1, 1)),
    ("PT104", BASE.replace("values: reward\n", ""), (1, 1)),
    ("PT105", BASE.replace("reward", "rewards"), (2, 9)),
    ("PT105", BASE.replace("reward", "costs"), (2, 9)),
    ("PT106", PREAMBLE + "start: 1\n" + TABLES + SET_R, (6, 8)),
    ("PT107", BASE + "R: x : a : a : o : 2\n", (11, 18)),
    ("PT107", BASE + "T: x : a : a : 0.5 # c\n", (11, 14)),
    ("PT107", BASE + "O: x : a : o\n: 0.5", (12, 1)),
    ("PT107", MDP + "T: * uniform R: * : * : * 1\nT: x : a : a : # c\n" + f"{1 / 3}", (6, 14)),
    ("PT108", BASE.replace("actions", "goals: 0 1\nactions"), (4, 1)),
    ("PT108", BASE.replace("actions", "goals: a b\nactions"), (4, 1)),
    ("PT109", PREAMBLE + TABLES, (1, 1)),
]


@pytest.mark.parametrize(("code", "text", "place"), DIALECTS)
def test_dialect_is_a_warning(code: str, text: str, place: tuple[int, int]) -> None:
    model, (finding,) = read(text)
    assert model is not None
    assert (finding.code, finding.level) == (code, "warning")
    assert (finding.line, finding.column) == place


@pytest.mark.parametrize(("code", "text", "place"), DIALECTS)
def test_dialect_is_an_error_when_strict(code: str, text: str, place: tuple[int, int]) -> None:
    model, (finding,) = read(text, strict=True)
    assert model is None
    assert (finding.code, finding.level) == (code, "error")
    assert (finding.line, finding.column) == place


def test_dialects_mean_what_they_say() -> None:
    text = BASE.replace("discount: 0.9\n", "").replace("reward", "costs")
    model, findings = read(text + "R: x : a : a : o : .5 R: x : a : a : p : .25")
    assert model is not None
    assert {f.code for f in findings} == {"PT101", "PT103", "PT105", "PT107"}
    assert (model.discount, model.costs) == (1.0, True)
    assert_array_equal(full_R(model)[0, 0, 0], [-0.5, -0.25])


def test_dialect_is_reported_once_with_its_count() -> None:
    _, findings = read(BASE + "R: x : a : a : o : 1\n" * 7)
    assert [f.code for f in findings] == ["PT107"]
    assert "7 times" in findings[0].message


def test_two_colons_before_a_number_are_no_dialect() -> None:
    assert error_places(BASE + "R: x : a : a : o :: 1\n") == [(11, 18, "PT001")]


def test_strict_reads_a_clean_file() -> None:
    assert read(BASE, strict=True)[1] == ()


def test_loads_warns_of_dialects_and_raises_on_errors() -> None:
    with pytest.warns(PomdpWarning, match=r"name:1:11: warning PT101"):
        loads(BASE.replace("0.9", ".9"), file="name")
    with pytest.raises(FormatError, match=r"^name:1:11: "):
        loads(BASE.replace("0.9", ".9"), file="name", strict=True)
    with pytest.raises(FormatError, match=r"^name:3:11: .* \(and 1 more\)$") as caught:
        loads(BASE.replace("a b", "a a").replace("o p", "o o"), file="name")
    assert (caught.value.file, caught.value.line, caught.value.column) == ("name", 3, 11)
    assert len(caught.value.findings) == 2


# ---------------------------------------------------------------- line ends, comments, bytes


@pytest.mark.parametrize(
    "end", ["\n", "\r\n", "\r", " ", "\t", "\n\n", " \r\n\t", "\f", "\v", " # c\n", "#:\r"]
)
def test_line_ends_are_space(end: str) -> None:
    expected = read_clean(BASE + "R: x : a : b 1 2\n")
    assert read_clean((BASE + "R: x : a : b 1 2\n").replace("\n", end)).equals(expected)


@pytest.mark.parametrize("end", ["\r", "\r\n", "\n"])
def test_places_do_not_depend_on_line_ends(end: str) -> None:
    text = BASE.replace("\n", end) + f"R: x : a : b : o 1{end}R: x : q : b : o 1"
    assert error_places(text) == [(12, 8, "PT002")]


def test_comments_between_all_tokens() -> None:
    text = (BASE + "R: x : a : b 1 2\nT: x : a : a 0.5\n").replace(" ", " # it's T: 0 : 1\n")
    assert read_clean(text).equals(read_clean(BASE + "R: x : a : b 1 2"))


def test_comment_at_the_end_without_newline() -> None:
    assert read_clean(BASE + "R: x : a : b : o 1 # R: y : a : b : o 5").R.max() == 1


def test_latin1_bytes_in_a_comment(tmp_path: Path) -> None:
    path = tmp_path / "m.pomdp"
    path.write_bytes(b"# caf\xe9\n" + BASE.encode())
    assert load(path).name == "m"
    path.write_bytes(BASE.encode() + b"R: x : caf\xe9 : a : o 1")
    with pytest.raises(FormatError) as caught:
        load(path)
    assert (caught.value.line, caught.value.column) == (11, 11)
    str(caught.value).encode()


def test_zero_byte_is_no_text() -> None:
    assert error_places(BASE + "R: x\0") == [(11, 5, "PT011")]


@pytest.mark.parametrize(
    "text", ["", " \n\t\r\n", "# only a comment", "# one\n# two\n", "\ufeff# one\n"]
)
def test_empty_file(text: str) -> None:
    error = only_error(text)
    assert (error.line, error.code) == (1, "PT011")
    assert "empty" in error.message


def test_broken_compression() -> None:
    with pytest.raises(FormatError, match="compression"):
        read_stream(io.BytesIO(b"\x1f\x8bnot gzip"), "f")
    with pytest.raises(FormatError, match="compression"):
        read_stream(io.BytesIO(BASE.encode()), "f.gz")


# ---------------------------------------------------------------- errors and their places


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("T: x : a : q 0.5", (11, 12, "PT002")),
        ("T: x : a\n:\n  q 0.5", (13, 3, "PT002")),
        ("T: q : a : a 0.5", (11, 4, "PT002")),
        ("T: x : 2 : a 0.5", (11, 8, "PT002")),
        ("T: x : a : 2 0.5", (11, 12, "PT002")),
        ("O: x : a : 2 0.5", (11, 12, "PT002")),
        ("T: x : a : o 0.5", (11, 12, "PT002")),
        ("T: x : q uniform", (11, 8, "PT002")),
        ("T: q identity", (11, 4, "PT002")),
        ("R: x : a : a : 99999999999999999999 1", (11, 16, "PT002")),
        ("R: T : 0 : 0 : 0 1", (11, 4, "PT002")),
        ("R: O : 0 : 0 : 0 1", (11, 4, "PT002")),
        ("R: x : R : 0 : 0 1", (11, 8, "PT002")),
        ("T: T : 0 : 0 1", (11, 4, "PT002")),
        ("T: x : a : a -0.5", (11, 14, "PT005")),
        ("T: x : a : a - 0.5", (11, 14, "PT005")),
        ("T: x : a 0.5 -0.5", (11, 14, "PT005")),
        ("T: x : a\n0.5\n\t-0.5", (13, 2, "PT005")),
        ("O: x 1 0 1\n+0", (12, 1, "PT005")),
        ("R: x : a : a : o 1e400", (11, 18, "PT005")),
        ("R: x : a : a 1 -1e400", (11, 16, "PT005")),
        ("R: x : a : a : o nan", (11, 18, "PT001")),
        ("R: x : a : a : o -inf", (11, 18, "PT001")),
        ("R: x : a : a : o 1.2.3", (11, 18, "PT001")),
        ("R: x : a : a : o 1e", (11, 18, "PT001")),
        ("R: x : a : a : o --1", (11, 18, "PT001")),
        ("R: x : a : a : o .", (11, 18, "PT001")),
        ("R: x : a : a : o 1_000", (11, 18, "PT001")),
        ("R: x : a : a : o 0x10", (11, 18, "PT001")),
        ("R: x : a : a : o 1 2", (11, 20, "PT006")),
        ("R: x : a : a 1", (11, 14, "PT006")),
        ("R: x : a : a 1 2 3", (11, 18, "PT006")),
        ("R: x : a 1 2\n3", (12, 1, "PT006")),
        ("R: x : a 1 2\n3 4 5", (12, 5, "PT006")),
        ("R: x 1 2 3 4", (11, 1, "PT012")),
        ("R: x : a : a : o uniform", (11, 18, "PT001")),
        ("R: x : a : a uniform", (11, 14, "PT001")),
        ("T: x 0.5 0.5\n0.5", (12, 1, "PT006")),
        ("T: x 0.5 0.5\n  0.5 0.5 0.5", (12, 11, "PT006")),
        ("T: x reset", (11, 6, "PT001")),
        ("T: x : a identity", (11, 10, "PT001")),
        ("O: x identity", (11, 6, "PT001")),
        ("O: x : a reset", (11, 10, "PT001")),
        ("T: x : a : a uniform", (11, 14, "PT001")),
        ("T: x :", (11, 6, "PT001")),
        ("T: x : a : a", (11, 12, "PT001")),
        ("T: x : a : a # c\n\n", (11, 16, "PT001")),
        ("T x : a : a 1", (11, 1, "PT004")),
        ("Q: x : a : a 1", (11, 1, "PT001")),
        ("R: x : a : b-c : o 1", (11, 12, "PT002")),
        ("R: x : a : a*b : o 1", (11, 12, "PT002")),
        ("R: x : a : é : o 1", (11, 12, "PT001")),
        ("? R: * : * : * : * 5", (11, 1, "PT001")),
    ],
)
def test_entry_error(text: str, place: Place) -> None:
    assert error_places(BASE + text) == [place]


@pytest.mark.parametrize(
    "text", ["R: x : a : * : * 5R: y : a : * : * 6", "R: x : a : * : * 5T: x : a : a 0.5"]
)
def test_statement_glued_to_a_number_is_not_lost(text: str) -> None:
    model, findings = read(BASE + text)
    if model is None:
        assert [(f.line, f.code) for f in findings] == [(11, "PT001")]
    else:
        assert full_R(model)[0, 0, 0, 0] == 5


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("R: x : listne : a : o 1", "did you mean 'listen'"),
        ("R: xylofon : a : a : o 1", "did you mean 'xylophone'"),
        ("R: zzz : a : a : o 1", "is not the name of an action"),
        ("R: x : 7 : a : o 1", "numbered from 0 to 2"),
        ("R: x : a : a : q 1", "is not the name of an observation"),
        ("R: X : a : a : o 1", "did you mean 'x'"),
        ("R: x : LISTEN : a : o 1", "did you mean 'listen'"),
        ("state: 5", "did you mean 'states'"),
        ("Start: uniform", "did you mean 'start'"),
        ("R: x : a : a : o nan", "finite"),
    ],
)
def test_hint(text: str, hint: str) -> None:
    base = BASE.replace("a b", "a b listen").replace("x y", "x xylophone")
    assert hint in only_error(base + text).message


def test_values_hint() -> None:
    assert "did you mean 'reward'" in only_error(BASE.replace("reward", "rewrad")).message


def test_all_errors_are_reported_in_order() -> None:
    text = (
        PREAMBLE.replace("0.9", "1.9")
        + "start: q\n"
        + TABLES
        + "R: x : q : b : o 1\nR: x : a : a : o 1\nR: z : a : w : o 1\n"
        + "T: x : a\noops\n# T: bad\nR: x : a : b 1 2 3\nO: nope uniform\nT: y : a : a -1"
    )
    assert error_places(text) == [
        (1, 11, "PT005"),
        (6, 8, "PT002"),
        (11, 8, "PT002"),
        (13, 4, "PT002"),
        (13, 12, "PT002"),
        (15, 1, "PT001"),
        (17, 18, "PT006"),
        (18, 4, "PT002"),
        (19, 14, "PT005"),
    ]


def test_errors_are_capped() -> None:
    for line in ("R: x : q : b : o 1\n", "R: x : q\n1 2 3 4\n", "oops\nR: x : a : a : o 1\n"):
        assert len(errors(BASE + line * 250)) == 100


@pytest.mark.parametrize("n", [3, 100_000])
@pytest.mark.parametrize(
    ("bad", "column", "code"),
    [
        ("T: x : a : zz 0.5", 12, "PT002"),
        ("R: x : a : zz : o 5", 12, "PT002"),
        ("R:x : a : a : 2   5", 15, "PT002"),
        ("O: x : a : o  1.2.3", 15, "PT001"),
        ("R: x : a : a : o 1e999", 18, "PT005"),
        ("O: x : a : o -0.5", 14, "PT005"),
        ("R: T : 0 : 0 : 0 1", 4, "PT002"),
    ],
)
def test_error_deep_in_a_run(n: int, bad: str, column: int, code: str) -> None:
    lines = ["T: x : a : a 0.5", "R: x : a : a : o 5  # c", "O: x : a : o 0.5 # R: x"] * (n // 3)
    at = 2 * len(lines) // 3
    text = BASE + "\n".join([*lines[:at], bad, *lines[at:]])
    assert error_places(text) == [(11 + at, column, code)]


def test_dialect_deep_in_a_run() -> None:
    lines = ["T: x : a : a 0.5"] * 20_000
    lines[13_000] = "T: x : a : a : .5"
    _, findings = read(BASE + "\n".join(lines))
    assert [f.place for f in findings] == ["f:13011:14", "f:13011:16"]


def test_number_at_every_size_of_piece() -> None:
    """Runs are cut into pieces; no entry is lost or read twice where they meet."""
    n = 12_000
    head = counted(n, 1) + "T: 0 identity O: 0 uniform\n"
    model = read_clean(head + "\n".join(f"R: 0 : {i} : * : * {i}.5" for i in range(n)))
    assert_array_equal(model.R[0, :, 0, 0], np.arange(n) + 0.5)


def test_rewards_of_an_mdp_come_in_runs() -> None:
    """One by one this many would take ten seconds."""
    n = 40_000
    head = "discount: 0.9 values: reward states: 40000 actions: 1 T: 0 identity\n"
    lines = [f"R: 0 : {i} : {'*' if i % 2 else i} {i}.5" for i in range(n)]
    began = time.perf_counter()
    model = read_clean(head + "\n".join([*lines, "T: 0 : 7 : * 0", "T: 0 : 7 : 7 1"]))
    assert time.perf_counter() - began < 4.0
    assert_array_equal(model.expected_rewards[0], np.arange(n) + 0.5)
    bad = head + "\n".join([*lines[:9], "R: 0 : 1 : 40000 5", *lines[9:]])
    assert error_places(bad) == [(11, 12, "PT002")]


def test_a_row_of_one_reward_in_a_run() -> None:
    text = "O: *\nuniform\nT: *\nuniform\nR: x : a : b 5 R: y : a : * : o 7 R: x : * : a -1e1"
    one = read_clean(PREAMBLE.replace("o p", "o") + text)
    assert_array_equal(one.R[:, :, :, 0], [[[-10.0, 5.0], [-10.0, 0.0]], [[7.0, 7.0], [0.0, 0.0]]])
    assert error_places(BASE + "R: x : a : b : o 1\nR: x : a : b 5 # c\n") == [(12, 14, "PT006")]
    both = read_clean(BASE + "R: x : a : b 5-6\nR: y : a : b 1 2 R: x : b : b : o 3")
    assert both.R[0, 0, 1].tolist() == [5.0, -6.0]
    assert both.R[1, 0, 1].tolist() == [1.0, 2.0]


# ---------------------------------------------------------------- sums


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("T: x : a : a 0.25", (11, 1, "PT007")),
        ("R: x : a : a : o 1\nT: x : b : a 0.25 # c\nR: x : a : a : p 1", (12, 1, "PT007")),
        ("T: x : a 0.5 0.25", (11, 1, "PT007")),
        ("T: x\n0.5 0.5\n0.5 0.25", (13, 1, "PT007")),
        ("T: x 0.5 0.25\n0.5 0.5", (11, 6, "PT007")),
        ("O: x\n# rows\n0.5 0.5\n  0.5 0.25", (14, 3, "PT007")),
        ("O: x : a : o 0.25\nO: x : a : p 0.5", (12, 1, "PT007")),
        ("T: x identity\nT: x : a : b 1", (12, 1, "PT007")),
        ("T: * : * : * 0.25", (11, 1, "PT007")),
        ("T: x : a 1e308 1e308", (11, 1, "PT007")),
        ("T: x : a 0.5 0.50002", (11, 1, "PT007")),
    ],
)
def test_bad_sum(text: str, place: Place) -> None:
    assert error_places(BASE + text) == [place]


def test_bad_sum_names_the_row() -> None:
    message = only_error(BASE + "O: y : b 0.5 0.25").message
    assert message == "O: the row of action 'y', state 'b' sums to 0.75, not 1"


def test_bad_sums_of_a_statement_are_one_error() -> None:
    message = only_error(BASE + "O: * : * 0.5 0.25").message
    assert "(and 3 more rows)" in message


def test_bad_rows_of_a_matrix_are_an_error_each() -> None:
    assert error_places(BASE + "T: *\n0.5 0.25\n0.25 0.5") == [(12, 1, "PT007"), (13, 1, "PT007")]


def test_never_set_rows() -> None:
    message = only_error(PREAMBLE + "T: x uniform O: * uniform\n" + SET_R).message
    assert "action 'y', state 'a' is never set" in message
    assert "and 1 more row)" in message
    found = errors(PREAMBLE + SET_R)
    assert [f.message[0] for f in found] == ["T", "T", "O", "O"]


def test_sum_within_tolerance_is_renormalised() -> None:
    model = read_clean(BASE + "T: x : a 0.5 0.500009 O: x : b : o 0.500001")
    assert_allclose(model.T.sum(axis=2), 1, rtol=0, atol=1e-15)
    assert_allclose(model.T[0, 0], [0.5 / 1.000009, 0.500009 / 1.000009], rtol=1e-15)
    assert model.renormalised["T"].rows == 1
    assert model.renormalised["T"].worst == pytest.approx(9e-6)
    assert model.renormalised["O"].worst == pytest.approx(1e-6)
    assert model.renormalised["start"].rows == 0


def test_six_digit_rows_are_read() -> None:
    text = "discount: 1 values: reward states: 12 actions: 1 T: 0 identity "
    model = read_clean(text + "T: 0 : 3 " + "0.083333 " * 12 + "R: * : * : * 1")
    assert model.renormalised["T"].worst == pytest.approx(4e-6)


# ---------------------------------------------------------------- sizes


def seconds(text: str) -> float:
    """Best of three, on the processor's clock."""
    read(BASE)
    best = float("inf")
    for _ in range(3):
        begin = time.process_time()
        read(text)
        best = min(best, time.process_time() - begin)
    return best


@pytest.mark.parametrize("count", ["99999999999", "9" * 30, "4194305"])
def test_huge_count_is_an_error_at_once(count: str) -> None:
    text = BASE.replace("states: a b", f"states: {count}")
    assert error_places(text)[0] == (3, 9, "PT010")
    assert seconds(text) < 0.05


def test_too_many_actions_times_states() -> None:
    text = BASE.replace("a b", "70000").replace("x y", "70000")
    assert (only_error(text).line, only_error(text).code) == (4, "PT010")


def test_dense_table_of_a_large_model_is_refused_without_allocating() -> None:
    text = "discount: 1 values: reward states: 20000 actions: 1 observations: 2\n"
    for statement in ("T: * uniform", "T: 0 : * : * 0.00005"):
        tracemalloc.start()
        try:
            found = error_places(text + statement + "\nO: * uniform R: * : * : * : * 1")
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert found == [(2, 1, "PT010")]
        assert peak < 1e8


@pytest.mark.slow
def test_four_million_states_are_refused_without_allocating() -> None:
    text = "discount: 1 values: reward states: 4000000 actions: 1 observations: 2\nT: * uniform\n"
    tracemalloc.start()
    try:
        assert error_places(text + "O: * uniform R: * : * : * : * 1") == [(2, 1, "PT010")]
        assert tracemalloc.get_traced_memory()[1] < 2e9
    finally:
        tracemalloc.stop()


def test_large_identity_and_uniform_observations_are_sparse_and_quick() -> None:
    n = 50_000
    text = f"discount: 1 values: reward states: {n} actions: 2 observations: 1\n"
    model = read_clean(text + "T: * identity O: * uniform R: * : * : * : * 1")
    assert model.sparse_T.nonzeros == model.sparse_Z.nonzeros == 2 * n


@pytest.mark.timeout(20)
def test_many_bad_rows_of_a_large_run_are_reported_quickly() -> None:
    n = 20_000
    head = counted(n, 1) + "O: * uniform R: * : * : * : * 1\n"
    text = head + "\n".join(f"T: 0 : {i} : {i} 0.5" for i in reversed(range(n)))
    begin = time.process_time()
    found = errors(text)
    assert len(found) == 100
    assert found[-1].line == n + 2
    assert time.process_time() - begin < 3


@pytest.mark.timeout(60)
def test_never_set_rows_of_a_large_model_are_reported_quickly() -> None:
    text = (
        "discount: 1 values: reward states: 300000 actions: 4 observations: 1\nR: * : * : * : * 1"
    )
    begin = time.process_time()
    assert len(errors(text)) == 8
    assert time.process_time() - begin < 10


@pytest.mark.timeout(60)
def test_constant_rows_between_other_statements_take_linear_time() -> None:
    n = 2_000
    head = counted(n, 2) + "T: * identity R: * : * : * : * 1\n"
    text = head + "\n".join(
        f"O: 0 : {i} : * 0.5 O: 0 : {i} : 0 0.5 R: 0 : {i} : 0 1 1" for i in range(n)
    )
    begin = time.process_time()
    assert (read_clean(text).Z == 0.5).all()
    assert time.process_time() - begin < 5


# ---------------------------------------------------------------- against the oracle


@given(
    programs(),
    st.booleans(),
    st.lists(st.sampled_from(["\n", " ", " # T: x\n", "\r\n"]), min_size=1),
)
def test_statements_do_what_the_oracle_does(
    program: tuple[naive.Sizes, list[float], list[naive.Assignment]],
    indices: bool,
    between: Sequence[str],
) -> None:
    sizes, start, statements = program
    model = read_clean(file_text(*program, indices=indices, between=between))
    dense = naive.tables(sizes, start, statements)
    assert_allclose(model.T, dense["T"], rtol=0, atol=1e-15)
    if sizes.observations:
        assert_allclose(model.Z, dense["O"], rtol=0, atol=1e-15)
        assert_array_equal(full_R(model), dense["R"])
    else:
        assert_array_equal(np.broadcast_to(model.R, (*dense["R"].shape, 1))[..., 0], dense["R"])


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
    text = counted(n, 2).replace("reward", "cost") + "T: * identity O: * uniform\n"
    model = read_clean(text + "R: 0 : * : 7 : * 5 R: 0 : 8 : 8 : * 6 R: 0 : * : 9 : 1 4")
    assert model.rewards.table is None
    assert model.rewards.by_observation
    assert model.expected_rewards[0, 6:11].tolist() == [0, -5, -6, -2, 0]


# ---------------------------------------------------------------- tests/bad

BAD = sorted((ROOT / "tests" / "bad").glob("*.pomdp"))


@pytest.mark.parametrize("path", BAD, ids=lambda p: p.stem)
def test_bad_file(path: Path) -> None:
    """The first line says what is reported first: `# line:column: ...`, column `*` being any."""
    text = path.read_text(encoding="utf-8")
    expected = text.splitlines()[0].removeprefix("# ")
    model, findings = read_model(text, path.name, kind="pomdp")
    assert model is None
    first = next(f for f in findings if f.level == "error")
    if ":*:" in expected:
        expected = expected.replace(":*:", f":{first.column}:", 1)
    assert str(first) == f"{path.name}:{expected}"


def test_there_are_bad_files() -> None:
    assert len(BAD) >= 20
