"""Syntax errors: codes, positions, and recovery."""

from __future__ import annotations

import pytest

from pomdp_texts import (
    BASE,
    PREAMBLE,
    TABLES,
    error_places,
    errors,
    full_R,
    read,
)


@pytest.mark.parametrize(
    "text", ["R: x : a : * : * 5R: y : a : * : * 6", "R: x : a : * : * 5T: x : a : a 0.5"]
)
def test_statement_glued_to_a_number_is_not_lost(text: str) -> None:
    model, findings = read(BASE + text)
    if model is None:
        assert [(f.line, f.code) for f in findings] == [(11, "PT001")]
    else:
        assert full_R(model)[0, 0, 0, 0] == 5


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
