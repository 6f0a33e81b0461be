"""Atomic writes: to a temporary file in the same folder, which then replaces the target."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO

_PREFIX, _SUFFIX = ".pomdptool-", ".tmp"


def write_atomic(path: Path, data: bytes) -> None:
    """Replace the content of a file atomically; see `open_atomic`."""
    with open_atomic(path) as stream:
        stream.write(data)


@contextlib.contextmanager
def open_atomic(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for writing; its old content is replaced at the end, and kept on any error.

    Symbolic links are followed; devices and pipes are written to directly. Permissions of an
    existing file are kept. Raises OSError if the file cannot be written.
    """
    try:
        with _writing(path) as stream:
            yield stream
    except OSError as error:
        if error.filename and not str(error.filename).endswith(_SUFFIX):
            raise  # the error is about another file
        raise OSError(error.errno, error.strerror, str(path)) from None


def check_writable(path: Path) -> None:
    """Raise OSError if a file cannot be written; does not change it."""
    import tempfile

    mode = _mode(path)
    if mode is not None and not stat.S_ISREG(mode):
        if not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return
    folder = Path(os.path.realpath(path)).parent
    if not folder.is_dir():
        raise FileNotFoundError(errno.ENOENT, "no such folder", str(path))
    handle, name = tempfile.mkstemp(dir=folder, prefix=_PREFIX, suffix=_SUFFIX)
    os.close(handle)
    Path(name).unlink()


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[IO[bytes]]:
    import tempfile

    mode = _mode(path)
    if mode is not None and not stat.S_ISREG(mode):
        with path.open("wb") as stream:
            yield stream
        return
    target = Path(os.path.realpath(path))
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=_PREFIX, suffix=_SUFFIX)
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).chmod(_new_mode() if mode is None else stat.S_IMODE(mode))
        Path(name).replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise


def _mode(path: Path) -> int | None:
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return None


def _new_mode() -> int:
    """Default permissions of a new file."""
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
