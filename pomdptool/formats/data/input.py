"""Bytes of a data file: decompressed, bounded, and split into blocks of whole rows."""

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
"""Bytes read at once."""


@dataclass(slots=True)
class ByteStream:
    """A binary stream with look-ahead, limited to `MAX_BYTES` if `bounded` (decompressed)."""

    raw: IO[bytes]
    file: str
    bounded: bool = False
    _head: bytes = b""
    _n_read: int = field(default=0, init=False)

    def peek(self, n: int) -> bytes:
        """First n bytes, fewer only at the end of the stream."""
        while len(self._head) < n:
            more = self._raw_read(n - len(self._head))
            if not more:
                break
            self._head += more
        return self._head[:n]

    def read(self, n: int) -> bytes:
        """Next bytes, at most n; empty at the end.

        Raises DataError if the compression is broken, or the limit is exceeded.
        """
        data, self._head = self._head[:n], self._head[n:]
        data = data or self._raw_read(n)
        self._n_read += len(data)
        if self.bounded and self._n_read > MAX_BYTES:
            raise DataError(f"{self.file}: more than {MAX_BYTES >> 30} GiB when decompressed")
        return data

    def _raw_read(self, n: int) -> bytes:
        try:
            return self.raw.read(n)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise DataError(f"{self.file}: broken compression: {error}") from None


def decompress(stream: ByteStream) -> ByteStream:
    """Decompress gzip, recognised by its first bytes."""
    if stream.peek(2) != GZIP:
        return stream
    unzipped = gzip.GzipFile(fileobj=cast("IO[bytes]", stream), mode="rb")
    return ByteStream(cast("IO[bytes]", unzipped), stream.file, bounded=True)


def check_text(stream: ByteStream) -> None:
    """Check that the first bytes look like UTF-8 text.

    Raises DataError with the encoding if it is recognised.
    """
    head = stream.peek(4)
    encoding = other_encoding(head)
    message = f"this is {encoding} text; expected UTF-8" if encoding else ""
    if head.startswith(b"\0"):
        message = "this is not a text file: it begins with a zero byte"
    if message:
        message = f"{stream.file}:1: {message}"
        raise DataError(message, [message])


def seekable(stream: ByteStream) -> IO[bytes]:
    """Return a seekable file: the source itself, else a copy in memory.

    Raises DataError if the copy exceeds `MAX_BYTES`.
    """
    if stream.bounded or not stream.raw.seekable():
        stream.bounded = True
        return io.BytesIO(b"".join(iter(lambda: stream.read(BLOCK), b"")))
    stream.raw.seek(0)
    return stream.raw


def row_blocks(stream: ByteStream, delimiter: str | None = None) -> Iterator[bytes]:
    """Split a text into blocks of whole rows.

    With a delimiter, values may be quoted and contain line ends; without one, a line is a row.

    Raises DataError if a row is longer than `MAX_ROW`.
    """
    kept, line = b"", 1
    while data := stream.read(BLOCK):
        data = kept + data
        end = _end_of_rows(data, quotes=delimiter is not None)
        if delimiter is not None and len(data) - end > MAX_ROW:
            end = _end_of_csv_rows(data, delimiter)
        if end:
            _check_lines(data[:end], stream.file, line)
            yield data[:end]
            line += count_lines(data[:end])
        kept = data[end:]
        if len(kept) > MAX_ROW:
            raise _row_too_long(stream.file, line, quoted=delimiter is not None and b'"' in kept)
    if kept:
        _check_lines(kept, stream.file, line)
        yield kept


def _check_lines(block: bytes, file: str, line: int) -> None:
    """Raise a DataError if a line is longer than `MAX_ROW`."""
    if len(block) > MAX_ROW and (b"\n" in block or b"\r" not in block):
        ends = np.flatnonzero(np.frombuffer(block, dtype=np.uint8) == ord("\n"))
        lengths = np.diff(ends, prepend=-1, append=len(block))
        k = int(lengths.argmax())
        if lengths[k] > MAX_ROW:
            raise _row_too_long(file, line + k, quoted=False)


def _row_too_long(file: str, line: int, *, quoted: bool) -> DataError:
    message = f"{file}:{line}: a row of more than {MAX_ROW >> 10} KiB"
    message += ": unclosed quote" if quoted else ""
    return DataError(message, [message])


def _end_of_rows(data: bytes, *, quotes: bool) -> int:
    """End of the last whole row: a line end with an even number of quotes before it."""
    quotes = quotes and b'"' in data
    odd = quotes and data.count(b'"') % 2
    end = len(data)
    while True:
        cut = data.rfind(b"\n", 0, end)
        if cut < 0:  # lines may end in CR alone; the last byte may be half of a CR LF
            cut = data.rfind(b"\r", 0, end - 1)
        if cut < 0:
            return 0
        if quotes:
            odd ^= data.count(b'"', cut, end) % 2
        if not odd:
            return cut + 1
        end = cut


def _end_of_csv_rows(data: bytes, delimiter: str) -> int:
    """End of the last whole row, row by row: a quote inside an unquoted value is a character.

    A row longer than `MAX_ROW` is not whole.
    """
    n_read = 0

    def lines() -> Iterator[str]:
        nonlocal n_read
        for line in io.StringIO(data.decode("latin-1"), newline=""):
            if line.endswith(("\n", "\r")):
                n_read += len(line)
                yield line

    end = 0
    with long_values():
        reader = csv.reader(lines(), delimiter=delimiter, strict=True)
        while True:
            try:
                next(reader)
            except (StopIteration, csv.Error):
                return end
            if n_read - end > MAX_ROW:
                return end
            end = n_read


@contextlib.contextmanager
def long_values() -> Iterator[None]:
    """Let Python's CSV reader accept values of `MAX_ROW` characters."""
    before = csv.field_size_limit(MAX_ROW)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def count_lines(block: bytes) -> int:
    """Number of lines of a block, including an unterminated last one."""
    data = np.frombuffer(block, dtype=np.uint8)
    ends = int(np.count_nonzero(data == ord("\n")))
    ends = ends or int(np.count_nonzero(data == ord("\r")))
    return ends + (not block.endswith((b"\n", b"\r")))
