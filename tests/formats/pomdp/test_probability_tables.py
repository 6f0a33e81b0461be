"""T and O: every form, wildcards, and later statements that win."""

from __future__ import annotations

import time

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from pomdp_texts import (
    BASE,
    PREAMBLE,
    SET_R,
    TABLES,
    full_R,
    numbered,
)
from samples import read_clean


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
    assert_array_equal(model.rewards.stored, [[[[0, 0, 1]]]])


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


def test_large_identity_and_uniform_observations_are_sparse_and_quick() -> None:
    n = 50_000
    text = f"discount: 1 values: reward states: {n} actions: 2 observations: 1\n"
    model = read_clean(text + "T: * identity O: * uniform R: * : * : * : * 1")
    assert model.sparse_T.nonzeros == model.sparse_Z.nonzeros == 2 * n


@pytest.mark.timeout(60)
def test_constant_rows_between_other_statements_take_linear_time() -> None:
    n = 2_000
    head = numbered(n, 2) + "T: * identity R: * : * : * : * 1\n"
    text = head + "\n".join(
        f"O: 0 : {i} : * 0.5 O: 0 : {i} : 0 0.5 R: 0 : {i} : 0 1 1" for i in range(n)
    )
    begin = time.process_time()
    assert (read_clean(text).Z == 0.5).all()
    assert time.process_time() - begin < 5
