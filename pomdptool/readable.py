"""Representation and equality of results that hold arrays.

Dataclasses compare arrays elementwise and print every entry. A `Readable` is represented by one
line, such as `<Model tiger: 2 states, 3 actions, 2 observations, discount 0.95>`. It equals another
object of its class if all compared fields are equal, with NaN equal to NaN.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, fields, is_dataclass
from typing import Any

import numpy as np

from pomdptool.printable import printable

MAX_LENGTH = 120
"""Maximum length of the fields in a representation; further fields are left out."""

MAX_NAME = 40
"""Maximum length of a name or text in a representation."""


class Readable:
    """A dataclass with a short representation, and equality by the values of its fields.

    Subclasses are declared with `eq=False, repr=False` and may override `_summary`.
    """

    __slots__ = ()

    def _summary(self) -> str:
        """The fields in short, without the class."""
        shown = ""
        for field in _compared(self):
            text = _short(getattr(self, field.name))
            if not text:
                continue
            part = f"{field.name}={text}"
            if len(shown) + len(part) > MAX_LENGTH:
                return f"{shown}, ..." if shown else "..."
            shown = f"{shown}, {part}" if shown else part
        return shown

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._summary()}>"

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(equal(getattr(self, f.name), getattr(other, f.name)) for f in _compared(self))

    def __hash__(self) -> int:
        plain = (getattr(self, field.name) for field in _compared(self))
        return hash((type(self), *(x for x in plain if isinstance(x, (str, int, bool)))))


def _compared(thing: Any) -> list[Field[Any]]:
    return [field for field in fields(thing) if field.compare]


def equal(a: Any, b: Any) -> bool:
    """Whether two values are equal: arrays by shape and entries, NaN equal to NaN."""
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        a, b = np.asarray(a), np.asarray(b)
        if a.shape != b.shape:
            return False
        floats = a.dtype.kind == b.dtype.kind == "f"
        return bool(np.array_equal(a, b, equal_nan=floats))
    if isinstance(a, (tuple, list)) and type(a) is type(b):
        return len(a) == len(b) and all(map(equal, a, b))
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    if is_dataclass(a) and type(a) is type(b):
        return all(equal(getattr(a, f.name), getattr(b, f.name)) for f in _compared(a))
    if isinstance(a, float) and isinstance(b, float) and a != a:
        return b != b
    return bool(a == b)


def short_name(name: str) -> str:
    """A name that is printable and not too long."""
    text = printable(name)
    return text if len(text) <= MAX_NAME else f"{text[: MAX_NAME - 3]}..."


def counted(n: int, noun: str) -> str:
    """A number with its noun, such as "1 state" or "2 states"."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _short(value: Any) -> str:
    """A value in a few characters; empty if it says nothing."""
    if value is None or (isinstance(value, (tuple, list, Mapping)) and not value):
        return ""
    if isinstance(value, np.ndarray):
        return "array(" + " x ".join(map(str, value.shape)) + ")"
    if isinstance(value, (bool, int)):
        return str(value)
    if isinstance(value, (float, np.floating)):
        return f"{value:.6g}"
    if isinstance(value, str):
        return repr(short_name(value))
    if isinstance(value, (tuple, list)):
        parts = [_short(x) for x in value]
        whole = f"({', '.join(parts)})"
        return whole if all(parts) and len(whole) <= MAX_NAME else counted(len(value), "item")
    if isinstance(value, Mapping):
        return counted(len(value), "item")
    return type(value).__name__
