"""Progress: whole fields at every width, and what Ctrl-C does."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import ROOT
from pomdptool.commands.live import HINT_AFTER, KEEPS_BEST, STOPPING, Field, Screen, fitted
from pomdptool.commands.progress import learning_line, simulation_line, solver_line
from pomdptool.learning.progress import LearningProgress
from pomdptool.solving.solution import Progress
from processes import COMMAND, MAZE, run

LINES = {
    "solve": solver_line(
        Progress(1234567, 12345.6, 987654, -12345.678, -1234.5678, beliefs=7654321), 1.0
    ),
    "exact": solver_line(Progress(12, 3.4, 5678, 1.0, 2.5, 123456, 654321, 0.25), -1.0),
    "simulate": simulation_line(123456, 1000000, np.array([1.0, 2.0]), 1.0),
    "fit": learning_line(LearningProgress(12, 34, 5678, -1234567.8, 1.2e-5, 3456.7)),
}


@pytest.mark.parametrize("columns", [40, 80, 140])
@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
def test_fields_are_dropped_whole(line: list[Field], columns: int) -> None:
    shown = Screen(line, "", lambda: False).lines(columns)
    assert len(shown) == 1
    assert len(shown[0]) < columns - 2
    kept = shown[0].split("  ")
    assert kept == [part.text for part in line if part.text in kept]
    ranks = [part.rank for part in line if part.text in kept]
    assert sorted(part.rank for part in line)[: len(ranks)] == sorted(ranks)
    assert kept


def test_every_field_is_shown_where_there_is_room() -> None:
    assert fitted(LINES["exact"], 137) == (
        "3.4 s  -2.5 to -1  gap 1.5  iterations 12  vectors 5678  vertices 123456  programs 654321"
        "  error 0.25"
    )
    assert fitted(LINES["solve"], 77) == (
        "12345.6 s  -12345.7 to -1234.57  gap 1.1e+04  iterations 1234567"
    )
    assert fitted(LINES["solve"], 37) == "12345.6 s  -12345.7 to -1234.57"
    assert fitted(LINES["fit"], 37) == "3456.7 s  log-likelihood -1234567.8"


PARTS = st.tuples(st.integers(0, 5), st.text("0123456789", min_size=1))


@given(st.lists(PARTS), st.integers(0, 60))
def test_no_number_is_ever_cut(parts: list[tuple[int, str]], width: int) -> None:
    line = [Field(*part) for part in parts]
    text = fitted(line, width)
    assert len(text) <= width
    texts = iter([part.text for part in line])
    assert all(word in texts for word in text.split())


def test_the_hint_appears_after_a_while_and_says_when_it_stops() -> None:
    pressed = False
    screen = Screen([Field(0, "1.0 s")], KEEPS_BEST, lambda: pressed)
    assert screen.lines(80) == ["1.0 s"]
    screen.began -= HINT_AFTER
    assert screen.lines(80) == ["1.0 s", "Ctrl-C keeps the best so far"]
    assert screen.lines(len(KEEPS_BEST)) == ["1.0 s"]
    pressed = True
    assert screen.lines(80) == ["1.0 s", STOPPING]


def test_a_long_search_says_that_it_can_be_interrupted(tmp_path: Path) -> None:
    out = tmp_path / "policy.json"
    master, slave = pty.openpty()
    arguments = ["solve", str(ROOT / "problems" / "hallway.pomdp"), "-o", str(out)]
    process = subprocess.Popen(
        [*COMMAND, *arguments], stdin=slave, stdout=slave, stderr=slave, close_fds=True,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "80"},
    )  # fmt: skip
    os.close(slave)
    output, end, pressed = "", time.monotonic() + 100.0, False
    while True:
        try:
            output += os.read(master, 65536).decode(errors="replace")
        except OSError:
            break
        if KEEPS_BEST in output and " vectors " in output and not pressed:
            pressed = True
            process.send_signal(signal.SIGINT)
        assert time.monotonic() < end
    os.close(master)
    assert process.wait(timeout=60) == 130
    lower = json.loads(out.read_text())["bounds"]["lower"]
    earned = re.search(r"^value at start +>= (\S+) \(what this policy earns", output, re.MULTILINE)
    assert earned
    assert float(earned[1]) <= lower
    assert float(earned[1]) == pytest.approx(lower, rel=1e-5)
    assert re.search(r"  iterations \d+  vectors \d+", output)
    assert re.search(r"^iterations +\d+\r$", output, re.MULTILINE)
    assert "trial" not in output


@pytest.mark.parametrize(
    ("arguments", "earned"),
    [
        ([MAZE, "--max-vectors", "30"], r">= \S+ \(what this policy earns, certified\)"),
        (
            [ROOT / "problems" / "bridge-repair.pomdp", "--discount", "0.99", "--max-vectors", "3"],
            r"<= \S+ \(what this policy costs, certified\)",
        ),
        ([MAZE, "--method", "qmdp"], r"unknown \(see `pomdptool evaluate`\)"),
        ([ROOT / "problems" / "tiger.pomdp"], r"19\.3714"),
    ],
)
def test_what_the_policy_earns_is_shown(arguments: list[str], earned: str) -> None:
    result = run("solve", *arguments)
    assert result.returncode == 0, result.stderr
    line = re.search(rf"^(?:value|cost) at start +{earned}$", result.stderr, re.MULTILINE)
    assert line, result.stderr
    bounds = json.loads(result.stdout)["bounds"]
    shown = line[0].split()
    if shown[3] == ">=":
        assert float(shown[4]) <= bounds["lower"]
    if shown[3] == "<=":
        assert float(shown[4]) >= bounds["upper"]
