"""The bytes of a table: decompressed, bounded, and cut into blocks of whole rows."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, cast

import numpy as np

from pomdptool.errors import DataError
from pomdptool.formats.limits import MAX_BYTES, MAX_ROW
from pomdptool.formats.text_input import GZIP, other_encoding

BLOCK = 1 << 23
"""Bytes that are read at once."""


@dataclass(slots=True)
class Feed:
    """The bytes of a source, the first of which can be looked at beforehand.

    Attributes
    ----------
    file
        Name to report.
    bounded
        Whether more than `MAX_BYTES` are refused (they were compressed, and may be few there).
    """

    raw: IO[bytes]
    file: str
    bounded: bool = False
    _head: bytes = b""
    _given: int = field(default=0, init=False)

    def peek(self, n: int) -> bytes:
        """First n bytes, fewer only where the source has no more."""
        while len(self._head) < n:
            more = self._raw_read(n - len(self._head))
            if not more:
                break
            self._head += more
        return self._head[:n]

    def read(self, n: int) -> bytes:
        """Next bytes, at most n; none at the end.

        Raises
        ------
        DataError
            If the compression is broken, or there is too much.
        """
        data, self._head = self._head[:n], self._head[n:]
        data = data or self._raw_read(n)
        self._given += len(data)
        if self.bounded and self._given > MAX_BYTES:
            raise DataError(f"{self.file}: more than {MAX_BYTES >> 30} GiB when decompressed")
        return data

    def _raw_read(self, n: int) -> bytes:
        try:
            return self.raw.read(n)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise DataError(f"{self.file}: broken compression: {error}") from None


def decompressed(feed: Feed) -> Feed:
    """Look through gzip, which its first bytes give away."""
    if feed.peek(2) != GZIP:
        return feed
    stream = gzip.GzipFile(fileobj=cast("IO[bytes]", feed), mode="rb")
    return Feed(cast("IO[bytes]", stream), feed.file, bounded=True)


def check_text(feed: Feed) -> None:
    """Refuse what by its first bytes is no text, or not UTF-8.

    Raises
    ------
    DataError
        It names the encoding, where the bytes do.
    """
    head = feed.peek(4)
    encoding = other_encoding(head)
    said = f"this is {encoding} text; expected UTF-8" if encoding else ""
    if head.startswith(b"\0"):
        said = "this is not a text file: it begins with a zero byte"
    if said:
        said = f"{feed.file}:1: {said}"
        raise DataError(said, [said])


def everything(feed: Feed) -> bytes:
    """Return all that is left of a feed.

    Raises
    ------
    DataError
        If it is more than `MAX_BYTES`.
    """
    feed.bounded = True
    return b"".join(iter(lambda: feed.read(BLOCK), b""))


def seekable(feed: Feed) -> IO[bytes]:
    """Return a file that can be read anywhere: the source itself, else all of it in memory.

    Raises
    ------
    DataError
        If that is more than `MAX_BYTES`.
    """
    if feed.bounded or not feed.raw.seekable():
        return io.BytesIO(everything(feed))
    feed.raw.seek(0)
    return feed.raw


def row_blocks(feed: Feed, delimiter: str | None = None) -> Iterator[bytes]:
    """Cut a text into blocks that end where a row does.

    Parameters
    ----------
    delimiter
        Separator of values that may be quoted, so that line ends belong to them; None: a line is a
        row.

    Raises
    ------
    DataError
        If a row is longer than `MAX_ROW`.
    """
    kept, line = b"", 1
    while data := feed.read(BLOCK):
        data = kept + data
        end = _end_of_rows(data, quotes=delimiter is not None)
        if delimiter is not None and len(data) - end > MAX_ROW:
            end = _end_of_csv_rows(data, delimiter)
        if end:
            _check_lines(data[:end], feed.file, line)
            yield data[:end]
            line += count_lines(data[:end])
        kept = data[end:]
        if len(kept) > MAX_ROW:
            raise too_long(feed.file, line, quoted=delimiter is not None and b'"' in kept)
    if kept:
        _check_lines(kept, feed.file, line)
        yield kept


def _check_lines(block: bytes, file: str, line: int) -> None:
    """Refuse a line that is longer than a row may be."""
    if len(block) > MAX_ROW and (b"\n" in block or b"\r" not in block):
        ends = np.flatnonzero(np.frombuffer(block, dtype=np.uint8) == ord("\n"))
        lengths = np.diff(ends, prepend=-1, append=len(block))
        k = int(lengths.argmax())
        if lengths[k] > MAX_ROW:
            raise too_long(file, line + k, quoted=False)


def too_long(file: str, line: int, *, quoted: bool) -> DataError:
    """Return the error of a row longer than `MAX_ROW` that begins at a line."""
    said = f"{file}:{line}: a row of more than {MAX_ROW >> 10} KiB"
    said += ": a quote opens in it and does not close" if quoted else ""
    return DataError(said, [said])


def _end_of_rows(data: bytes, *, quotes: bool) -> int:
    """Where the last whole row ends: after a line end with an even count of quotes before it."""
    quotes = quotes and b'"' in data
    odd = quotes and data.count(b'"') % 2
    end = len(data)
    while True:
        cut = data.rfind(b"\n", 0, end)
        if cut < 0:  # perhaps lines end in CR alone; the last byte may be half of a CR LF
            cut = data.rfind(b"\r", 0, end - 1)
        if cut < 0:
            return 0
        if quotes:
            odd ^= data.count(b'"', cut, end) % 2
        if not odd:
            return cut + 1
        end = cut


def _end_of_csv_rows(data: bytes, delimiter: str) -> int:
    """Where the last whole row ends, row by row: a quote inside an unquoted value is a character.

    A row longer than `MAX_ROW` is not whole.
    """
    taken = 0

    def lines() -> Iterator[str]:
        nonlocal taken
        for line in io.StringIO(data.decode("latin-1"), newline=""):
            if line.endswith(("\n", "\r")):
                taken += len(line)
                yield line

    end = 0
    with long_values():
        reader = csv.reader(lines(), delimiter=delimiter, strict=True)
        while True:
            try:
                next(reader)
            except (StopIteration, csv.Error):
                return end
            if taken - end > MAX_ROW:
                return end
            end = taken


@contextlib.contextmanager
def long_values() -> Iterator[None]:
    """Let Python's CSV reader take values as long as a row may be."""
    before = csv.field_size_limit(MAX_ROW)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def count_lines(block: bytes) -> int:
    """Lines of a block, the last one whether it is ended or not."""
    bytes_there = np.frombuffer(block, dtype=np.uint8)
    ends = int(np.count_nonzero(bytes_there == ord("\n")))
    ends = ends or int(np.count_nonzero(bytes_there == ord("\r")))
    return ends + (not block.endswith((b"\n", b"\r")))
