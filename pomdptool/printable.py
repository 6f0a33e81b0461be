"""Text from files on its way to people: what cannot be printed is escaped.

Names, file names and whatever else a file or the command line holds may contain control characters:
an escape sequence that changes the terminal, a line end that forges a line of ours, marks that
reverse the direction of writing. Every line and every label for people goes through `printable`.
"""

from __future__ import annotations

import contextlib
import re

_SURROGATE = re.compile("[\ud800-\udfff]")


def printable(text: str) -> str:
    r"""Text in one line, with every character that is not printable escaped, as `\x1b` or `\n`.

    Bytes of UTF-8 that Python kept apart (in file names, where the locale is another) are joined
    to the characters that they are.
    """
    if text.isprintable():
        return text
    with contextlib.suppress(UnicodeEncodeError):  # a lone surrogate that stands for no byte
        text = text.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def first_surrogate(text: str) -> int | None:
    """Place of the first half of a surrogate pair, which is no character; None in what is text."""
    match = _SURROGATE.search(text)
    return None if match is None else match.start()


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
