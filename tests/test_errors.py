"""Spelling suggestions."""

from __future__ import annotations

import pytest

from pomdptool.errors import near_name


@pytest.mark.parametrize(
    ("word", "names", "expected"),
    [
        ("Say-A", ["say-a", "say-b", "say-c"], "say-a"),
        ("S2", ["s1", "s2", "s3", "S10"], "s2"),
        ("s2", ["S1", "S2", "s10"], "S2"),
        ("LISEN", ["listen", "open-left"], "listen"),
        ("lisTen", ["LISTEN", "listen"], "listen"),
        ("LISTEn", ["listen", "LISTEN"], "LISTEN"),
        ("xyzzy", ["listen", "open-left"], None),
        ("listen", [], None),
    ],
)
def test_near_name_ignores_case(word: str, names: list[str], expected: str | None) -> None:
    assert near_name(word, names) == expected


def test_near_name_has_limits() -> None:
    assert near_name("s1", [f"S{k}" for k in range(5001)]) is None
    assert near_name("a" * 101, ["a" * 100]) is None
