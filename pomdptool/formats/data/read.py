"""Tables of episodes read: CSV, TSV, JSON lines and Parquet, in batches of rows.

One row is one step: the action done and the observation (and reward) that followed it. Columns:
`observation`, and where they are there `episode`, `step` (else the order of the file counts),
`action` (else there is one action), `reward`, `terminated` and `truncated` (whether the episode
ended with that step, in a terminal state or cut off, as in Gymnasium), `state` (before the action)
and `next_state`; others are passed over. Without `episode` an episode lasts until it terminated or
was truncated, and without these all rows are one sequence. An empty observation is missing. An
empty action in an episode's first row means that the observation came before any.

Actions, observations and states are names. Without a model or an alphabet whose names they are, the
symbols that occur are the names, numbers in their order; whole numbers may also be indices, from 0
on, of a model's names or of an alphabet.
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
from pomdptool.formats.data.gather import Batch, Gather
from pomdptool.formats.data.input import (
    Feed,
    check_text,
    count_lines,
    decompressed,
    row_blocks,
    seekable,
)
from pomdptool.formats.data.report import Columns, Problems
from pomdptool.formats.data.text import json_rows, keys_of
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
"""Rows of a Parquet file that are read at once."""


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

    What looks unlike what is assumed of it is a `PomdpWarning`: a column that is missing where
    another one has nearly its name, a symbol such as NA, a gap in the steps, episodes of different
    lengths where nothing says how they ended.

    Parameters
    ----------
    columns
        What the columns are called, where it is not `episode`, `step`, `action` and so on.
    like
        Model whose actions, observations and states the symbols name; whole numbers that are no
        names are indices.
    kind
        "csv", "tsv", "jsonl" or "parquet"; by default known by the extension, else by the first
        bytes. Compression by gzip is always looked through.
    missing
        Texts that stand for a missing action, observation, state or reward, beside the empty one.
        One that is a number is never a missing reward.
    actions, observations
        The alphabets, in order, in place of the symbols that occur; with `like`, names of the
        model, in the order of the indices that the data have.
    gaps
        Whether steps that `step` leaves out are none, or steps without an observation ("missing"),
        which takes data with one action.
    ends
        How all episodes ended: in a terminal state ("absorbing"), or cut off anywhere ("cut"); by
        default as `terminated` and `truncated` say.

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
    conventions = Conventions(
        columns or Columns(),
        frozenset(missing),
        None if actions is None else tuple(actions),
        None if observations is None else tuple(observations),
        gaps,
        ends,
    )
    episodes, notes = examined_episodes(source, conventions, like=like, kind=kind)
    for note in notes:
        warnings.warn(note, PomdpWarning, stacklevel=2)
    return episodes


def examined_episodes(
    source: str | Path | IO[bytes],
    conventions: Conventions,
    *,
    like: Model | None = None,
    kind: DataKind | None = None,
) -> tuple[Episodes, tuple[str, ...]]:
    """Read episodes as `read_episodes` does; also its warnings, which are not issued."""
    with contextlib.ExitStack() as stack:
        if source == "-":
            feed = Feed(sys.stdin.buffer, "<stdin>")
        elif isinstance(source, (str, Path)):
            feed = Feed(stack.enter_context(Path(source).open("rb")), str(source))
            kind = kind or kind_of_path(source, DATA_KINDS)
        else:
            feed = Feed(source, str(getattr(source, "name", "<data>")))
        feed = decompressed(feed)
        kind = kind or _kind_of_bytes(feed.peek(1 << 16))
        if kind != "parquet":
            check_text(feed)
        problems = Problems(feed.file, conventions.columns, rows=kind == "parquet")
        gather = Gather(problems, conventions)
        for batch in _READERS[kind](feed, problems, conventions):
            gather.add(batch)
            if problems.full:
                break
        episodes = gather.episodes(like)
        return episodes, (*problems.misspelt, *problems.doubts)


def _kind_of_bytes(head: bytes) -> DataKind:
    if head.startswith(b"PAR1"):
        return "parquet"
    return "jsonl" if head.removeprefix(BOM).lstrip().startswith(b"{") else "csv"


def _json_batches(feed: Feed, problems: Problems, conventions: Conventions) -> Iterator[Batch]:
    """Read by Python's parser: Arrow's (26.0) dies on some lines that are not JSON."""
    if feed.peek(3) == BOM:
        feed.read(3)
    line = 1
    known: list[str] = []
    wanted: dict[str, int] = {}
    for block in row_blocks(feed):
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
            yield to_batch(arrays, len(rows), line, lines, problems, conventions.missing)
        line += count_lines(block)
    if not wanted:
        said = f"{feed.file}:1: the file is empty"
        raise DataError(said, [said])


def _parquet_batches(feed: Feed, problems: Problems, conventions: Conventions) -> Iterator[Batch]:
    import pyarrow as pa

    try:
        yield from _parquet_parts(feed, problems, conventions)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        said = str(error).partition("\n")[0]
        raise DataError(f"{feed.file}: broken Parquet: {said}") from None


def _parquet_parts(feed: Feed, problems: Problems, conventions: Conventions) -> Iterator[Batch]:
    from pyarrow import parquet

    file = parquet.ParquetFile(seekable(feed))
    if file.metadata.num_rows > MAX_STEPS:
        raise DataError(f"{feed.file}: more than {MAX_STEPS} rows")
    names = file.schema_arrow.names
    wanted = problems.find(names)
    columns = [names[k] for k in wanted.values()]
    row = 1
    for part in file.iter_batches(batch_size=PARQUET_ROWS, columns=columns):
        arrays = {role: part.column(names[k]) for role, k in wanted.items()}
        yield to_batch(arrays, part.num_rows, row, None, problems, conventions.missing)
        row += part.num_rows


_READERS: dict[DataKind, Callable[[Feed, Problems, Conventions], Iterator[Batch]]] = {
    "csv": csv_batches,
    "tsv": partial(csv_batches, preferred="\t"),
    "jsonl": _json_batches,
    "parquet": _parquet_batches,
}
