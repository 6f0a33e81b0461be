"""Writes and validates JSON documents; infinities are "inf" and "-inf", NaN is null.

Errors name the invalid value by its path, such as `"vectors"[2]."values"`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from pomdptool.distributions import SUM_TOLERANCE
from pomdptool.errors import FormatError
from pomdptool.formats.limits import MAX_NAMES
from pomdptool.formats.strict_json import read_json
from pomdptool.sparse import FloatArray


def to_jsonable(value: Any) -> Any:
    """Convert a value for JSON: arrays to lists, infinities to text, NaN to None."""
    if isinstance(value, dict):
        return {key: to_jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_jsonable(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else repr(float(value))
    return to_jsonable(value.tolist()) if hasattr(value, "tolist") else value


def read_document(text: str, file: str, form: str) -> dict[str, Any]:
    """Read a JSON object with `"format": form` and version 1; FormatError for anything else."""
    document = read_json(text, file)
    if not isinstance(document, dict) or document.get("format") != form:
        message = f'expected an object with "format": "{form}"'
        if isinstance(document, dict) and isinstance(document.get("format"), str):
            message += f", found {document['format'][:40]!r}"
        raise FormatError.at(file, 1, 1, "PT001", message)
    version = document.get("version")
    if version != 1 or isinstance(version, bool):
        message = f"version {version!r:.40} is not supported, only 1"
        raise FormatError.at(file, 1, 1, "PT001", message)
    return document


@dataclass(slots=True)  # not frozen: there are millions, and that would triple their cost
class JsonValue:
    """A value in a document, with its path; `line` is that where the document begins in its file.

    The methods return the value as a type; they raise a FormatError for any other value.
    """

    value: object
    path: str
    file: str
    line: int = 1

    def error(self, message: str) -> FormatError:
        """Error about this value; the message continues its path."""
        message = f"{self.path or 'the document'} {message}"
        return FormatError.at(self.file, self.line, 1, "PT001", message)

    def __getitem__(self, key: str) -> JsonValue:
        """Value of a mandatory key of an object."""
        value = self.get(key)
        if value is None:
            raise self.error(f'must have "{key}"')
        return value

    def get(self, key: str) -> JsonValue | None:
        """Value of an optional key of an object, or None."""
        if not isinstance(self.value, dict):
            raise self.error("must be an object")
        if key not in self.value:
            return None
        path = f'{self.path}."{key}"' if self.path else f'"{key}"'
        return JsonValue(self.value[key], path, self.file, self.line)

    def members(self) -> dict[str, JsonValue]:
        """Values of an object, by key."""
        if not isinstance(self.value, dict):
            raise self.error("must be an object")
        return {key: self[key] for key in self.value}

    def items(self) -> Iterator[JsonValue]:
        """Values of a list."""
        if not isinstance(self.value, list):
            raise self.error("must be a list")
        return (
            JsonValue(x, f"{self.path}[{k}]", self.file, self.line)
            for k, x in enumerate(self.value)
        )

    def text(self) -> str:
        """String."""
        if not isinstance(self.value, str):
            raise self.error("must be text")
        return self.value

    def flag(self) -> bool:
        """True or false."""
        if not isinstance(self.value, bool):
            raise self.error("must be true or false")
        return self.value

    def count(self, least: int) -> int:
        """Whole number of at least `least`."""
        if type(self.value) is not int or not least <= self.value < 1 << 53:
            raise self.error(f"must be a whole number of at least {least}")
        return self.value

    def index(self, n: int) -> int:
        """Index from 0 to n - 1."""
        if type(self.value) is not int or not 0 <= self.value < n:
            raise self.error(f"must be a whole number from 0 to {n - 1}")
        return self.value

    def indices(self, n: int) -> tuple[int, ...]:
        """Nonempty list of ascending indices from 0 to n - 1."""
        indices = self.value
        if not isinstance(indices, list) or set(map(type, indices)) != {int}:
            raise self.error("must hold ascending indices, at least one")
        if not 0 <= indices[0] <= indices[-1] < n or indices != sorted(set(indices)):
            raise self.error(f"must hold ascending indices from 0 to {n - 1}")
        return tuple(indices)

    def links(self, n: int, length: int, noun: str) -> list[int]:
        """List with an index from 0 to n - 1, or null (here -1), for each observation."""
        links = self.value
        if not isinstance(links, list):
            raise self.error("must be a list")
        if len(links) != length:
            raise self.error(f"must hold {length} {noun}, one per observation")
        if any(x is not None and (type(x) is not int or not 0 <= x < n) for x in links):
            for place in self.items():
                if place.value is not None:
                    place.index(n)
        return [-1 if x is None else x for x in links]

    def number(self, *, infinite: bool = False) -> float:
        """Finite number, or with `infinite` also "inf" and "-inf"."""
        if infinite and self.value in ("inf", "-inf"):
            return float(str(self.value))
        return float(self._floats([self.value], "must be a number")[0])

    def probability(self) -> float:
        """Number from 0 to 1."""
        number = self.number()
        if not 0.0 <= number <= 1.0 + SUM_TOLERANCE:
            raise self.error("must lie between 0 and 1")
        return number

    def numbers(self, n: int | None = None) -> FloatArray:
        """List of (n) finite numbers."""
        if not isinstance(self.value, list) or (n is not None and len(self.value) != n):
            raise self.error("must be a list of numbers" if n is None else f"must hold {n} numbers")
        return self._floats(self.value, "must hold numbers")

    def rows(self) -> FloatArray:
        """Rows of finite numbers, all of the same length; shape (m, n), m and n at least 1."""
        rows, message = self.value, "must hold numbers, in rows of the same length"
        if not isinstance(rows, list) or set(map(type, rows)) != {list}:
            raise self.error(message)
        if not rows[0] or len(set(map(len, rows))) > 1:
            raise self.error(message)
        return self._floats(list(chain.from_iterable(rows)), message).reshape(len(rows), -1)

    def costs(self) -> bool:
        """True for "cost", False for "reward"."""
        if self.value not in ("reward", "cost"):
            raise self.error(f'must be "reward" or "cost", not {self.value!r:.40}')
        return self.value == "cost"

    def names(self) -> tuple[str, ...]:
        """Nonempty list of distinct strings."""
        names = self.value
        if not isinstance(names, list) or not 0 < len(names) <= MAX_NAMES:
            raise self.error(f"must be a list of 1 to {MAX_NAMES} names")
        if set(map(type, names)) != {str}:
            for name in self.items():
                name.text()
        if len(set(names)) < len(names):
            twice = next(name for name, n in Counter(names).items() if n > 1)
            raise self.error(f"must hold different names: {twice!r} occurs twice")
        return tuple(names)

    def _floats(self, values: list[Any], message: str) -> FloatArray:
        if not set(map(type, values)) <= {int, float}:
            raise self.error(message)
        try:
            floats = np.array(values, dtype=np.float64)
        except OverflowError:
            floats = np.array([math.inf])
        if not np.isfinite(floats).all():
            raise self.error("holds a number that is too large")
        return floats


def lists_of_numbers(places: Sequence[JsonValue], sizes: Sequence[int]) -> list[FloatArray]:
    """Numbers of many lists of these lengths: those of `numbers`, ten times as fast."""
    lists = [place.value for place in places if isinstance(place.value, list)]
    if list(map(len, lists)) == list(sizes):
        flat = list(chain.from_iterable(lists))
        if set(map(type, flat)) == {float} and np.isfinite(array := np.array(flat)).all():
            ends = np.cumsum(sizes).tolist()
            return [array[end - n : end] for end, n in zip(ends, sizes, strict=True)]
    return [place.numbers(n) for place, n in zip(places, sizes, strict=True)]
