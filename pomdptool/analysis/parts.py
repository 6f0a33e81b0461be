"""Parts of an analysis: their progress, and why one of them is not complete."""

from __future__ import annotations

from collections.abc import Callable

OnPart = Callable[[str, int, int], None]
"""Called with the part at work, and how much of how much is done; 0 of 0 if that is unknown."""

STOPPED = {"time-limit": "time limit reached", "interrupted": "interrupted"}
"""Reasons of `limits.Limits` in words."""


def report_nothing(part: str, done: int, total: int) -> None:
    """An `OnPart` that ignores its arguments."""


def cut(reason: str, done: int, total: int, noun: str) -> str:
    """Why a part is not complete."""
    return f"{STOPPED[reason]} after {done} of {total} {noun}"
