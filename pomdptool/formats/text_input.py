"""Reads text files safely: decompressed, limited in size, and checked to be text.

The source may be an endless device, a compression bomb or a binary file. Blocks are checked as they
are read, so binary files are refused after the first block.
"""

from __future__ import annotations

import codecs
import os
import stat
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import IO, cast

from pomdptool.errors import FormatError
from pomdptool.formats.limits import MAX_BYTES

BLOCK = 1 << 22
"""Bytes per block."""

GZIP = b"\x1f\x8b"

OTHER_ENCODINGS = {  # UTF-32 first: its little-endian mark begins with that of UTF-16
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
"""Byte-order marks of encodings other than UTF-8."""


def other_encoding(head: bytes) -> str | None:
    """Encoding other than UTF-8 by the byte-order mark; None without one."""
    return next((name for mark, name in OTHER_ENCODINGS.items() if head.startswith(mark)), None)


def read_source(source: str | Path | IO[str] | IO[bytes]) -> tuple[str, str]:
    """Text of a path or an open file, and its name for messages.

    Bytes that are not UTF-8 become surrogates: they are allowed in comments; readers refuse them
    elsewhere. Raises OSError for an unreadable file, FormatError for one that is not text, too
    large or wrongly compressed.
    """
    if isinstance(source, (str, Path)):
        file = str(source)
        with Path(source).open("rb") as stream:
            status = os.fstat(stream.fileno())
            if stat.S_ISREG(status.st_mode) and status.st_size > MAX_BYTES:
                raise _too_large(file)
            return read_stream(stream, file), file
    file = str(getattr(source, "name", "<text>"))
    head = source.read(BLOCK)
    if isinstance(head, str):
        return head + str(source.read()), file
    return read_stream(cast("IO[bytes]", source), file, head), file


def read_stream(stream: IO[bytes], file: str, head: bytes = b"") -> str:
    """Text of a binary stream, decompressed if its name or first bytes are those of gzip.

    `head` are bytes already read from it.
    """
    head = head or stream.read(BLOCK)
    blocks = chain([head], iter(lambda: stream.read(BLOCK), b""))
    if file.lower().endswith(".gz") or head.startswith(GZIP):
        data = _decompressed(_joined(blocks, file, text=False), file)
    else:
        data = _joined(blocks, file, text=True)
    return data.decode("utf-8", errors="surrogateescape")


def _decompressed(data: bytes, file: str) -> bytes:
    import gzip
    import io
    import zlib

    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
            return _joined(iter(lambda: stream.read(BLOCK), b""), file, text=True)
    except (OSError, EOFError, zlib.error) as error:
        raise FormatError.at(file, 1, 1, "PT011", f"broken compression: {error}") from None


def _joined(blocks: Iterable[bytes], file: str, *, text: bool) -> bytes:
    """Concatenate blocks; `text`: check that each is text."""
    kept: list[bytes] = []
    size = 0
    for block in blocks:
        size += len(block)
        if size > MAX_BYTES:
            raise _too_large(file)
        if text:
            _check_text(block, kept, file)
        kept.append(block)
    return b"".join(kept)


def _check_text(block: bytes, before: list[bytes], file: str) -> None:
    """Refuse another encoding, and a block with a zero byte."""
    encoding = None if before else other_encoding(block)
    if encoding is not None:
        message = f"this is {encoding} text; expected UTF-8"
        raise FormatError.at(file, 1, 1, "PT011", message)
    k = block.find(b"\0")
    if k >= 0:
        text = b"".join([*before, block[:k]]).decode("utf-8", errors="surrogateescape")
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        message = "not a text file: it contains a zero byte"
        raise FormatError.at(file, len(lines), len(lines[-1]) + 1, "PT011", message)


def _too_large(file: str) -> FormatError:
    return FormatError.at(file, 1, 1, "PT010", f"more than {MAX_BYTES >> 30} GiB")
