"""The line of the file and the caret below an error."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pomdptool.commands.source_lines import excerpt
from processes import run, terminal_result

TEXT = "discount: 0.9\nvalues: reward\nstates: a, b\nactions: x\nobservations: o\nT: y\nuniform\n"


@pytest.mark.parametrize(
    ("source", "column", "expected"),
    [
        ("T: go", 4, ("T: go", 3)),
        ("\tT: go", 2, (" T: go", 1)),
        ("", 1, ("", 0)),
        ("T:", 9, ("T:", 2)),
        ("日本 x", 4, ("日本 x", 5)),
        ("a\x1b[0mb", 6, (r"a\x1b[0mb", 8)),
    ],
)
def test_the_caret_is_below_the_column(source: str, column: int, expected: tuple[str, int]) -> None:
    assert excerpt(source, column, 40) == expected


@pytest.mark.parametrize("column", [1, 2, 30, 500, 999, 1000])
def test_long_lines_are_cut_around_the_column(column: int) -> None:
    source = "".join(chr(97 + k % 26) for k in range(1000))
    line, indent = excerpt(source, column, 60)
    assert len(line) <= 60
    assert line[indent] == source[column - 1]
    assert line.startswith("...") == (column > 20)


def test_errors_show_the_line_and_name_check(tmp_path: Path) -> None:
    file = tmp_path / "m.pomdp"
    file.write_text(
        TEXT.replace("states: a, b", "states: a b").replace("T: y", "T: y\nuniform\nT: z")
    )
    assert len(run("info", file).stderr.splitlines()) == 1
    shown, code = terminal_result("info", file)
    assert code == 1
    lines = [line.rstrip() for line in shown.splitlines()]
    assert lines[-3].startswith("    ")
    assert lines[-2].strip() == "^"
    assert re.fullmatch(rf"`pomdptool check {re.escape(str(file))}` shows all \d errors", lines[-1])


def test_check_shows_lines_on_a_terminal_only(tmp_path: Path) -> None:
    file = tmp_path / "m.pomdp"
    file.write_text(TEXT)
    assert "^" not in run("check", file).stdout
    shown, code = terminal_result("check", file)
    assert code == 1
    assert "    states: a, b" in shown
    assert "             ^" in shown
