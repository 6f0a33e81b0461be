"""CSV, TSV and their kin: rows of text to batches, parsed in bulk."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from pomdptool.errors import DataError
from pomdptool.formats.data.columns import to_batch
from pomdptool.formats.data.conventions import Conventions
from pomdptool.formats.data.gather import AXES, Batch
from pomdptool.formats.data.input import Feed, count_lines, row_blocks
from pomdptool.formats.data.report import Problems
from pomdptool.formats.data.steps import FLAGS
from pomdptool.formats.data.text import is_number, read_header, row_lines, separator
from pomdptool.formats.limits import MAX_ROW

BOM = b"\xef\xbb\xbf"


def csv_batches(
    feed: Feed, problems: Problems, conventions: Conventions, preferred: str = ","
) -> Iterator[Batch]:
    """Read rows whose values are separated as the header shows: `,`, `;`, a tab or `|`."""
    if feed.peek(3) == BOM:
        feed.read(3)
    delimiter = separator(feed.peek(1 << 16), preferred, problems.columns)
    blocks = row_blocks(feed, delimiter)
    first = next(blocks, b"")
    header = read_header(first, delimiter, problems)
    wanted = problems.find(header.names)
    n = len(header.names)
    blocks = itertools.chain([first[header.size :]], blocks)
    empty = ["", *(text for text in conventions.missing if not is_number(text))]
    parse = partial(_csv_table, n_columns=n, wanted=wanted, delimiter=delimiter, empty=empty)
    for rows, line in _bodies(blocks, header.lines + 1, keep_blank=n == 1):
        table, said = parse(rows)
        lines = None
        if said or table.num_rows != count_lines(rows) or _open_quote(rows):
            lines = row_lines(rows, line, n, delimiter, problems)
        if said and not problems.any:
            problems.add(line, f"no table from here on: {said}")
        if problems.any:
            return
        if lines is not None and len(lines) != table.num_rows:
            lines = None
        arrays = {role: table.column(str(k)).combine_chunks() for role, k in wanted.items()}
        yield to_batch(arrays, table.num_rows, line, lines, problems, conventions.missing)


def _bodies(blocks: Iterator[bytes], line: int, *, keep_blank: bool) -> Iterator[tuple[bytes, int]]:
    """Rows of each block, without the line end of the last, and the line that they begin at.

    Blank lines stay where they are values of a single column, unless they end the file.
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


def _open_quote(rows: bytes) -> bool:
    return b'"' in rows and rows.count(b'"') % 2 == 1


def _csv_table(
    rows: bytes, n_columns: int, wanted: Mapping[str, int], delimiter: str, empty: list[str]
) -> tuple[Any, str]:
    """Columns, null where empty, of text where numbers are none; or None and what is wrong.

    Where values are separated by `;`, numbers may have a decimal comma.
    """
    import pyarrow as pa

    text = pa.string()
    types = {"step": pa.int64(), "reward": pa.float64()}
    types |= dict.fromkeys([*AXES, *FLAGS], pa.dictionary(pa.int32(), text))
    typed = {wanted[role]: types[role] for role in wanted}
    plain = dict.fromkeys(wanted.values(), text)
    attempts = [(typed, "."), *([(typed, ",")] if delimiter == ";" else []), (plain, ".")]
    said = ""
    for columns, point in attempts:
        try:
            return _csv_columns(rows, n_columns, columns, delimiter, empty, point), ""
        except pa.ArrowInvalid as error:
            said = str(error).partition("\n")[0]
        except MemoryError:
            raise
        except pa.ArrowException as error:  # such as a thread that cannot be started
            raise DataError(f"pyarrow cannot read the data: {error}") from None
    return None, said


def _csv_columns(
    rows: bytes,
    n_columns: int,
    types: Mapping[int, Any],
    delimiter: str,
    empty: list[str],
    point: str,
) -> Any:
    """Some columns of rows, by their position as text. Raises ArrowInvalid."""
    import pyarrow as pa
    from pyarrow import csv

    return csv.read_csv(
        pa.BufferReader(rows),
        read_options=csv.ReadOptions(
            column_names=list(map(str, range(n_columns))), block_size=2 * MAX_ROW
        ),
        parse_options=csv.ParseOptions(
            delimiter=delimiter,
            newlines_in_values=b'"' in rows,
            ignore_empty_lines=n_columns > 1,
        ),
        convert_options=csv.ConvertOptions(
            include_columns=list(map(str, types)),
            column_types={str(k): kind for k, kind in types.items()},
            strings_can_be_null=True,
            null_values=empty,
            decimal_point=point,
        ),
    )
