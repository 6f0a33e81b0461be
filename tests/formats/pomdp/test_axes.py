"""Names and indices: hints for unknown ones."""

from __future__ import annotations

import pytest

from pomdp_texts import (
    BASE,
    only_error,
)


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
