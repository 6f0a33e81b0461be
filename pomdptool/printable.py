"""Escape unprintable characters in output.

Names from files and the command line may contain control characters: escape sequences that change
the terminal, line ends that forge a line of output, marks that reverse the direction of writing.
Every line and label of output is passed through `printable`.
"""

from __future__ import annotations

import contextlib
import re

_SURROGATE = re.compile("[\ud800-\udfff]")


def printable(text: str) -> str:
    r"""Escape every unprintable character, as `\x1b` or `\n`.

    UTF-8 bytes that Python could not decode (in file names, under another locale) are decoded.
    """
    if text.isprintable():
        return text
    with contextlib.suppress(UnicodeEncodeError):  # a lone surrogate that is no escaped byte
        text = text.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def first_surrogate(text: str) -> int | None:
    """Index of the first lone surrogate, which is not a character; None in valid text."""
    match = None if text.isascii() else _SURROGATE.search(text)
    return None if match is None else match.start()


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
