"""The preamble and `start`: every form and every error."""

from __future__ import annotations

import pytest
from numpy.testing import assert_array_equal

from pomdp_texts import (
    BASE,
    MDP,
    PREAMBLE,
    SET_R,
    TABLES,
    Place,
    error_places,
    errors,
    matches,
    only_error,
)
from samples import read_clean


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
    (reported,) = error_places(PREAMBLE + text + "\n" + TABLES + SET_R)
    assert matches(reported, place)


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
