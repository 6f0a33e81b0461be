"""Ctrl-C and SIGTERM: raise KeyboardInterrupt, or ask a command to return its result so far.

SIGTERM is sent by `timeout`, `kill`, batch systems and containers.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

SIGNALS = (signal.SIGINT, signal.SIGTERM)
STANDARD_ERROR = 2

INTERRUPTED = 130
"""Exit code after an interrupt."""

_received: list[int] = []
_raised: list[int] = []


def watch_interrupts() -> None:
    """Install the handlers; ignored signals stay ignored."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _raise)
    sys.unraisablehook = _unraisable


def was_raised() -> bool:
    """Whether KeyboardInterrupt was raised, even if a library turned it into another error."""
    return bool(_raised)


@contextlib.contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Yield a function that is true after the first signal; a second one raises.

    A signal that a library swallowed before counts as the first.
    """
    handled = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, _record) for number in handled}
    try:
        yield lambda: bool(_received)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _received.clear()


def _record(signum: int, frame: FrameType | None) -> None:
    if _received:
        _raise(signum, frame)
    _received.append(signum)


def _raise(signum: int, frame: FrameType | None) -> None:
    _received.append(signum)
    _raised.append(signum)
    if _within_an_import(frame):
        with contextlib.suppress(OSError):
            os.write(STANDARD_ERROR, b"interrupted\n")
        os._exit(INTERRUPTED)
    signal.default_int_handler(signum, frame)


def _within_an_import(frame: FrameType | None) -> bool:
    """Whether a module is being imported: some libraries then print or swallow exceptions."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _unraisable(args: UnraisableHookArgs) -> None:
    """Print nothing about interrupts in callbacks; they are recorded."""
    if not issubclass(args.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(args)
