"""Single entries, read in bulk."""

from __future__ import annotations

import time

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from pomdp_texts import (
    BASE,
    PREAMBLE,
    error_places,
    errors,
    numbered,
    read,
)
from samples import read_clean


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
def test_error_deep_in_bulk_entries(n: int, bad: str, column: int, code: str) -> None:
    lines = ["T: x : a : a 0.5", "R: x : a : a : o 5  # c", "O: x : a : o 0.5 # R: x"] * (n // 3)
    at = 2 * len(lines) // 3
    text = BASE + "\n".join([*lines[:at], bad, *lines[at:]])
    assert error_places(text) == [(11 + at, column, code)]


def test_dialect_deep_in_bulk_entries() -> None:
    lines = ["T: x : a : a 0.5"] * 20_000
    lines[13_000] = "T: x : a : a : .5"
    _, findings = read(BASE + "\n".join(lines))
    assert [f.place for f in findings] == ["f:13011:14", "f:13011:16"]


def test_numbers_at_every_chunk_size() -> None:
    """Entries are read in chunks; none is lost or read twice at the boundaries."""
    n = 12_000
    head = numbered(n, 1) + "T: 0 identity O: 0 uniform\n"
    model = read_clean(head + "\n".join(f"R: 0 : {i} : * : * {i}.5" for i in range(n)))
    assert_array_equal(model.R[0, :, 0, 0], np.arange(n) + 0.5)


def test_bulk_rewards_of_an_mdp() -> None:
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


def test_row_of_one_reward_in_bulk() -> None:
    text = "O: *\nuniform\nT: *\nuniform\nR: x : a : b 5 R: y : a : * : o 7 R: x : * : a -1e1"
    one = read_clean(PREAMBLE.replace("o p", "o") + text)
    assert_array_equal(one.R[:, :, :, 0], [[[-10.0, 5.0], [-10.0, 0.0]], [[7.0, 7.0], [0.0, 0.0]]])
    assert error_places(BASE + "R: x : a : b : o 1\nR: x : a : b 5 # c\n") == [(12, 14, "PT006")]
    both = read_clean(BASE + "R: x : a : b 5-6\nR: y : a : b 1 2 R: x : b : b : o 3")
    assert both.R[0, 0, 1].tolist() == [5.0, -6.0]
    assert both.R[1, 0, 1].tolist() == [1.0, 2.0]


@pytest.mark.timeout(20)
def test_many_bad_rows_in_bulk_are_reported_quickly() -> None:
    n = 20_000
    head = numbered(n, 1) + "O: * uniform R: * : * : * : * 1\n"
    text = head + "\n".join(f"T: 0 : {i} : {i} 0.5" for i in reversed(range(n)))
    begin = time.process_time()
    reported = errors(text)
    assert len(reported) == 100
    assert reported[-1].line == n + 2
    assert time.process_time() - begin < 3
