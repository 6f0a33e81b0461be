"""Ctrl-C: raised as KeyboardInterrupt, or, where a command has a best so far, only noted."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

_noted: list[int] = []
_raised: list[int] = []


def watch_interrupts() -> None:
    """Note every interrupt from here on; where they are ignored, they stay so."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _raise)
    sys.unraisablehook = _unraisable


def was_raised() -> bool:
    """Whether KeyboardInterrupt was raised; libraries may have made another error of it."""
    return bool(_raised)


@contextlib.contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Within, the first Ctrl-C only makes the yielded function true; a second one ends the work.

    One that came before and was lost in a library that cannot be interrupted counts as the first.
    """
    before = signal.signal(signal.SIGINT, _note)
    try:
        yield lambda: bool(_noted)
    finally:
        signal.signal(signal.SIGINT, before)
        _noted.clear()


def _note(signum: int, frame: FrameType | None) -> None:
    if _noted:
        _raise(signum, frame)
    _noted.append(signum)


def _raise(signum: int, frame: FrameType | None) -> None:
    _noted.append(signum)
    _raised.append(signum)
    signal.default_int_handler(signum, frame)


def _unraisable(args: UnraisableHookArgs) -> None:
    """Be silent about interrupts within callbacks: they are noted."""
    if not issubclass(args.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(args)
