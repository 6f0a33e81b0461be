"""Write data files of episodes: CSV, TSV, JSON lines and Parquet, part by part.

Columns are `episode` (numbered over all parts unless the data have numbers), `step` (from 0),
`action`, `observation`, and if present `reward`, `terminated` and `truncated` (0 or 1), `state` and
`next_state`. Missing values are empty, in JSON null. Numbers read back equal.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np

from pomdptool.episodes import NONE, Episodes
from pomdptool.errors import DataError
from pomdptool.formats.atomic import open_atomic
from pomdptool.formats.data.read import DATA_KINDS, DataKind
from pomdptool.formats.kinds import kind_of_path
from pomdptool.sparse import IntArray

ROWS = 1 << 16
"""Rows converted to text at once."""

GROUP = 1 << 18
"""Approximate rows of a Parquet row group."""


def write_episodes(
    parts: Iterable[Episodes], target: str | Path | IO[bytes], *, kind: DataKind | None = None
) -> None:
    """Write episodes part by part: to a path, standard output (`-`) or an open binary file.

    A file is written completely or not at all; a stream is flushed after each part.

    Parameters
    ----------
    parts
        Episodes with the same columns. One part is held in memory.
    kind
        "csv", "tsv", "jsonl" or "parquet"; by default from the extension of the path, for a stream
        "csv". A path that ends in `.gz` is compressed.

    Raises
    ------
    DataError
        If there are no parts, they differ in columns, a name is empty, a reward is infinite, or the
        extension is unknown.
    OSError
        If the file cannot be written; `BrokenPipeError` if the reader of a stream has closed it.
    """
    if target == "-":
        _write(parts, sys.stdout.buffer, kind or "csv")
    elif isinstance(target, (str, Path)):
        path = Path(target)
        kind = kind or kind_of_path(path, DATA_KINDS)
        if kind is None:
            raise DataError(f"{path}: episodes are written as .csv, .tsv, .jsonl or .parquet")
        with open_atomic(path) as file, _compressed(file, path) as stream:
            _write(parts, stream, kind)
    else:
        _write(parts, target, kind or "csv")


@contextlib.contextmanager
def _compressed(file: IO[bytes], path: Path) -> Iterator[IO[bytes]]:
    if not path.name.lower().endswith(".gz"):
        yield file
        return
    import gzip

    with gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=6, mtime=0) as stream:
        yield stream  # type: ignore[misc]


def _write(parts: Iterable[Episodes], stream: IO[bytes], kind: DataKind) -> None:
    columns: list[str] = []
    done = 0
    with contextlib.ExitStack() as stack:
        for part in parts:
            names = _columns(part)
            if not columns:
                columns = names
                sink = stack.enter_context(_SINKS[kind](stream, columns))
            if names != columns:
                raise DataError(f"parts differ in columns: {columns} and {names}")
            for rows in _rows(part, done):
                sink(rows)
            done += part.n_episodes
            stream.flush()
    if not columns:
        raise DataError("there are no episodes to write")


def _columns(part: Episodes) -> list[str]:
    optional = {
        "reward": part.rewards,
        **dict.fromkeys(("terminated", "truncated"), part.ends),
        "state": part.states,
        "next_state": part.next_states,
    }
    present = [name for name, values in optional.items() if values is not None]
    return ["episode", "step", "action", "observation", *present]


def _rows(part: Episodes, done: int) -> Iterator[dict[str, Any]]:
    """Columns of up to `ROWS` steps at a time as Arrow arrays, symbols dictionary-encoded."""
    import pyarrow as pa

    if part.rewards is not None and np.isinf(part.rewards).any():
        raise DataError("an infinite reward cannot be written")
    actions = _names(part.action_names)
    observations = _names(part.observation_names)
    states = _names(part.state_names)
    numbers = np.arange(done, done + part.n_episodes) if part.numbers is None else part.numbers
    for begin in range(0, part.n_steps, ROWS):
        some = slice(begin, min(begin + ROWS, part.n_steps))
        at = np.arange(some.start, some.stop)
        episode = np.searchsorted(part.first, at, side="right") - 1
        rows = {
            "episode": pa.array(numbers[episode]),
            "step": pa.array(at - part.first[episode]),
            "action": _symbols(part.actions[some], actions),
            "observation": _symbols(part.observations[some], observations),
        }
        if part.rewards is not None:
            # adding 0 turns -0 into 0; NaN becomes null
            rows["reward"] = pa.array(part.rewards[some] + 0.0, from_pandas=True)
        if part.ends is not None:
            last = at == part.first[episode + 1] - 1
            terminated = last & part.terminated[episode]
            rows["terminated"] = pa.array(terminated.astype(np.int8))
            rows["truncated"] = pa.array((last & ~terminated).astype(np.int8))
        if part.states is not None:
            rows["state"] = _symbols(part.states[some], states)
        if part.next_states is not None:
            rows["next_state"] = _symbols(part.next_states[some], states)
        yield rows


def _names(names: tuple[str, ...]) -> Any:
    import pyarrow as pa

    if "" in names:
        raise DataError("an empty name cannot be written: it would be read as missing")
    try:
        return pa.array(names, pa.string())
    except UnicodeEncodeError as error:
        raise DataError(f"the name {error.object!r} is not text") from None


def _symbols(indices: IntArray, names: Any) -> Any:
    import pyarrow as pa

    codes = pa.array(indices.astype(np.int32), mask=indices == NONE)
    return pa.DictionaryArray.from_arrays(codes, names)


Sink = Callable[[dict[str, Any]], None]


@contextlib.contextmanager
def _csv_sink(stream: IO[bytes], columns: list[str], delimiter: str = ",") -> Iterator[Sink]:
    def write(rows: dict[str, Any]) -> None:
        from pyarrow import compute

        texts = [_texts(rows[name], partial(_quoted, delimiter=delimiter), "") for name in columns]
        joined = compute.binary_join_element_wise(*texts, delimiter)
        stream.write(_characters(compute.binary_join_element_wise(joined, "", "\n")))

    stream.write((delimiter.join(columns) + "\n").encode())
    yield write


def _quoted(name: str, delimiter: str) -> str:
    if any(c in name for c in (delimiter, '"', "\r", "\n")):
        return '"' + name.replace('"', '""') + '"'
    return name


@contextlib.contextmanager
def _json_sink(stream: IO[bytes], columns: list[str]) -> Iterator[Sink]:
    def write(rows: dict[str, Any]) -> None:
        from pyarrow import compute

        pieces: list[Any] = []
        for k, name in enumerate(columns):
            pieces += [f'{", " if k else "{"}"{name}": ', _texts(rows[name], json.dumps, "null")]
        stream.write(_characters(compute.binary_join_element_wise(*pieces, "}\n", "")))

    yield write


def _texts(array: Any, quote: Callable[[str], str], missing: str) -> Any:
    """Text of each value."""
    import pyarrow as pa

    if pa.types.is_dictionary(array.type):
        names = pa.array([quote(name) for name in array.dictionary.to_pylist()], pa.string())
        return names.take(array.indices).fill_null(missing)
    return array.cast(pa.string()).fill_null(missing)


def _characters(texts: Any) -> memoryview:
    """Concatenated texts of an array that begins its buffer."""
    _, ends, data = texts.buffers()
    end = int(np.frombuffer(ends, dtype=np.int32)[len(texts)])
    return memoryview(data)[:end]


@contextlib.contextmanager
def _parquet_sink(stream: IO[bytes], columns: list[str]) -> Iterator[Sink]:
    import pyarrow as pa
    from pyarrow import parquet

    whole, real = ("episode", "step"), ("reward",)
    types = {**dict.fromkeys(whole, pa.int64()), **dict.fromkeys(real, pa.float64())}
    types |= dict.fromkeys(("terminated", "truncated"), pa.int8())
    schema = pa.schema([(name, types.get(name, pa.string())) for name in columns])
    kept: list[Any] = []

    def write(rows: dict[str, Any]) -> None:
        kept.append(pa.table([rows[name] for name in columns], names=columns).cast(schema))
        if sum(table.num_rows for table in kept) >= GROUP:
            flush()

    def flush() -> None:
        file.write_table(pa.concat_tables(kept))
        kept.clear()

    with parquet.ParquetWriter(stream, schema) as file:
        yield write
        if kept:
            flush()


_SINKS: dict[DataKind, Callable[..., contextlib.AbstractContextManager[Sink]]] = {
    "csv": _csv_sink,
    "tsv": partial(_csv_sink, delimiter="\t"),
    "jsonl": _json_sink,
    "parquet": _parquet_sink,
}
