"""`pomdptool help`: the text in a pipe, a formatted page in a pager on a terminal."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from pomdptool.commands.help import CONTENTS, MANUAL, TOPICS
from pomdptool.commands.main import cli
from pomdptool.commands.markdown import rendered

PAGES = {path.stem: path.read_text(encoding="utf-8") for path in MANUAL.glob("*.md")}


@pytest.mark.parametrize("topic", [*TOPICS, None])
def test_a_pipe_gets_the_text(topic: str | None) -> None:
    result = CliRunner().invoke(cli, ["help", *([topic] if topic else [])])
    assert result.exit_code == 0
    assert result.stdout == PAGES[topic or CONTENTS]


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("columns", [30, 60, 100, 200])
def test_pages_fit_the_terminal(page: str, columns: int) -> None:
    plain = re.sub(r"\x1b\[[0-9;]*m", "", rendered(PAGES[page], columns))
    assert max(map(len, plain.splitlines())) <= min(columns, 100)
    assert "<!--" not in plain
    assert ".md)" not in plain
    assert plain.count("\n\n\n") == 0
    if columns >= 100:  # nothing is left out
        words = re.findall(
            r"[A-Za-z]{4,}", re.sub(r"\]\([^)]*\)|<!--.*?-->|```.*", "", PAGES[page])
        )
        shown = plain.lower()
        assert [word for word in words if word.lower() not in shown] == []


def on_terminal(*args: str, **variables: str) -> str:
    """What `pomdptool help` writes to a terminal of 60 columns, without styles."""
    parent, child = pty.openpty()
    environment = {**os.environ, "COLUMNS": "60", "LINES": "24", "TERM": "xterm", **variables}
    command = [sys.executable, "-m", "pomdptool", "help", *args]
    process = subprocess.Popen(
        command, stdin=child, stdout=child, stderr=child, env=environment, close_fds=True
    )
    os.close(child)
    parts = []
    while select.select([parent], [], [], 60)[0]:
        try:
            parts.append(os.read(parent, 65536))
        except OSError:  # the other side is closed
            break
        if not parts[-1]:
            break
    os.close(parent)
    assert process.wait(60) == 0
    return b"".join(parts).decode()


def test_a_terminal_gets_a_page_that_is_formatted() -> None:
    shown = on_terminal("solve", PAGER="cat")
    assert "\x1b[1mSOLVE\x1b[0m" in shown
    assert "# solve" not in shown
    assert "```" not in shown
    plain = on_terminal("solve", PAGER="cat", NO_COLOR="1")
    assert "\x1b" not in plain
    lines = re.sub(r"\x1b\[[0-9;]*m", "", shown).splitlines()
    assert [line.rstrip() for line in lines] == [line.rstrip() for line in plain.splitlines()]


def test_the_pager_is_the_one_asked_for(tmp_path: Path) -> None:
    pager = tmp_path / "pager"
    pager.write_text(f"#!/bin/sh\ncat > {tmp_path}/shown; echo paged\n")
    pager.chmod(0o755)
    assert on_terminal("solve", PAGER=str(pager)) == "paged\r\n"
    assert "Synopsis" in (tmp_path / "shown").read_text()


def test_without_a_pager_the_page_is_written() -> None:
    for variables in ({"PAGER": "no-such-pager"}, {"PAGER": "", "TERM": "dumb"}):
        assert "Synopsis" in on_terminal("solve", **variables)


def test_terminals_without_unicode_get_other_bullets() -> None:
    shown = on_terminal(PAGER="cat", PYTHONIOENCODING="ascii", NO_COLOR="1")
    assert " * usage" in shown
    assert shown.isascii()


def test_near_topics_are_suggested() -> None:
    result = CliRunner().invoke(cli, ["help", "metods"])
    assert result.exit_code == 2
    assert "Did you mean 'methods'?" in result.output
