"""JSON documents: written with what JSON has not, and read from strangers without surprises.

Infinities are the texts "inf" and "-inf", NaN is null. What is wrong in a document that is read is
named by its path.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any

import numpy as np

from pomdptool.distributions import SUM_TOLERANCE
from pomdptool.errors import FormatError
from pomdptool.formats.limits import MAX_NAMES
from pomdptool.formats.strict_json import read_json
from pomdptool.sparse import FloatArray


def to_jsonable(value: Any) -> Any:
    """Make a value ready for JSON: arrays as lists, infinities as text, NaN as None."""
    if isinstance(value, dict):
        return {key: to_jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_jsonable(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else repr(float(value))
    return to_jsonable(value.tolist()) if hasattr(value, "tolist") else value


def read_document(text: str, file: str, form: str) -> dict[str, Any]:
    """Read a JSON object with `"format": form` and version 1.

    Raises
    ------
    FormatError
        If the text is anything else.
    """
    document = read_json(text, file)
    if not isinstance(document, dict) or document.get("format") != form:
        message = f'expected an object with "format": "{form}"'
        if isinstance(document, dict) and isinstance(document.get("format"), str):
            message += f", found {document['format'][:40]!r}"
        raise FormatError.at(file, 1, 1, "PT001", message)
    version = document.get("version")
    if version != 1 or isinstance(version, bool):
        message = f"version {version!r:.40} is not known; this reads 1"
        raise FormatError.at(file, 1, 1, "PT001", message)
    return document


@dataclass(frozen=True, slots=True)
class JsonValue:
    """A part of a document and the path to it, as `"vectors"[2]."values"`; the whole has none.

    `line` is where the document begins in its file.
    """

    value: object
    path: str
    file: str
    line: int = 1

    def wrong(self, message: str) -> FormatError:
        """Make an error about this part."""
        what = f"{self.path or 'the document'} {message}"
        return FormatError.at(self.file, self.line, 1, "PT001", what)

    def __getitem__(self, key: str) -> JsonValue:
        """Part of an object, which must be there."""
        place = self.get(key)
        if place is None:
            raise self.wrong(f'must have "{key}"')
        return place

    def get(self, key: str) -> JsonValue | None:
        """Part of an object, or None."""
        return self.members().get(key)

    def members(self) -> dict[str, JsonValue]:
        """Parts of an object."""
        if not isinstance(self.value, dict):
            raise self.wrong("must be an object")
        path = f"{self.path}." if self.path else ""
        return {
            k: JsonValue(x, f'{path}"{k}"', self.file, self.line) for k, x in self.value.items()
        }

    def items(self) -> Iterator[JsonValue]:
        """Parts of a list."""
        if not isinstance(self.value, list):
            raise self.wrong("must be a list")
        return (
            JsonValue(x, f"{self.path}[{k}]", self.file, self.line)
            for k, x in enumerate(self.value)
        )

    def text(self) -> str:
        """Text."""
        if not isinstance(self.value, str):
            raise self.wrong("must be text")
        return self.value

    def flag(self) -> bool:
        """True or false."""
        if not isinstance(self.value, bool):
            raise self.wrong("must be true or false")
        return self.value

    def count(self, least: int) -> int:
        """Whole number, at least so large."""
        if type(self.value) is not int or not least <= self.value < 1 << 53:
            raise self.wrong(f"must be a whole number from {least}")
        return self.value

    def index(self, n: int) -> int:
        """Whole number from 0, below n."""
        if type(self.value) is not int or not 0 <= self.value < n:
            raise self.wrong(f"must be a whole number from 0 to {n - 1}")
        return self.value

    def indices(self, n: int) -> tuple[int, ...]:
        """Ascending whole numbers from 0, below n, at least one."""
        found = self.value
        if not isinstance(found, list) or set(map(type, found)) != {int}:
            raise self.wrong("must hold ascending indices, at least one")
        if not 0 <= found[0] <= found[-1] < n or any(x >= y for x, y in pairwise(found)):
            raise self.wrong(f"must hold ascending indices from 0 to {n - 1}")
        return tuple(found)

    def number(self, *, infinite: bool = False) -> float:
        """Finite number; or also "inf" and "-inf"."""
        if infinite and self.value in ("inf", "-inf"):
            return float(str(self.value))
        return float(self._floats([self.value], "must be a number")[0])

    def probability(self) -> float:
        """Number from 0 to 1."""
        number = self.number()
        if not 0.0 <= number <= 1.0 + SUM_TOLERANCE:
            raise self.wrong("must lie between 0 and 1")
        return number

    def numbers(self, n: int | None = None) -> FloatArray:
        """List of finite numbers; of n, where given."""
        if not isinstance(self.value, list) or (n is not None and len(self.value) != n):
            raise self.wrong("must be a list of numbers" if n is None else f"must hold {n} numbers")
        return self._floats(self.value, "must hold numbers")

    def rows(self) -> FloatArray:
        """Rows of finite numbers, all of one length; shape (m, n), m and n at least 1."""
        rows, message = self.value, "must hold numbers, in rows of one length"
        if not isinstance(rows, list) or set(map(type, rows)) != {list}:
            raise self.wrong(message)
        if not rows[0] or len(set(map(len, rows))) > 1:
            raise self.wrong(message)
        return self._floats(list(chain.from_iterable(rows)), message).reshape(len(rows), -1)

    def costs(self) -> bool:
        """Whether it is "cost", not "reward"."""
        if self.value not in ("reward", "cost"):
            raise self.wrong(f'must be "reward" or "cost", not {self.value!r:.40}')
        return self.value == "cost"

    def names(self) -> tuple[str, ...]:
        """List of texts, at least one, all different."""
        names = self.value
        if not isinstance(names, list) or not 0 < len(names) <= MAX_NAMES:
            raise self.wrong(f"must be a list of 1 to {MAX_NAMES} names")
        if set(map(type, names)) != {str}:
            for place in self.items():
                place.text()
        if len(set(names)) < len(names):
            twice = next(name for name, n in Counter(names).items() if n > 1)
            raise self.wrong(f"must hold different names: {twice!r} occurs twice")
        return tuple(names)

    def _floats(self, values: list[Any], message: str) -> FloatArray:
        if not set(map(type, values)) <= {int, float}:
            raise self.wrong(message)
        try:
            floats = np.array(values, dtype=np.float64)
        except OverflowError:
            floats = np.array([math.inf])
        if not np.isfinite(floats).all():
            raise self.wrong("holds a number that is too large")
        return floats
