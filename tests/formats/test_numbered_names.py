"""Names of items declared by their number."""

from __future__ import annotations

from pomdptool.formats.numbered_names import NumberedNames


def test_numbered_names() -> None:
    names = NumberedNames("s", 12)
    assert list(names) == [f"s{k}" for k in range(12)]
    assert (len(names), names[-1], names[2:4]) == (12, "s11", ["s2", "s3"])
    assert [names.find(name) for name in names] == list(range(12))
    wrong = ["s12", "s01", "s", "t1", "s-1", "s1 ", "s1\n", "1", "s" + "9" * 30]
    assert [names.find(name) for name in wrong] == [None] * len(wrong)
