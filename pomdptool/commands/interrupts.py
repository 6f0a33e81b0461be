"""Ctrl-C and SIGTERM: raised as KeyboardInterrupt, or noted where a command can return a result.

`timeout`, `kill`, batch systems and containers send SIGTERM before they end a process.
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

_noted: list[int] = []
_raised: list[int] = []


def watch_interrupts() -> None:
    """Handle interrupts from here on; signals that are ignored stay ignored."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _raise)
    sys.unraisablehook = _unraisable


def was_raised() -> bool:
    """Whether KeyboardInterrupt was raised; libraries may have made another error of it."""
    return bool(_raised)


@contextlib.contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Within, the first signal only makes the yielded function true; a second one ends the work.

    One that came before and was lost in a library that cannot be interrupted counts as the first.
    """
    heeded = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, _note) for number in heeded}
    try:
        yield lambda: bool(_noted)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _noted.clear()


def _note(signum: int, frame: FrameType | None) -> None:
    if _noted:
        _raise(signum, frame)
    _noted.append(signum)


def _raise(signum: int, frame: FrameType | None) -> None:
    _noted.append(signum)
    _raised.append(signum)
    if _within_an_import(frame):
        with contextlib.suppress(OSError):
            os.write(STANDARD_ERROR, b"interrupted\n")
        os._exit(130)
    signal.default_int_handler(signum, frame)


def _within_an_import(frame: FrameType | None) -> bool:
    """Whether a module is being imported: libraries may print an exception then, or swallow it."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _unraisable(args: UnraisableHookArgs) -> None:
    """Be silent about interrupts within callbacks: they are noted."""
    if not issubclass(args.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(args)
