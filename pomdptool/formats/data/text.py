"""Text parsed row by row: the header of a CSV file, line numbers of rows, JSON lines.

CSV blocks are parsed in bulk by `delimited`; row by row only to locate errors and rows of several
lines.
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
from pomdptool.formats.data.report import Columns, DataReport
from pomdptool.formats.limits import MAX_ROW
from pomdptool.formats.strict_json import unique_keys
from pomdptool.printable import first_surrogate
from pomdptool.sparse import IntArray

DELIMITERS = (",", ";", "\t", "|")
"""Delimiters that are detected in a header."""

_NUMBER = re.compile(
    r"[-+]?(([0-9]+\.?[0-9]*|\.[0-9]+)(e[-+]?[0-9]+)?|inf(inity)?|nan)", re.IGNORECASE
)
_DECIMAL_COMMA = re.compile(r"[-+]?[0-9]+,[0-9]+")
_WHOLE = re.compile(r"[-+]?[0-9]{1,18}(\.0*)?")


@dataclass(frozen=True, slots=True)
class Header:
    """Header of a CSV file: column names, and its size in bytes and lines."""

    names: list[str]
    size: int
    lines: int


def utf8_error(block: bytes, line: int) -> tuple[int, str] | None:
    """Line and message of the first byte of a block that is not UTF-8."""
    try:
        block.decode("utf-8")
    except UnicodeDecodeError as error:
        before = block[: error.start]
        return line + count_lines(before + b".") - 1, f"this is not UTF-8 text: {error.reason}"
    return None


def read_header(block: bytes, delimiter: str, report: DataReport) -> Header:
    """Read the first row that is not blank.

    Raises DataError if the block is empty or not text.
    """
    if error := utf8_error(block[: block.find(b"\n") + 1] or block, 1):
        report.error(*error)
        report.raise_errors()
    text = block[:MAX_ROW].decode("utf-8", errors="surrogateescape")
    header: list[str] = []

    def lines() -> Iterator[str]:
        for line in io.StringIO(text, newline=""):
            header.append(line)
            yield line

    reader = csv.reader(lines(), delimiter=delimiter)
    try:
        names = next(filter(None, reader), None)
    except csv.Error as error:
        report.error(1, f"bad header: {error}")
        report.raise_errors()
    if not names:
        report.error(1, "the file is empty")
        report.raise_errors()
        names = []
    size = len("".join(header).encode("utf-8", errors="surrogateescape"))
    return Header(names, size, len(header))


def detect_delimiter(head: bytes, preferred: str, columns: Columns) -> str:
    """Delimiter for which the header has a column of observations; else the preferred one."""
    text = head.decode("utf-8", errors="replace").lstrip("\ufeff\r\n")
    line = text.splitlines()[:1]
    for candidate in (preferred, *DELIMITERS):
        names = next(csv.reader(line, delimiter=candidate), [])
        if any(columns.matches(name, "observation") for name in names):
            return candidate
    return preferred


def row_lines(
    block: bytes, first: int, n_columns: int, delimiter: str, report: DataReport
) -> IntArray:
    """First line of each row of a CSV block that begins at the line `first`.

    Rows with too few or too many values and bad quotes are reported.
    """
    if error := utf8_error(block, first):
        report.error(*error)
        return np.zeros(0, dtype=np.int64)
    lines = []
    text = io.StringIO(block.decode("utf-8"), newline="")
    reader = csv.reader(text, delimiter=delimiter, strict=True)
    line = first
    try:
        with long_values():
            for row in reader:
                if row or n_columns == 1:
                    lines.append(line)
                if row and len(row) != n_columns:
                    values = "1 value" if len(row) == 1 else f"{len(row)} values"
                    report.error(line, f"the row has {values}, the header has {n_columns}")
                line = first + reader.line_num
    except csv.Error as error:
        unclosed = "unexpected end" in str(error)
        report.error(line, f"bad quotes: {'unclosed quote' if unclosed else error}")
    return np.array(lines, dtype=np.int64)


def json_rows(
    block: bytes, first: int, report: DataReport
) -> tuple[list[dict[str, Any]], IntArray | None]:
    """Objects of a block of JSON lines, and their lines unless consecutive.

    Lines that are not objects are reported.
    """
    if error := utf8_error(block, first):
        report.error(*error)
        return [], None
    lines = block.decode("utf-8").split("\n")
    filled = [k for k, line in enumerate(lines) if line and not line.isspace()]
    kept = lines if len(filled) == len(lines) else [lines[k] for k in filled]
    consecutive = bool(filled) and filled[-1] == len(filled) - 1
    numbers = None if consecutive else np.array(filled, dtype=np.int64) + first
    try:
        rows = json.loads("[" + ",".join(kept) + "]", object_pairs_hook=unique_keys)
    except (ValueError, RecursionError):
        rows = []
    if len(rows) == len(kept) and all(isinstance(row, dict) for row in rows):
        return rows, numbers
    return [
        row for k in filled if (row := _json_row(lines[k], first + k, report)) is not None
    ], numbers


def _json_row(text: str, line: int, report: DataReport) -> dict[str, Any] | None:
    try:
        row = json.loads(text, object_pairs_hook=unique_keys)
    except (ValueError, RecursionError) as error:
        report.error(line, f"this is not JSON: {getattr(error, 'msg', error)}")
        return None
    if isinstance(row, dict):
        return row
    report.error(line, "a line must be one JSON object")
    return None


def all_keys(rows: list[dict[str, Any]]) -> list[str]:
    """Keys of several objects, in order of first appearance."""
    return list(dict.fromkeys(itertools.chain.from_iterable(rows)))


def to_text(value: Any) -> str | None:
    """Convert a value to a name, or to a number in digits; None if empty.

    Raises ValueError if the value is neither.
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


def to_number(
    value: Any, *, whole: bool = False, missing: frozenset[str] = frozenset()
) -> float | int | None:
    """Convert a value to a number; None if empty or missing.

    Raises ValueError if the value is not a number, or not a whole one where required.
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
