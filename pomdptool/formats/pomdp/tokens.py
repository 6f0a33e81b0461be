"""Splits blocks of numbers and lists of names; offsets of items are computed on request."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

import numpy as np

from pomdptool.formats.findings import Findings
from pomdptool.formats.pomdp.syntax import Word
from pomdptool.sparse import FloatArray

_COMMENT = re.compile(r"#[^\n]*")
_DETACHED_SIGN = re.compile(r"([-+])\s+")
_GLUED_SIGN = re.compile(r"(?<=[0-9.])(?=[-+])")
_NUMBER = re.compile(r"#[^\n]*|(?:([-+])\s*)?([0-9.]+(?:[eE][-+]?[0-9]+)?)")
_NAME = re.compile(r"#[^\n]*|([A-Za-z0-9_-]+)")

NO_LEADING_DIGIT = "a number should have a digit before the decimal point"


def without_comments(text: str) -> str:
    """Replace comments by spaces, which keeps all offsets."""
    if "#" not in text:
        return text
    return _COMMENT.sub(lambda m: " " * len(m[0]), text)


def split_numbers(word: Word) -> list[str]:
    """Split a block of numbers; a sign begins a number and may be detached from it."""
    text = without_comments(word.text)
    if "-" in text or "+" in text:
        text = _GLUED_SIGN.sub(" ", _DETACHED_SIGN.sub(r"\1", text))
    return text.split()


def number_offsets(word: Word) -> Iterator[tuple[int, str]]:
    """Offset and text of each number of a block, with its sign."""
    for match in _NUMBER.finditer(word.text):
        if match[2]:
            yield word.at + match.start(), (match[1] or "") + match[2]


def offset_of_number(word: Word, k: int) -> int:
    """Offset of number k (from 0) of a block, or of its last number if it has fewer."""
    offsets = [at for at, _ in islice(number_offsets(word), k + 1)]
    return offsets[-1] if offsets else word.at


def wrong_row(word: Word, columns: int) -> tuple[int, int] | None:
    """The only line of a matrix that does not hold `columns` numbers.

    Returns the offset of its last number, or of the first one too many, and how many it has; None
    if several lines have another number.
    """
    rows: list[list[int]] = []
    end = -1  # offset of the end of the line of the last number
    for at, _ in number_offsets(word):
        if not rows or 0 <= end < at:
            rows.append([])
            end = word.text.find("\n", at - word.at)
            end = end + word.at if end >= 0 else end
        rows[-1].append(at)
    wrong = [offsets for offsets in rows if len(offsets) != columns]
    if len(rows) < 2 or len(wrong) != 1:
        return None
    return wrong[0][min(columns, len(wrong[0]) - 1)], len(wrong[0])


def name_offsets(word: Word) -> Iterator[tuple[int, str]]:
    """Offset and text of each name or index of a list."""
    for match in _NAME.finditer(word.text):
        if match[1]:
            yield word.at + match.start(), match[1]


def read_numbers(word: Word, findings: Findings, *, signed: bool) -> FloatArray | None:
    """Read a block of finite numbers, for probabilities without signs; None after an error."""
    items = split_numbers(word)
    values = np.array(list(map(float, items)))
    if not np.isfinite(values).all():
        k = int(np.flatnonzero(~np.isfinite(values))[0])
        findings.error("PT005", offset_of_number(word, k), f"the number {items[k]} is too large")
        return None
    if not signed and min(items)[0] in "+-":
        k = next(i for i, item in enumerate(items) if item[0] in "+-")
        findings.error("PT005", offset_of_number(word, k), "a probability must not have a sign")
        return None
    least = min(items)[0]  # signs and the decimal point sort before the digits
    bare = [k for k, item in enumerate(items) if item.lstrip("+-")[0] == "."] if least < "0" else []
    if bare:
        findings.dialect("PT101", offset_of_number(word, bare[0]), NO_LEADING_DIGIT, len(bare))
    return values
