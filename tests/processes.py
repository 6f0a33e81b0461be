"""Commands run by tests: in processes of their own, on terminals, or in this process."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from models import ROOT
from pomdptool.commands.main import _run

TIGER = ROOT / "problems" / "tiger.pomdp"


MAZE = ROOT / "problems" / "maze-4x3.pomdp"


COMMAND = [sys.executable, "-m", "pomdptool"]


Result = subprocess.CompletedProcess[str]


def run(*args: str | Path, **options: Any) -> Result:
    """Run the command line in a process of its own, not on a terminal."""
    options.setdefault("stdin", subprocess.DEVNULL if "input" not in options else None)
    if "input" in options:
        options.pop("stdin")
    return subprocess.run(
        [*COMMAND, *map(str, args)],
        text=True,
        timeout=120,
        check=False,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
    )


def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def terminal_result(*args: str | Path, **environment: str) -> tuple[str, int]:
    """Output and exit code of a command whose streams are a terminal."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, *map(str, args)], stdin=slave, stdout=slave, stderr=slave, close_fds=True,
        env={**os.environ, **environment},
    )  # fmt: skip
    os.close(slave)
    output = b""
    while True:
        try:
            chunk = os.read(master, 65536)
        except OSError:
            break
        if not chunk:
            break
        output += chunk
    os.close(master)
    return output.decode(), process.wait(timeout=60)


def on_terminal(*args: str | Path, **environment: str) -> str:
    """Output of a command that succeeds on a terminal."""
    shown, code = terminal_result(*args, **environment)
    assert code == 0, shown
    return shown


class Stream(io.TextIOWrapper):
    """A stream in memory, that may be a terminal."""

    terminal = False

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), "utf-8", "surrogateescape")

    def isatty(self) -> bool:
        return self.terminal

    def written(self) -> bytes:
        self.flush()
        self.seek(0)
        return bytes(self.buffer.read())


def call(
    folder: Path, *args: str, stdin: str = "", terminal: bool = False
) -> tuple[int, bytes, str]:
    """Exit code and both outputs of the command line, in this process."""
    out, err = Stream(), Stream()
    out.terminal = terminal
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["pomdptool", *args])
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        code = _run()
    return code, out.written(), err.written().decode("utf-8", "surrogateescape")
