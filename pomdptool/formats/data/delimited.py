"""CSV, TSV and other delimited text, parsed in bulk."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from pomdptool.errors import DataError
from pomdptool.formats.data.columns import to_batch
from pomdptool.formats.data.conventions import Conventions
from pomdptool.formats.data.gather import SYMBOL_KINDS, RowBatch
from pomdptool.formats.data.input import ByteStream, count_lines, row_blocks
from pomdptool.formats.data.report import DataReport
from pomdptool.formats.data.steps import END_FLAGS
from pomdptool.formats.data.text import detect_delimiter, is_number, read_header, row_lines
from pomdptool.formats.limits import MAX_ROW

BOM = b"\xef\xbb\xbf"


def csv_batches(
    stream: ByteStream, report: DataReport, conventions: Conventions, preferred: str = ","
) -> Iterator[RowBatch]:
    """Read delimited rows; the header shows the delimiter: `,`, `;`, a tab or `|`."""
    if stream.peek(3) == BOM:
        stream.read(3)
    delimiter = detect_delimiter(stream.peek(1 << 16), preferred, report.columns)
    blocks = row_blocks(stream, delimiter)
    first = next(blocks, b"")
    header = read_header(first, delimiter, report)
    positions = report.find_columns(header.names)
    n = len(header.names)
    blocks = itertools.chain([first[header.size :]], blocks)
    empty = ["", *(text for text in conventions.missing if not is_number(text))]
    parse = partial(_parse_rows, n_columns=n, positions=positions, delimiter=delimiter, empty=empty)
    for rows, line in _without_line_ends(blocks, header.lines + 1, keep_blank=n == 1):
        table, failure = parse(rows)
        lines = None
        if failure or table.num_rows != count_lines(rows) or rows.count(b'"') % 2:
            lines = row_lines(rows, line, n, delimiter, report)
        if failure and not report.has_errors:
            report.error(line, f"cannot be parsed from here on: {failure}")
        if report.has_errors:
            return
        if lines is not None and len(lines) != table.num_rows:
            lines = None
        arrays = {role: table.column(str(k)).combine_chunks() for role, k in positions.items()}
        yield to_batch(arrays, table.num_rows, line, lines, report, conventions.missing)


def _without_line_ends(
    blocks: Iterator[bytes], line: int, *, keep_blank: bool
) -> Iterator[tuple[bytes, int]]:
    """Rows of each block, without the last line end, and their first line.

    In a file with a single column, blank lines are missing values and kept, except at the end.
    """
    held = b""
    for block in blocks:
        data = held + block
        rows = data.rstrip(b"\r\n")
        tail = data[len(rows) :]
        held = b""
        if keep_blank:
            held = tail[1 + tail.startswith(b"\r\n") :] if rows else tail
            if len(held) > MAX_ROW:
                raise DataError(f"more than {MAX_ROW >> 10} KiB of blank lines")
        if rows:
            yield rows, line
        if len(data) > len(held):
            line += count_lines(data[: len(data) - len(held)])


def _parse_rows(
    rows: bytes, n_columns: int, positions: Mapping[str, int], delimiter: str, empty: list[str]
) -> tuple[Any, str]:
    """Columns, null if empty, as text if not numeric; or None and an error message.

    With the delimiter `;`, numbers may have a decimal comma.
    """
    import pyarrow as pa
    from pyarrow import csv

    text = pa.string()
    types = {"step": pa.int64(), "reward": pa.float64()}
    types |= dict.fromkeys([*SYMBOL_KINDS, *END_FLAGS], pa.dictionary(pa.int32(), text))
    typed = {k: types[role] for role, k in positions.items()}
    untyped = dict.fromkeys(positions.values(), text)
    attempts = [(typed, "."), *([(typed, ",")] if delimiter == ";" else []), (untyped, ".")]
    names = list(map(str, range(n_columns)))
    reading = csv.ReadOptions(column_names=names, block_size=2 * MAX_ROW)
    parsing = csv.ParseOptions(
        delimiter=delimiter, newlines_in_values=b'"' in rows, ignore_empty_lines=n_columns > 1
    )
    failure = ""
    for columns, point in attempts:
        conversion = csv.ConvertOptions(
            include_columns=list(map(str, columns)),
            column_types={str(k): column_type for k, column_type in columns.items()},
            strings_can_be_null=True,
            null_values=empty,
            decimal_point=point,
        )
        try:
            return csv.read_csv(pa.BufferReader(rows), reading, parsing, conversion), ""
        except pa.ArrowInvalid as error:
            failure = str(error).partition("\n")[0]
        except MemoryError:
            raise
        except pa.ArrowException as error:  # such as a thread that does not start
            raise DataError(f"pyarrow cannot read the data: {error}") from None
    return None, failure
