"""Read data files of episodes: CSV, TSV, JSON lines and Parquet, in batches of rows.

One row is one step: an action and the observation (and reward) that followed it. The column
`observation` is required. Optional are `episode`, `step` (default: file order), `action` (default:
a single action), `reward`, `terminated` and `truncated` (whether the episode ended with this step,
in a terminal state or cut off, as in Gymnasium), `state` (before the action) and `next_state`;
others are ignored. Without `episode`, an episode lasts until terminated or truncated; without
these columns all rows form one episode. An empty observation is missing. An empty action in an
episode's first row means an observation before the first action.

Actions, observations and states are names. Without a model or an alphabet, the symbols that occur
are the names, numbers in numerical order; with one, whole numbers may also be indices from 0.
"""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal

from pomdptool.episodes import Episodes
from pomdptool.errors import DataError, PomdpWarning
from pomdptool.formats.data.columns import to_batch
from pomdptool.formats.data.conventions import Conventions, Ends, Gaps
from pomdptool.formats.data.delimited import BOM, csv_batches
from pomdptool.formats.data.gather import EpisodeBuilder, RowBatch
from pomdptool.formats.data.input import (
    ByteStream,
    check_text,
    count_lines,
    decompress,
    row_blocks,
    seekable,
)
from pomdptool.formats.data.report import Columns, DataReport
from pomdptool.formats.data.text import all_keys, json_rows
from pomdptool.formats.kinds import kind_of_path, with_compressed
from pomdptool.formats.limits import MAX_STEPS

if TYPE_CHECKING:
    from pomdptool.model import Model

DataKind = Literal["csv", "tsv", "jsonl", "parquet"]

DATA_KINDS: dict[str, DataKind] = {
    **with_compressed({".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl"}),
    ".parquet": "parquet",
}

PARQUET_ROWS = 1 << 17
"""Rows of a Parquet file read at once."""


def read_episodes(
    source: str | Path | IO[bytes],
    *,
    columns: Columns | None = None,
    like: Model | None = None,
    kind: DataKind | None = None,
    missing: Sequence[str] = (),
    actions: Sequence[str] | None = None,
    observations: Sequence[str] | None = None,
    gaps: Gaps = "consecutive",
    ends: Ends | None = None,
) -> Episodes:
    """Read episodes from a path, standard input (`-`) or an open binary file.

    A `PomdpWarning` is issued for a missing column if another one has a similar name, a symbol such
    as NA, a gap in the steps, and episodes of different lengths whose ends are unknown.

    Parameters
    ----------
    columns
        Column names, if not `episode`, `step`, `action` and so on.
    like
        Model in which the symbols are looked up, as names or else as indices.
    kind
        "csv", "tsv", "jsonl" or "parquet"; by default from the extension, else from the first
        bytes. Gzip is always detected.
    missing
        Texts that mean a missing action, observation, state or reward, besides the empty one.
        A number is never a missing reward.
    actions, observations
        Ordered alphabets, instead of the symbols that occur; with `like`, names of the model in
        the order of the data's indices.
    gaps
        Whether skipped numbers in `step` are ignored ("consecutive"), or steps without an
        observation ("missing"), which requires data with a single action.
    ends
        How all episodes ended: in a terminal state ("absorbing"), or cut off in any state ("cut");
        by default as in `terminated` and `truncated`.

    Returns
    -------
    Episodes
        In order of first appearance, each sorted by the column `step` if present.

    Raises
    ------
    DataError
        If the file is not a valid data file; with file, line and column, and up to 100 errors in
        `findings`.
    OSError
        If the file cannot be read.
    """
    conventions = Conventions(
        columns or Columns(),
        frozenset(missing),
        None if actions is None else tuple(actions),
        None if observations is None else tuple(observations),
        gaps,
        ends,
    )
    episodes, messages = read_with_warnings(source, conventions, like=like, kind=kind)
    for message in messages:
        warnings.warn(message, PomdpWarning, stacklevel=2)
    return episodes


def read_with_warnings(
    source: str | Path | IO[bytes],
    conventions: Conventions,
    *,
    like: Model | None = None,
    kind: DataKind | None = None,
) -> tuple[Episodes, tuple[str, ...]]:
    """Read episodes as `read_episodes`, but return the warnings instead of issuing them."""
    with contextlib.ExitStack() as stack:
        if source == "-":
            stream = ByteStream(sys.stdin.buffer, "<stdin>")
        elif isinstance(source, (str, Path)):
            stream = ByteStream(stack.enter_context(Path(source).open("rb")), str(source))
            kind = kind or kind_of_path(source, DATA_KINDS)
        else:
            stream = ByteStream(source, str(getattr(source, "name", "<data>")))
        stream = decompress(stream)
        kind = kind or _kind_of_bytes(stream.peek(1 << 16))
        if kind != "parquet":
            check_text(stream)
        report = DataReport(stream.file, conventions.columns, rows=kind == "parquet")
        builder = EpisodeBuilder(report, conventions)
        for batch in _READERS[kind](stream, report, conventions):
            builder.add(batch)
            if report.full:
                break
        episodes = builder.episodes(like)
        return episodes, (*report.misspelt, *report.warnings)


def _kind_of_bytes(head: bytes) -> DataKind:
    if head.startswith(b"PAR1"):
        return "parquet"
    return "jsonl" if head.removeprefix(BOM).lstrip().startswith(b"{") else "csv"


def _json_batches(
    stream: ByteStream, report: DataReport, conventions: Conventions
) -> Iterator[RowBatch]:
    """Read JSON lines with Python's parser: Arrow's (26.0) crashes on some invalid lines."""
    if stream.peek(3) == BOM:
        stream.read(3)
    line = 1
    known: list[str] = []
    positions: dict[str, int] = {}
    for block in row_blocks(stream):
        rows, lines = json_rows(block, line, report)
        if report.has_errors:
            return
        if rows:
            before = positions.keys()
            known = list(dict.fromkeys([*known, *all_keys(rows)]))
            positions = report.find_columns(known)
            for role in positions.keys() - before if before else ():
                report.error(line, "this column is missing in earlier lines", role)
            arrays = {role: [row.get(known[k]) for row in rows] for role, k in positions.items()}
            yield to_batch(arrays, len(rows), line, lines, report, conventions.missing)
        line += count_lines(block)
    if not positions:
        message = f"{stream.file}:1: the file is empty"
        raise DataError(message, [message])


def _parquet_batches(
    stream: ByteStream, report: DataReport, conventions: Conventions
) -> Iterator[RowBatch]:
    import pyarrow as pa

    try:
        yield from _parquet_parts(stream, report, conventions)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        message = str(error).partition("\n")[0]
        raise DataError(f"{stream.file}: broken Parquet: {message}") from None


def _parquet_parts(
    stream: ByteStream, report: DataReport, conventions: Conventions
) -> Iterator[RowBatch]:
    from pyarrow import parquet

    file = parquet.ParquetFile(seekable(stream))
    if file.metadata.num_rows > MAX_STEPS:
        raise DataError(f"{stream.file}: more than {MAX_STEPS} rows")
    names = file.schema_arrow.names
    positions = report.find_columns(names)
    columns = [names[k] for k in positions.values()]
    row = 1
    for part in file.iter_batches(batch_size=PARQUET_ROWS, columns=columns):
        arrays = {role: part.column(names[k]) for role, k in positions.items()}
        yield to_batch(arrays, part.num_rows, row, None, report, conventions.missing)
        row += part.num_rows


_READERS: dict[DataKind, Callable[[ByteStream, DataReport, Conventions], Iterator[RowBatch]]] = {
    "csv": csv_batches,
    "tsv": partial(csv_batches, preferred="\t"),
    "jsonl": _json_batches,
    "parquet": _parquet_batches,
}
