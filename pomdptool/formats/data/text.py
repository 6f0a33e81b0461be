"""Rows of text looked at one by one: the header of a CSV file, where a row stands, JSON lines.

CSV bodies are parsed in bulk elsewhere; here is what is asked of a block where something is wrong
with it, or lines and rows are not the same.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from pomdptool.formats.data.input import count_lines, long_values
from pomdptool.formats.data.report import Columns, Problems
from pomdptool.formats.limits import MAX_ROW
from pomdptool.formats.strict_json import unique_keys
from pomdptool.printable import first_surrogate
from pomdptool.sparse import IntArray

SEPARATORS = (",", ";", "\t", "|")
"""What may separate the values of a row, where the header shows it."""

_NUMBER = re.compile(
    r"[-+]?(([0-9]+\.?[0-9]*|\.[0-9]+)(e[-+]?[0-9]+)?|inf(inity)?|nan)", re.IGNORECASE
)
_DECIMAL_COMMA = re.compile(r"[-+]?[0-9]+,[0-9]+")
_WHOLE = re.compile(r"[-+]?[0-9]{1,18}(\.0*)?")


@dataclass(frozen=True, slots=True)
class Header:
    """Names of a CSV file's columns.

    Attributes
    ----------
    names
        As they stand there.
    size
        Bytes up to the first row.
    lines
        Lines up to there.
    """

    names: list[str]
    size: int
    lines: int


def utf8_error(block: bytes, line: int) -> tuple[int, str] | None:
    """Line and message of the first byte that is not UTF-8, in a block that begins at a line."""
    try:
        block.decode("utf-8")
    except UnicodeDecodeError as error:
        before = block[: error.start]
        return line + count_lines(before + b".") - 1, f"this is not UTF-8 text: {error.reason}"
    return None


def read_header(block: bytes, delimiter: str, problems: Problems) -> Header:
    """Read the first row that is not blank.

    Raises
    ------
    DataError
        If there is none, or it is not text.
    """
    if error := utf8_error(block[: block.find(b"\n") + 1] or block, 1):
        problems.add(*error)
        problems.stop()
    text = block[:MAX_ROW].decode("utf-8", errors="surrogateescape")
    taken: list[str] = []

    def lines() -> Iterator[str]:
        for line in io.StringIO(text, newline=""):
            taken.append(line)
            yield line

    reader = csv.reader(lines(), delimiter=delimiter)
    try:
        names = next(filter(None, reader), None)
    except csv.Error as error:
        problems.add(1, f"bad header: {error}")
        problems.stop()
    if not names:
        problems.add(1, "the file is empty")
        problems.stop()
        names = []
    size = len("".join(taken).encode("utf-8", errors="surrogateescape"))
    return Header(names, size, len(taken))


def separator(head: bytes, preferred: str, columns: Columns) -> str:
    """Separator for which a header has the column of observations; the preferred one if none."""
    text = head.decode("utf-8", errors="replace").lstrip("\ufeff\r\n")
    line = text.splitlines()[:1]
    for candidate in (preferred, *SEPARATORS):
        names = next(csv.reader(line, delimiter=candidate), [])
        if any(columns.is_called(name, "observation") for name in names):
            return candidate
    return preferred


def row_lines(
    block: bytes, first: int, n_columns: int, delimiter: str, problems: Problems
) -> IntArray:
    """Line on which each row of a CSV block begins, looked up one by one.

    Rows with another count of values than there are columns, and bad quotes, are reported.

    Parameters
    ----------
    first
        Line that the block begins at.
    """
    if error := utf8_error(block, first):
        problems.add(*error)
        return np.zeros(0, dtype=np.int64)
    found = []
    text = io.StringIO(block.decode("utf-8"), newline="")
    reader = csv.reader(text, delimiter=delimiter, strict=True)
    line = first
    try:
        with long_values():
            for row in reader:
                if row or n_columns == 1:
                    found.append(line)
                if row and len(row) != n_columns:
                    values = "1 value" if len(row) == 1 else f"{len(row)} values"
                    problems.add(line, f"{values} in a row, where the header has {n_columns}")
                line = first + reader.line_num
    except csv.Error as error:
        ended = "unexpected end" in str(error)
        said = "a quote opens in this row and does not close" if ended else error
        problems.add(line, f"bad quotes: {said}")
    return np.array(found, dtype=np.int64)


def json_rows(
    block: bytes, first: int, problems: Problems
) -> tuple[list[dict[str, Any]], IntArray | None]:
    """Objects of a block of JSON lines, and the line of each where they do not follow one another.

    Lines that are no objects are reported.
    """
    if error := utf8_error(block, first):
        problems.add(*error)
        return [], None
    lines = block.decode("utf-8").split("\n")
    filled = [k for k, line in enumerate(lines) if line and not line.isspace()]
    kept = lines if len(filled) == len(lines) else [lines[k] for k in filled]
    together = bool(filled) and filled[-1] == len(filled) - 1
    places = None if together else np.array(filled, dtype=np.int64) + first
    try:
        rows = json.loads("[" + ",".join(kept) + "]", object_pairs_hook=unique_keys)
    except (ValueError, RecursionError):
        rows = []
    if len(rows) == len(kept) and all(isinstance(row, dict) for row in rows):
        return rows, places
    return [
        row for k in filled if (row := _json_row(lines[k], first + k, problems)) is not None
    ], places


def _json_row(text: str, line: int, problems: Problems) -> dict[str, Any] | None:
    try:
        row = json.loads(text, object_pairs_hook=unique_keys)
    except (ValueError, RecursionError) as error:
        problems.add(line, f"this is not JSON: {getattr(error, 'msg', error)}")
        return None
    if isinstance(row, dict):
        return row
    problems.add(line, "a line must be one JSON object")
    return None


def keys_of(rows: list[dict[str, Any]]) -> list[str]:
    """Every key of some objects, in order of first appearance."""
    return list(dict.fromkeys(itertools.chain.from_iterable(rows)))


def text_in(value: Any) -> str | None:
    """Name, or number in digits, that a value of a table is; None where it is empty.

    Raises
    ------
    ValueError
        If it is neither.
    """
    if value is None or isinstance(value, str):
        if value and first_surrogate(value) is not None:
            raise ValueError(f"{value!r} is not text")
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return str(int(value))
    if isinstance(value, float) and math.isfinite(value):
        return repr(value)
    raise ValueError(f"{str(value)[:80]} is neither a name nor a number")


def is_number(text: str) -> bool:
    """Whether a text is a number."""
    return _NUMBER.fullmatch(text.strip()) is not None


def number_in(
    value: Any, *, whole: bool = False, missing: frozenset[str] = frozenset()
) -> float | int | None:
    """Return the number that a value of a table is; None where it is empty or missing.

    Raises
    ------
    ValueError
        If it is none, or no whole one where that is asked for.
    """
    text = "" if value is None else str(value).strip()
    if not text:
        return None
    if isinstance(value, bool) or not (_WHOLE if whole else _NUMBER).fullmatch(text):
        if text in missing:
            return None
        comma = "; a decimal comma?" if _DECIMAL_COMMA.fullmatch(text) else ""
        raise ValueError(f"{text[:80]!r} is not a {'whole ' * whole}number{comma}")
    return int(text.partition(".")[0]) if whole else float(text)
