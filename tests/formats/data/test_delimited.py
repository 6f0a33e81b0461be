"""Delimiters, decimal commas and quotes of delimited text."""

from __future__ import annotations

import csv
import time
from typing import Any

import pytest

from data_texts import message
from data_warnings import names, read


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("kind", ["csv", "tsv", None])
def test_the_header_shows_the_separator(separator: str, kind: Any) -> None:
    text = "\ufeffaction,observation,reward\r\na,x,1\r\nb,y,-2.5\r\n".replace(",", separator)
    episodes, _ = read(text, kind=kind)
    assert (episodes.action_names, names(episodes)) == (("a", "b"), ["x", "y"])
    assert episodes.rewards is not None
    assert episodes.rewards.tolist() == [1.0, -2.5]


def test_decimal_commas_of_a_spreadsheet() -> None:
    episodes, _ = read("action;observation;reward\na;x;1,5\nb;y;-2\n")
    assert episodes.rewards is not None
    assert episodes.rewards.tolist() == [1.5, -2.0]
    expected = "'1,5' is not a number; a decimal comma?"
    assert message('observation,reward\nx,"1,5"\n') == f"2: column 'reward': {expected}"
    mixed = message("observation;reward\nx;1,5\nx;1.5\n")
    assert mixed == f"2: column 'reward': {expected}"


def test_an_unknown_separator_shows_in_the_names() -> None:
    assert message("action:observation\na:x\n") == (
        " there is no column 'observation' among 'action:observation'; did you mean "
        "'action:observation'?"
    )


def test_an_unclosed_quote_is_reported_quickly() -> None:
    rows = "a,x\n" * 1000 + 'a,"x\n' + "a,y\n" * 17_000_000
    data = ("action,observation\n" + rows).encode()
    assert len(data) > 67_000_000
    began = time.perf_counter()
    error = message(data)
    assert time.perf_counter() - began < 3.0
    assert error == "1002: a row of more than 1024 KiB: unclosed quote"


def test_a_row_may_have_a_mebibyte() -> None:
    long = "y" * 1_000_000
    lines = "\n".join(["z" * 1000] * 990)
    text = f'action,observation\na,x\na,"{lines}"\nb,{long}\n'
    episodes, _ = read(text)
    assert episodes.observation_names == ("x", long, lines)
    limit = csv.field_size_limit()
    assert message(f"action,observation\na,x\nb,{long}{long}\n") == (
        "3: a row of more than 1024 KiB"
    )
    assert message(f'{{"observation": "{long}{long}"}}\n') == "1: a row of more than 1024 KiB"
    assert csv.field_size_limit() == limit


def test_quotes_inside_values_in_long_files() -> None:
    rows = 'a,5"\n' + "a,x\nb,y\n" * 200_000
    episodes, _ = read("action,observation\n" + rows)
    assert episodes.n_steps == 400_001
    assert names(episodes)[:2] == ['5"', "x"]
