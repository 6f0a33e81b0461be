"""Reads single entries, `T: a : s : s' p`, `O: a : s' : o p`, `R: a : s : s' : o r`, in bulk.

Large files consist almost entirely of such lines. Consecutive entries are split chunk by chunk into
tokens, the tokens into columns, and the columns are mapped to indices by dictionaries. A chunk
where this fails is parsed again entry by entry to report the errors.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import compress

import numpy as np

from pomdptool.formats.findings import Findings
from pomdptool.formats.pomdp.axes import Axes, Axis
from pomdptool.formats.pomdp.syntax import BulkEntries
from pomdptool.formats.pomdp.tokens import NO_LEADING_DIGIT, without_comments
from pomdptool.sparse import FloatArray, IntArray

CHUNK = 1 << 16
"""Characters per chunk: the tokens fit in the processor's cache, and memory stays flat."""

STRAY_COLON = "a colon before the number"

_R_HEAD = re.compile(r"R(?<![A-Za-z0-9_-]R)(?=[ \t\n])")
_HEAD = re.compile(r"(?<![A-Za-z0-9_-])[TOR][ \t\n]*:")
_COLON = r"[ \t\n]*+:[ \t\n]*+"
_REF = r"([A-Za-z0-9_*-]++)"
_ENTRY = re.compile(
    f"(?:([TO]){_COLON}{_REF}{_COLON}{_REF}{_COLON}{_REF}"
    f"|(R){_COLON}{_REF}{_COLON}{_REF}{_COLON}{_REF}(?:{_COLON}{_REF})?+)"
    r"(?P<gap>[ \t\n:]++)(?P<number>[-+0-9.][0-9.eE+-]*+)"
)
_SHORT = re.compile(rf"(?<![A-Za-z0-9_-])R(?:{_COLON}[A-Za-z0-9_*-]++){{3}}(?![ \t\n]*:)")
_NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")


@dataclass(frozen=True, slots=True)
class EntryColumns:
    """Entries of one table: an index per axis (-1 for `*`), a value, the position in the bulk.

    `bare`: whether a number lacks a digit before the point.
    """

    table: str
    refs: tuple[IntArray, ...]
    values: FloatArray
    order: IntArray
    bare: bool = False


@dataclass(frozen=True, slots=True)
class BulkResult:
    """Entries by table, their number, and the tables with invalid entries."""

    columns: list[EntryColumns]
    count: int
    failed: set[str]


def read_bulk(bulk: BulkEntries, axes: Axes, findings: Findings) -> BulkResult:
    """Read consecutive entries; `axes` has the axes of each table that the file may set."""
    text = without_comments(bulk.text)
    columns: list[EntryColumns] = []
    failed: set[str] = set()
    first = 0
    for begin, end in _chunks(text):
        chunk = text[begin:end]
        read, count = _read_chunk(chunk, axes, first)
        if read is None:
            failed |= _explain(chunk, bulk.at + begin, axes, findings)
            if findings.full:
                break
        else:
            columns += read
        first += count
    if not failed:
        failed = _note_dialects(bulk, text, columns, findings)
    return BulkResult(columns, first, failed)


def entry_offsets(bulk: BulkEntries) -> list[int]:
    """Offset of every entry."""
    return [bulk.at + match.start() for match in _HEAD.finditer(without_comments(bulk.text))]


def _chunks(text: str) -> Iterator[tuple[int, int]]:
    begin = 0
    while begin < len(text):
        head = _HEAD.search(text, begin + CHUNK)
        end = head.start() if head else len(text)
        yield begin, end
        begin = end


def _read_chunk(chunk: str, axes: Axes, first: int) -> tuple[list[EntryColumns] | None, int]:
    """Columns of a chunk (None if it has an error), and its number of entries.

    Without its `R` an entry of R with four axes has five tokens, like the entries of T and O with
    their letter, so the columns are slices. `T` and `O` are reserved words, never actions.
    """
    four = len(axes["R"]) == 4
    if four and len(axes["R"][3]) == 1:
        chunk = _SHORT.sub(r"\g<0> : *", chunk)  # a row of one number
    text, n_rewards = _R_HEAD.subn("" if four else "R", chunk.replace(":", " "))
    tokens = text.split()
    heads, n = tokens[::5], len(tokens) // 5
    counts = {"T": heads.count("T"), "O": heads.count("O"), "R": n_rewards}
    if len(tokens) != 5 * n or sum(counts.values()) != n:
        return None, len(_HEAD.findall(chunk))
    columns = []
    for table, count in counts.items():
        if not count:
            continue
        if table not in axes:
            return None, n
        fields = [tokens[k::5] for k in range(len(axes[table]) == 3, 5)]
        order = np.arange(first, first + n)
        if count < n:
            own = [h not in "TO" for h in heads] if table == "R" else [h == table for h in heads]
            fields = [list(compress(column, own)) for column in fields]
            order = order[own]
        try:
            columns.append(_columns(table, fields, order, axes[table]))
        except (KeyError, ValueError):
            return None, n
    return columns, n


def _columns(
    table: str, fields: list[list[str]], order: IntArray, axes: tuple[Axis, ...]
) -> EntryColumns:
    """Map tokens to indices and numbers.

    Raises KeyError for an unknown name, ValueError for an invalid number.
    """
    *refs, numbers = fields
    indices = tuple(
        np.array(list(map(axis.index.__getitem__, ref)))
        for axis, ref in zip(axes, refs, strict=True)
    )
    distinct = {number: float(number) for number in set(numbers)}
    if table != "R" and min(distinct)[0] in "+-":
        raise ValueError
    values = np.array(list(map(distinct.__getitem__, numbers)))
    if not np.isfinite(values).all():
        raise ValueError
    bare = any(number.lstrip("+-")[0] == "." for number in distinct)
    return EntryColumns(table, indices, values, order, bare)


def _explain(chunk: str, offset: int, axes: Axes, findings: Findings) -> set[str]:
    """Report the errors of a chunk's entries; return the tables that it sets."""
    tables = set()
    for match in _ENTRY.finditer(chunk):
        tables.add(match[1] or match[5])
        _explain_entry(match, offset, axes, findings)
        if findings.full:
            break
    return tables


def _explain_entry(match: re.Match[str], offset: int, axes: Axes, findings: Findings) -> None:
    table = match[1] or match[5]
    groups = (2, 3, 4) if match[1] else (6, 7, 8, 9) if match[9] else (6, 7, 8)
    number, at = match["number"], offset + match.start("number")
    if table not in axes:
        message = f"{table} needs `observations:` in the preamble"
        findings.error("PT008", offset + match.start(), message)
        return
    if len(axes[table]) < len(groups):
        message = "without `observations:` R takes an action and two states, then a number"
        findings.error("PT012", offset + match.start(), message)
        return
    for group, axis in zip(groups, axes[table], strict=False):
        axis.lookup(match[group], offset + match.start(group), findings)
    if not _NUMBER.fullmatch(number):
        findings.error("PT001", at, f"expected a number, found {number[:40]!r}")
    elif not np.isfinite(float(number)):
        findings.error("PT005", at, f"the number {number} is too large")
    elif table != "R" and number[0] in "+-":
        findings.error("PT005", at, "a probability must not have a sign")
    elif len(axes[table]) > len(groups) and len(axes[table][3]) > 1:
        findings.error("PT006", at, f"expected {len(axes[table][3])} numbers, found 1")


def _note_dialects(
    bulk: BulkEntries, text: str, columns: list[EntryColumns], findings: Findings
) -> set[str]:
    """Report colons before numbers, and numbers without a leading digit.

    Returns the tables with an entry that has several colons before its number, an error.
    """
    expected = sum(len(c.values) * len(c.refs) for c in columns)
    stray = text.count(":") - expected
    if not (stray or any(c.bare for c in columns)):
        return set()
    colons, points = [], []
    failed = set()
    for match in _ENTRY.finditer(text):
        if ":" in match["gap"]:
            colon = bulk.at + match.start("gap") + match["gap"].index(":")
            if match["gap"].count(":") > 1:
                findings.error("PT001", colon, "expected a number, found `:`")
                failed.add(match[1] or match[5])
            else:
                colons.append(colon)
        if match["number"].lstrip("+-").startswith("."):
            points.append(bulk.at + match.start("number"))
    if colons:
        findings.dialect("PT107", colons[0], STRAY_COLON, len(colons))
    if points:
        findings.dialect("PT101", points[0], NO_LEADING_DIGIT, len(points))
    return failed
