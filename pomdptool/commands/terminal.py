"""Text for people: escaped, and fitted to the width and encoding of the terminal."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
import textwrap
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

from pomdptool.printable import printable

if TYPE_CHECKING:
    from pomdptool.episodes import Episodes
    from pomdptool.model import Model

Named = TypeVar("Named", "Episodes", "Model")

LABEL = 16
"""Columns of the labels of a table."""

WHOLE_WORDS: dict[str, Any] = {"break_long_words": False, "break_on_hyphens": False}
"""Options of textwrap."""

_ASCII = str.maketrans({"└": "`", "├": "|", "│": "|", "─": "-", "…": "~", "•": "*", "━": "-"})


def say(line: str, stream: TextIO | None = None) -> None:
    """Write a line of text for people, by default to standard error.

    All such output goes through here, `say_wrapped` or `show_pairs`, which escape unprintable
    characters.
    """
    _write(printable(line), sys.stderr if stream is None else stream)


def _write(line: str, stream: TextIO) -> None:
    stream.write(line + "\n")
    stream.flush()


def screen_size(stream: TextIO) -> os.terminal_size:
    """Size of a stream's terminal, unless COLUMNS or LINES are set; 80 x 24 if it has none.

    Any of the standard streams may be a terminal while the others are pipes.
    """
    size = os.terminal_size((80, 24))
    with contextlib.suppress(OSError, ValueError):  # no descriptor, or not of a terminal
        size = os.get_terminal_size(stream.fileno())
    return shutil.get_terminal_size((size.columns or 80, size.lines or 24))


def say_wrapped(line: str) -> None:
    """Write a message to standard error; on a terminal, wrap it at words."""
    _write(message(line), sys.stderr)


def message(line: str) -> str:
    """A message for standard error, escaped; on a terminal, wrapped at words and indented."""
    text = printable(line)
    if not sys.stderr.isatty():
        return text
    width = max(screen_size(sys.stderr).columns, 2 * LABEL)
    indent = " " * (len(text) - len(text.lstrip()) + 2)
    return textwrap.fill(text, width, subsequent_indent=indent, **WHOLE_WORDS)


def plural(n: int, noun: str) -> str:
    """A number with its noun, in the plural unless it is one."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def escaped(thing: Named, *fields: str) -> Named:
    """Escape the names in some fields of a model or of episodes, for tables on a terminal."""
    names: dict[str, Any] = {name: tuple(map(printable, getattr(thing, name))) for name in fields}
    return replace(thing, **names)


def can_encode(stream: TextIO, characters: str) -> bool:
    """Whether a stream's encoding includes these characters."""
    try:
        characters.encode(getattr(stream, "encoding", None) or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def drawn(lines: list[str], stream: TextIO) -> list[str]:
    """Replace box-drawing characters by ASCII if the stream cannot encode them."""
    if can_encode(stream, "".join(map(chr, _ASCII))):
        return lines
    return [line.translate(_ASCII) for line in lines]


def show_pairs(rows: list[tuple[str, str]], stream: TextIO) -> None:
    """Print labels and texts in two columns; on a terminal, wrap the texts."""
    width = max(screen_size(stream).columns, 2 * LABEL) if stream.isatty() else None
    for raw_label, raw in rows:
        label, text = printable(raw_label), printable(raw)
        lines = [text] if width is None else wrapped(text, width - LABEL)
        start = f"{label:<{LABEL}}"
        for line in lines:
            stream.write(f"{start}{line}\n")
            start = " " * LABEL
    stream.flush()


def wrapped(text: str, width: int) -> list[str]:
    """Lines of a text, broken after the items of a list, or within an item at its spaces.

    A list in brackets is not broken, if it fits.
    """
    lines = [""]
    for item in re.split(r"(?<=[,;]) (?![^][()]*[])])", text):
        joined = f"{lines[-1]} {item}" if lines[-1] else item
        if len(joined) <= width:
            lines[-1] = joined
        elif len(item) <= width:
            lines.append(item)
        else:
            lines[-1:] = textwrap.wrap(joined, width, **WHOLE_WORDS)
    return lines
