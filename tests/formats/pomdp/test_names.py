"""Names that the .pomdp format does not allow are replaced."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from pomdptool.formats.models import encode_model, read_model
from pomdptool.formats.pomdp.names import valid_names as made_valid
from pomdptool.model import Model, make_model
from round_trips import assert_same, there_and_back
from samples import (
    any_names,
    small_models,
)


@given(small_models(any_names))
def test_names_that_the_format_refuses_are_replaced(model: Model) -> None:
    text, changes = encode_model(model, "pomdp")
    valid, also_changes = made_valid(model)
    assert changes == also_changes
    assert bool(changes) == (valid is not model)
    read, findings = read_model(text, "written", kind="pomdp", strict=True)
    assert read is not None, findings
    assert_same(valid, read)
    assert made_valid(valid) == (valid, [])
    assert_same(model, there_and_back(model, "json"))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a", "T", "reset"], ("a", "s_T", "s_reset")),
        (["1", "0", "x"], ("s_1", "s_0", "x")),
        (["0", "1", "2"], ("0", "1", "2")),
        (["a b", "a_b", "a:b"], ("a_b_2", "a_b", "a_b_3")),
        (["", "é", "-"], ("s_", "s__", "s_-")),
        (["goals", "T1", "o-"], ("goals", "T1", "o-")),
    ],
)
def test_replaced_names(names: list[str], expected: tuple[str, ...]) -> None:
    model = make_model([np.eye(3)], np.ones((3, 1)), discount=1, states=names)
    valid, changes = made_valid(model)
    assert valid.states == expected
    for old, new in zip(names, expected, strict=True):
        assert old == new or f"{old!r} is written as {new!r}" in changes[0]
