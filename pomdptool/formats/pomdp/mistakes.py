"""Messages about common mistakes in .pomdp files: decimal commas, fractions, other characters."""

from __future__ import annotations

import re
import unicodedata

_NUMBER_BEFORE = re.compile(r"[0-9]+(?:\.[0-9]*)?\Z")
_NUMBER_AFTER = re.compile(r"[0-9]+(?:\.[0-9]*)?")
_ASCII = {"\u2212": "-", "\u2013": "-", "\u2014": "-", "\uff1a": ":", "\u00a0": " "}
"""Characters of word processors, and the ones that files have."""

_QUOTES = "\"'`\u2018\u2019\u201c\u201d\u00ab\u00bb"


def explain_character(text: str, at: int) -> str | None:
    """Message about a character that no statement allows; None if it is no common mistake."""
    character = text[at]
    before = _NUMBER_BEFORE.search(text[max(at - 40, 0) : at])
    after = _NUMBER_AFTER.match(text, at + 1)
    if character == ",":
        if before and after and "." not in before[0] + after[0]:
            written = f"{before[0]},{after[0]}"
            return f"numbers have a decimal point: write {before[0]}.{after[0]}, not {written}"
        return "names and numbers are separated by spaces, not by commas"
    if character == "/":
        if text.startswith("//", at):
            return "comments begin with `#`, not with `//`"
        if before and after and float(after[0]) != 0.0:
            quotient = float(before[0]) / float(after[0])
            return f"fractions are not read: write {quotient:.15g}, not {before[0]}/{after[0]}"
    if character == "%" and before:
        return f"percentages are not read: write {float(before[0]) / 100.0:.15g}, not {before[0]}%"
    if character == "=":
        return "expected `:`, found `=`"
    if character in _QUOTES:
        return "names are written without quotation marks"
    if not character.isascii():
        name = unicodedata.name(character, f"U+{ord(character):04X}").lower()
        ascii_one = _ASCII.get(character)
        instead = "" if ascii_one is None else f": write {ascii_one!r}"
        return f"unexpected character {character!r} ({name}){instead}"
    return None
