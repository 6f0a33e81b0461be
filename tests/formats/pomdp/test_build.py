"""Models from statements: MDPs, errors of entries, row sums and sizes."""

from __future__ import annotations

import time
import tracemalloc
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from pomdp_texts import (
    BASE,
    MDP,
    PREAMBLE,
    SET_R,
    Place,
    error_places,
    errors,
    only_error,
    read,
)
from samples import read_clean


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
    assert_array_equal(model.R[..., 0], expected)


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
    reported = errors(PREAMBLE + SET_R)
    assert [f.message[0] for f in reported] == ["T", "T", "O", "O"]


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
            reported = error_places(text + statement + "\nO: * uniform R: * : * : * : * 1")
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert reported == [(2, 1, "PT010")]
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


@pytest.mark.timeout(60)
def test_never_set_rows_of_a_large_model_are_reported_quickly() -> None:
    text = (
        "discount: 1 values: reward states: 300000 actions: 4 observations: 1\nR: * : * : * : * 1"
    )
    begin = time.process_time()
    assert len(errors(text)) == 8
    assert time.process_time() - begin < 10
