"""What a terminal can show: its width, and characters beyond ASCII."""

from __future__ import annotations

import shutil
import textwrap
from typing import TextIO

LABEL = 16
"""Columns of the labels of a table."""

_PLAINER = str.maketrans({"└": "`", "├": "|", "│": "|", "─": "-", "…": "~"})


def holds(stream: TextIO, characters: str) -> bool:
    """Whether a stream's encoding has these characters."""
    try:
        characters.encode(getattr(stream, "encoding", None) or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def drawn(lines: list[str], stream: TextIO) -> list[str]:
    """Lines with box-drawing characters as the stream can hold them."""
    return lines if holds(stream, "└├│─…") else [line.translate(_PLAINER) for line in lines]


def show_pairs(rows: list[tuple[str, str]], stream: TextIO) -> None:
    """Print labels and texts in two columns; on a terminal long texts go on below themselves."""
    width = max(shutil.get_terminal_size().columns, 2 * LABEL) if stream.isatty() else None
    for label, text in rows:
        line = f"{label:<{LABEL}}{text}"
        if width is not None and len(line) > width:
            line = textwrap.fill(
                text,
                width,
                initial_indent=f"{label:<{LABEL}}",
                subsequent_indent=" " * LABEL,
                break_long_words=False,
                break_on_hyphens=False,
            )
        stream.write(line + "\n")
    stream.flush()
