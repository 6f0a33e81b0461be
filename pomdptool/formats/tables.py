"""Tables of episodes read: CSV, TSV, JSON lines and Parquet, in batches of rows.

One row is one step: the action done and the observation (and reward) that followed it. Columns:
`observation`, and where they are there `episode` (else the rows are one sequence), `step` (else the
order of the file counts), `action` (else there is one action), `reward`, `state` (before the
action) and `next_state`; others are passed over. An empty observation is missing. An empty action
in an episode's first row means that the observation came before any.

Actions, observations and states are names or indices. Without a model whose names they are, a
column of integers from 0 on holds indices, and other symbols are numbered in their natural order.
"""

from __future__ import annotations

import contextlib
import itertools
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

from pomdptool.episodes import Episodes
from pomdptool.errors import DataError, PomdpWarning
from pomdptool.formats.tables_columns import to_batch
from pomdptool.formats.tables_gather import AXES, MAX_ROWS, Batch, Gather
from pomdptool.formats.tables_input import (
    MAX_ROW,
    Feed,
    check_text,
    count_lines,
    decompressed,
    row_blocks,
    seekable,
)
from pomdptool.formats.tables_report import Columns, Problems
from pomdptool.formats.tables_text import (
    json_rows,
    keys_of,
    read_header,
    row_lines,
    tabs_separate,
)

if TYPE_CHECKING:
    from pomdptool.model import Model

DataKind = Literal["csv", "tsv", "jsonl", "parquet"]

DATA_KINDS: dict[str, DataKind] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}

PARQUET_ROWS = 1 << 17
"""Rows of a Parquet file that are read at once."""

_BOM = b"\xef\xbb\xbf"


def data_kind(path: str | Path) -> DataKind | None:
    """Format of episodes that a file name asks for (None: none that is known).

    `.gz` is looked through where the format is text.
    """
    name = str(path).lower()
    kind = DATA_KINDS.get(Path(name.removesuffix(".gz")).suffix)
    return None if kind == "parquet" and name.endswith(".gz") else kind


def read_episodes(
    source: str | Path | IO[bytes],
    *,
    columns: Columns | None = None,
    like: Model | None = None,
    kind: DataKind | None = None,
) -> Episodes:
    """Read episodes from a path, standard input (`-`) or an open binary file.

    A column that is missing where another one has nearly its name is a `PomdpWarning`.

    Parameters
    ----------
    columns
        What the columns are called, where it is not `episode`, `step`, `action` and so on.
    like
        Model whose actions, observations and states the symbols name; integers that are no names
        are indices.
    kind
        "csv", "tsv", "jsonl" or "parquet"; by default known by the extension, else by the first
        bytes. Compression by gzip is always looked through.

    Returns
    -------
    Episodes
        In order of their first appearance, each sorted by `step` where there is such a column.

    Raises
    ------
    DataError
        If the file is not such a table, or its rows make no episodes; the text names file, line and
        column, `findings` has up to 100 of them.
    OSError
        If it cannot be read.
    """
    episodes, notes = examined_episodes(source, columns=columns, like=like, kind=kind)
    for note in notes:
        warnings.warn(note, PomdpWarning, stacklevel=2)
    return episodes


def examined_episodes(
    source: str | Path | IO[bytes],
    *,
    columns: Columns | None = None,
    like: Model | None = None,
    kind: DataKind | None = None,
) -> tuple[Episodes, tuple[str, ...]]:
    """Read episodes as `read_episodes` does; also its warnings, which are not issued."""
    columns = columns or Columns()
    with contextlib.ExitStack() as stack:
        if source == "-":
            feed = Feed(sys.stdin.buffer, "<stdin>")
        elif isinstance(source, (str, Path)):
            feed = Feed(stack.enter_context(Path(source).open("rb")), str(source))
            kind = kind or data_kind(source)
        else:
            feed = Feed(source, str(getattr(source, "name", "<data>")))
        feed = decompressed(feed)
        kind = kind or _kind_of_bytes(feed.peek(1 << 16))
        if kind != "parquet":
            check_text(feed)
        problems = Problems(feed.file, columns, rows=kind == "parquet")
        gather = Gather(problems)
        for batch in _READERS[kind](feed, problems):
            gather.add(batch)
            if problems.full:
                break
        return gather.episodes(like), problems.notes


def _kind_of_bytes(head: bytes) -> DataKind:
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.removeprefix(_BOM).lstrip().startswith(b"{"):
        return "jsonl"
    return "tsv" if tabs_separate(head) else "csv"


# ---------------------------------------------------------------- CSV and TSV


def _csv_batches(feed: Feed, problems: Problems, delimiter: str = ",") -> Iterator[Batch]:
    if feed.peek(3) == _BOM:
        feed.read(3)
    blocks = row_blocks(feed, quotes=True)
    first = next(blocks, b"")
    header = read_header(first, delimiter, problems)
    wanted = problems.find(header.names)
    n = len(header.names)
    blocks = itertools.chain([first[header.size :]], blocks)
    for rows, line in _bodies(blocks, header.lines + 1, keep_blank=n == 1):
        table, said = _csv_table(rows, n, wanted, delimiter)
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
        yield to_batch(arrays, table.num_rows, line, lines, problems)


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
                raise DataError(f"more than {MAX_ROW >> 20} MiB of blank lines")
        if rows:
            yield rows, line
        if len(data) > len(held):
            line += count_lines(data[: len(data) - len(held)])


def _open_quote(rows: bytes) -> bool:
    return b'"' in rows and rows.count(b'"') % 2 == 1


def _csv_table(
    rows: bytes, n_columns: int, wanted: Mapping[str, int], delimiter: str
) -> tuple[Any, str]:
    """Columns, null where empty, of text where numbers are none; or None and what is wrong."""
    import pyarrow as pa

    text = pa.string()
    types = {"step": pa.int64(), "reward": pa.float64()}
    types |= dict.fromkeys(AXES, pa.dictionary(pa.int32(), text))
    try:
        return _csv_columns(rows, n_columns, {wanted[r]: types[r] for r in wanted}, delimiter), ""
    except pa.ArrowInvalid:
        pass
    try:
        return _csv_columns(rows, n_columns, dict.fromkeys(wanted.values(), text), delimiter), ""
    except pa.ArrowInvalid as error:
        return None, str(error).partition("\n")[0]


def _csv_columns(rows: bytes, n_columns: int, types: Mapping[int, Any], delimiter: str) -> Any:
    """Some columns of rows, by their position as text. Raises ArrowInvalid."""
    import pyarrow as pa
    from pyarrow import csv

    return csv.read_csv(
        pa.BufferReader(rows),
        read_options=csv.ReadOptions(column_names=list(map(str, range(n_columns)))),
        parse_options=csv.ParseOptions(
            delimiter=delimiter,
            newlines_in_values=b'"' in rows,
            ignore_empty_lines=n_columns > 1,
        ),
        convert_options=csv.ConvertOptions(
            include_columns=list(map(str, types)),
            column_types={str(k): kind for k, kind in types.items()},
            strings_can_be_null=True,
            null_values=[""],
        ),
    )


# ---------------------------------------------------------------- JSON lines and Parquet


def _json_batches(feed: Feed, problems: Problems) -> Iterator[Batch]:
    """Read by Python's parser: Arrow's (26.0) dies on some lines that are not JSON."""
    if feed.peek(3) == _BOM:
        feed.read(3)
    line = 1
    known: list[str] = []
    wanted: dict[str, int] = {}
    for block in row_blocks(feed, quotes=False):
        rows, lines = json_rows(block, line, problems)
        if problems.any:
            return
        if rows:
            before = wanted.keys()
            known = list(dict.fromkeys([*known, *keys_of(rows)]))
            wanted = problems.find(known)
            for role in wanted.keys() - before if before else ():
                problems.add(line, "there was none in the lines before", role)
            arrays = {role: [row.get(known[k]) for row in rows] for role, k in wanted.items()}
            yield to_batch(arrays, len(rows), line, lines, problems)
        line += count_lines(block)
    if not wanted:
        said = f"{feed.file}:1: the file is empty"
        raise DataError(said, [said])


def _parquet_batches(feed: Feed, problems: Problems) -> Iterator[Batch]:
    import pyarrow as pa

    try:
        yield from _parquet_parts(feed, problems)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        said = str(error).partition("\n")[0]
        raise DataError(f"{feed.file}: broken Parquet: {said}") from None


def _parquet_parts(feed: Feed, problems: Problems) -> Iterator[Batch]:
    from pyarrow import parquet

    file = parquet.ParquetFile(seekable(feed))
    if file.metadata.num_rows > MAX_ROWS:
        raise DataError(f"{feed.file}: more than {MAX_ROWS} rows")
    names = file.schema_arrow.names
    wanted = problems.find(names)
    columns = [names[k] for k in wanted.values()]
    row = 1
    for part in file.iter_batches(batch_size=PARQUET_ROWS, columns=columns):
        arrays = {role: part.column(names[k]) for role, k in wanted.items()}
        yield to_batch(arrays, part.num_rows, row, None, problems)
        row += part.num_rows


_READERS: dict[DataKind, Callable[[Feed, Problems], Iterator[Batch]]] = {
    "csv": _csv_batches,
    "tsv": partial(_csv_batches, delimiter="\t"),
    "jsonl": _json_batches,
    "parquet": _parquet_batches,
}
