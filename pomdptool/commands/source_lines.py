"""The line of a file that an error is about, with a caret below its column."""

from __future__ import annotations

import sys
import unicodedata
from typing import TextIO

from pomdptool.commands.terminal import say, screen_size
from pomdptool.errors import Finding
from pomdptool.printable import printable

INDENT = "    "

CUT = "..."


def show_source(finding: Finding, stream: TextIO | None = None) -> None:
    """Print the line that a finding is about and a caret, if it is known, for a terminal."""
    stream = sys.stderr if stream is None else stream
    if not finding.source.strip():
        return
    width = max(screen_size(stream).columns - len(INDENT) - 1, 20)
    line, indent = excerpt(finding.source, finding.column, width)
    say(INDENT + line, stream)
    say(INDENT + " " * indent + "^", stream)


def excerpt(source: str, column: int, width: int) -> tuple[str, int]:
    """A line around a column (from 1), at most `width` cells wide, and the cells before the column.

    Tabs become spaces, and unprintable characters are escaped.
    """
    cells = [printable(" " if c == "\t" else c) for c in source]
    widths = [_width(cell) for cell in cells]
    at = min(column - 1, len(cells))
    begin, end = 0, len(cells)
    if sum(widths) > width:
        room = width - 2 * len(CUT)
        begin = end = min(at, len(cells) - 1)
        while True:  # grow to both sides, a third of the room before the column
            if begin > 0 and sum(widths[begin - 1 : at]) <= room // 3:
                begin -= 1
            elif end < len(cells) and sum(widths[begin : end + 1]) <= room:
                end += 1
            elif begin > 0 and end == len(cells) and sum(widths[begin - 1 : end]) <= room:
                begin -= 1
            else:
                break
    before, after = CUT * (begin > 0), CUT * (end < len(cells))
    return before + "".join(cells[begin:end]) + after, len(before) + sum(widths[begin:at])


def _width(cell: str) -> int:
    """Cells that a text takes on a terminal."""
    if len(cell) == 1:
        if unicodedata.combining(cell):
            return 0
        return 2 if unicodedata.east_asian_width(cell) in "WF" else 1
    return len(cell)
