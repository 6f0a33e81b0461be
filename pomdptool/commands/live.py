"""A live line of progress on standard error, fitted to the terminal.

A line consists of fields. Where it is too long, whole fields are left out, the least important
first: a number that is shown is shown in full.
"""

from __future__ import annotations

import contextlib
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from pomdptool.commands.terminal import can_encode, say, screen_size

if TYPE_CHECKING:
    from rich.status import Status
    from rich.text import Text

KEEPS_BEST = "Ctrl-C keeps the best so far"

STOPPING = "stopping; Ctrl-C again discards the result"

SPINNER = 3
"""Columns that the spinner takes, with a free one at the end of the line."""

HINT_AFTER = 2.0
"""Seconds after which the hint about Ctrl-C appears."""

GAP = "  "


class Field(NamedTuple):
    """Part of a line; the fields of the highest rank are left out first."""

    rank: int
    text: str


Line = Sequence[Field]

Report = Callable[[Callable[[], Line]], None]
"""Shows a line, which is built only if it is due."""


def fitted(line: Line, width: int) -> str:
    """The fields in their order, without the least important ones if they exceed the width."""
    kept = list(line)
    while kept and len(text := GAP.join(part.text for part in kept)) > width:
        kept.remove(max(kept, key=lambda part: part.rank))
    return text if kept else ""


@dataclass(slots=True)
class Screen:
    """What the live display shows: a line, and below it what Ctrl-C does."""

    line: Line
    hint: str
    interrupted: Callable[[], bool]
    began: float = field(default_factory=time.monotonic)

    def lines(self, columns: int) -> list[str]:
        """The lines beside the spinner, for a terminal of this width."""
        width = columns - SPINNER
        below = ""
        if self.interrupted():
            below = STOPPING
        elif time.monotonic() - self.began >= HINT_AFTER:
            below = self.hint
        return [fitted(self.line, width), *([below] if 0 < len(below) <= width else [])]

    def __rich__(self) -> Text:
        from rich.text import Text

        above, *below = self.lines(screen_size(sys.stderr).columns)
        return Text.assemble(above, *(("\n" + hint, "dim") for hint in below))


@contextlib.contextmanager
def live_line(
    title: str,
    quiet: bool,
    verbose: bool,
    *,
    hint: str = "",
    interrupted: Callable[[], bool] = lambda: False,
) -> Iterator[Report | None]:
    """Yield a function that shows progress, or None if it is not shown.

    On a terminal it is a live line; elsewhere, with `verbose`, one line per second.

    Parameters
    ----------
    title
        Shown until the first report.
    hint
        What Ctrl-C does, shown on a terminal if the work takes a while.
    interrupted
        Whether Ctrl-C was pressed.
    """
    if quiet or not (sys.stderr.isatty() or verbose):
        yield None
    elif sys.stderr.isatty():
        screen = Screen([Field(0, title)], hint, interrupted)

        def show(line: Line) -> None:
            screen.line = line

        with _status(screen):
            yield _throttled(0.1, show)
    else:
        yield _throttled(1.0, lambda line: say(GAP.join(part.text for part in line)))


def _status(screen: Screen) -> Status:
    """A live display on standard error, with an ASCII spinner if necessary."""
    from rich.console import Console  # slow to import

    spinner = "dots" if can_encode(sys.stderr, "\N{BRAILLE PATTERN DOTS-124}") else "line"
    return Console(stderr=True).status(screen, spinner=spinner)


def _throttled(seconds: float, show: Callable[[Line], None]) -> Report:
    last = -math.inf

    def report(line: Callable[[], Line]) -> None:
        nonlocal last
        now = time.perf_counter()
        if now - last >= seconds:
            last = now
            show(line())

    return report
