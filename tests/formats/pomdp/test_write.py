"""Written .pomdp texts read back equal, to the last bit of every float."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pomdptool.formats.dump import write_file
from pomdptool.formats.models import WrittenKind, encode_model, load, loads
from pomdptool.formats.pomdp import reward_rules
from pomdptool.formats.pomdp.names import valid_names as made_valid
from pomdptool.formats.pomdp.write import write_pomdp
from pomdptool.model import Model, make_model
from round_trips import assert_same, there_and_back
from samples import (
    counted,
    file_text,
    name_of,
    problem_files,
    programs,
    small_models,
    valid_names,
    wide_models,
)

KINDS: list[WrittenKind] = ["pomdp", "json"]


READABLE = [
    pytest.param(
        path, id=name_of(path), marks=pytest.mark.slow if path.stat().st_size > 5e6 else ()
    )
    for path in problem_files()
    if path.name != "ejs7.POMDP"
]


@pytest.mark.filterwarnings("ignore::pomdptool.errors.PomdpWarning")
@pytest.mark.parametrize("path", READABLE)
def test_sample_reads_back_equal(path: Path) -> None:
    model = load(path)
    for kind in KINDS:
        assert_same(model, there_and_back(model, kind))


@pytest.mark.parametrize(
    "name", ["m.pomdp", "m.POMDP", "m.json", "m.pomdp.gz", "m.json.gz", "M.mdp"]
)
def test_file_reads_back_equal(name: str, tmp_path: Path) -> None:
    model = make_model([np.eye(2)], [[1 / 3, 2 / 3], [1.0, 0.0]], [[1, 1 / 7]], discount=0.9)
    text, _ = encode_model(model, "json" if "json" in name else "pomdp")
    write_file(tmp_path / name, text)
    assert (tmp_path / name).read_bytes()[:2] == b"\x1f\x8b" or not name.endswith(".gz")
    assert_same(model, load(tmp_path / name))
    assert load(tmp_path / name).name in (name.split(".")[0], "")


@settings(max_examples=60)
@given(small_models(counted) | small_models(valid_names) | wide_models(), st.sampled_from(KINDS))
def test_random_model_reads_back_equal(model: Model, kind: WrittenKind) -> None:
    assert_same(model, there_and_back(model, kind))


@given(programs(), st.integers(1, 40), st.sampled_from(KINDS))
def test_rewards_on_the_support_read_back_equal(
    program: Any, limit: int, kind: WrittenKind
) -> None:
    with patch.object(reward_rules, "TABLE_LIMIT", limit):
        model = loads(file_text(*program))
        assert_same(model, there_and_back(model, kind))


def test_constant_rewards_on_the_support_read_back_equal() -> None:
    n = 5000
    text = f"discount: 1 values: reward states: {n} actions: 1 observations: 1\n"
    text += "T: * identity O: * uniform\n"
    model = loads(text + "\n".join(f"R: 0 : {s} : {s} : * 2" for s in range(n)))
    for kind in KINDS:
        assert_same(model, there_and_back(model, kind))


def test_rewards_of_an_mdp_that_name_the_observation() -> None:
    R = np.arange(8.0).reshape(1, 2, 2, 2)
    model = make_model([np.full((2, 2), 0.5)], None, R, discount=0.9)
    for kind in KINDS:
        other = there_and_back(model, kind)
        np.testing.assert_array_equal(other.expected_rewards, model.expected_rewards)


def test_observation_names_of_an_mdp_are_those_of_its_states() -> None:
    model = make_model([np.eye(2)], None, discount=0.9, states=["a b", "c"])
    valid, _ = made_valid(model)
    assert valid.observations == valid.states


EXTREMES = [
    5e-324,
    2.2250738585072014e-308,
    1e-300,
    1 / 3,
    0.1 * 3,
    1e22,
    1e23,
    1.7976931348623157e308,
]


@pytest.mark.parametrize("value", [*EXTREMES, 2.0**53 + 2, 123456789012345678.0])
def test_reward_reads_back_to_the_last_bit(value: float) -> None:
    for sign in (1, -1):
        for costs in (False, True):
            model = make_model([[[1.0]]], [[1.0]], [sign * value], discount=0.5, costs=costs)
            for kind in KINDS:
                assert there_and_back(model, kind).rewards.stored.item() == sign * value


@pytest.mark.parametrize("value", [5e-324, 2.2250738585072014e-308, 1e-300, 1e-16, 1 / 3, 0.1 * 3])
def test_probability_reads_back_to_the_last_bit(value: float) -> None:
    row = [value, 1 - value]
    model = make_model([[row, row[::-1]]], [row, [1.0, 0.0]], discount=value, start=row)
    assert model.T[0, 0, 0] == value
    for kind in KINDS:
        assert_same(model, there_and_back(model, kind))


def test_costs_are_written_as_costs() -> None:
    model = make_model([[[1.0]]], [[1.0]], [-3.0], discount=0.5, costs=True)
    text = write_pomdp(model)
    assert "values: cost\n" in text
    assert "R: * : * : * : * 3\n" in text


def test_header_is_a_comment() -> None:
    model = make_model([[[1.0]]], [[1.0]], discount=0.5)
    text = write_pomdp(model, header="one\n\nR: 5")
    assert text.startswith("# one\n#\n# R: 5\n\ndiscount: 0.5\n")
    assert_same(model, loads(text))


def test_text_is_compact() -> None:
    model = make_model([np.eye(40)] * 3, np.full((40, 3), 1 / 3), np.eye(3, 40), discount=0.5)
    lines = write_pomdp(model).split("\n")
    assert "T: *\nidentity\n" in "\n".join(lines)
    assert "O: *\nuniform\n" in "\n".join(lines)
    assert [line for line in lines if line.startswith("R")] == [
        "R: * : * : * : * 0",
        *(f"R: {k} : {k} : * : * 1" for k in range(3)),
    ]
