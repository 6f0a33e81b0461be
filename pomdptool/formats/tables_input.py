"""The bytes of a table: decompressed, bounded, and cut into blocks of whole rows."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, cast

import numpy as np

from pomdptool.errors import DataError
from pomdptool.formats.text_input import GZIP, MAX_BYTES, other_encoding

BLOCK = 1 << 23
"""Bytes that are read at once."""

MAX_ROW = 1 << 26
"""Longest row, in bytes: more is a quote that was never closed."""


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


def row_blocks(feed: Feed, *, quotes: bool) -> Iterator[bytes]:
    """Cut a text into blocks that end where a row does.

    Parameters
    ----------
    quotes
        Whether line ends between quotes belong to a value.

    Raises
    ------
    DataError
        If a row does not end.
    """
    kept = b""
    while data := feed.read(BLOCK):
        data = kept + data
        end = _end_of_rows(data, quotes=quotes)
        if end:
            yield data[:end]
        kept = data[end:]
        if len(kept) > MAX_ROW:
            raise DataError(
                f"{feed.file}: a row of more than {MAX_ROW >> 20} MiB: is a quote not closed?"
            )
    if kept:
        yield kept


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


def count_lines(block: bytes) -> int:
    """Lines of a block, the last one whether it is ended or not."""
    bytes_there = np.frombuffer(block, dtype=np.uint8)
    ends = int(np.count_nonzero(bytes_there == ord("\n")))
    ends = ends or int(np.count_nonzero(bytes_there == ord("\r")))
    return ends + (not block.endswith((b"\n", b"\r")))
