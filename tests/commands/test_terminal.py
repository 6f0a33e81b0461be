"""What a terminal shows: sparklines, shaded tables, narrow screens, encodings that lack much."""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import math
import os
import pty
import re
import struct
import termios
from pathlib import Path

import numpy as np
import pytest

import pomdptool
from models import ROOT
from pomdptool.commands import tables
from pomdptool.commands.returns import interval
from pomdptool.commands.terminal import can_encode, drawn, show_pairs, wrapped
from pomdptool.drawing.sparks import BLOCKS, PLAIN, resampled, settled_range, sparkline
from pomdptool.formats.json_documents import to_jsonable
from processes import on_terminal, run

TIGER = ROOT / "problems" / "tiger.pomdp"
MAZE = ROOT / "problems" / "maze-4x3.pomdp"
COLOURS = {"TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"}


class Screen(io.TextIOWrapper):
    """A terminal of any encoding."""

    def __init__(self, encoding: str) -> None:
        super().__init__(io.BytesIO(), encoding=encoding)

    def isatty(self) -> bool:
        return True

    def text(self) -> str:
        self.seek(0)
        return self.read()


# ------------------------------------------------------------ sparklines


def test_a_sparkline_rises_with_its_values() -> None:
    assert sparkline(np.arange(8.0), 0.0, 7.0) == BLOCKS
    assert sparkline(np.arange(8.0), 0.0, 7.0, plain=True) == PLAIN
    assert sparkline(np.array([-9.0, 99.0]), 0.0, 1.0) == BLOCKS[0] + BLOCKS[-1]
    assert set(sparkline(np.ones(5), 1.0, 1.0)) == {BLOCKS[4]}
    assert sparkline(np.array([0.0, 1.0]), 0.0, 10.0)[1] == BLOCKS[0]


def test_resampling_takes_what_is_known_by_then() -> None:
    times, values = np.array([0.0, 1.0, 4.0]), np.array([5.0, 6.0, 7.0])
    assert resampled(times, values, 4).tolist() == [6.0, 6.0, 6.0, 7.0]
    assert resampled(times, values, 8).tolist() == [5.0, *[6.0] * 6, 7.0]
    assert resampled(np.zeros(2), values[:2], 3).tolist() == [6.0] * 3


def test_the_scale_of_a_curve_leaves_out_its_beginning() -> None:
    times = np.array([0.01, 0.05, 0.2, 1.0, 5.0, 10.0])
    values = np.array([-1e3, -800.0, 1.0, 2.0, 3.0, 4.0])
    assert settled_range(times, values) == (1.0, 4.0)
    assert sparkline(values, *settled_range(times, values)) == "▁▁▁▃▆█"
    short = np.array([1.0, 2.0, 3.0, 4.0])
    assert settled_range(short, np.array([-1e3, 1.0, 2.0, 3.0])) == (1.0, 3.0)
    assert settled_range(short, np.array([-20.0, 5.0, 5.0, 5.0])) == (-20.0, 5.0)
    assert settled_range(short[:1], values[:1]) == (-1e3, -1e3)


def test_solve_shows_bounds_over_time_on_a_terminal_only() -> None:
    shown = on_terminal("solve", TIGER, **COLOURS)
    for label in ("upper bound", "lower bound", "gap, log scale"):
        line = re.search(
            f"^{label} +([{BLOCKS}]{{40}}) [-+e0-9.]+ to [-+e0-9.]+\r$", shown, re.MULTILINE
        )
        assert line
        assert len(set(line[1])) >= 2
    assert "├─ hear-left  node 1: listen" in shown
    assert "upper bound" not in run("solve", TIGER).stderr


def test_an_encoding_without_blocks_gets_ascii() -> None:
    shown = on_terminal("solve", TIGER, **COLOURS, PYTHONIOENCODING="ascii")
    assert re.search(f"^upper bound +[{re.escape(PLAIN)}]{{40}} [-0-9.]+ to", shown, re.MULTILINE)
    assert "|- hear-left  node 1: listen" in shown
    assert shown.isascii()
    assert "\\u" not in shown


def test_fit_shows_the_log_likelihood_on_a_terminal_only(tmp_path: Path) -> None:
    data = tmp_path / "data.csv"
    model = pomdptool.load(TIGER)
    rng = np.random.default_rng(1)
    pomdptool.dump(pomdptool.sample(model, episodes=20, steps=10, rng=rng), data)
    options = ["--states", "2", "--seed", "1", "--restarts", "2", "-o", str(tmp_path / "m.pomdp")]
    shown = on_terminal("fit", data, *options, **COLOURS)
    line = re.search(f"^over iterations ([{BLOCKS}]+) -[0-9.]+ to -[0-9.]+\r$", shown, re.MULTILINE)
    assert line
    assert line[1][0] == BLOCKS[0]
    assert line[1][-1] == BLOCKS[-1]
    assert "over iterations" not in run("fit", data, *options).stderr


# ------------------------------------------------------------ tables


def test_tables_in_a_pipe_are_plain_and_complete_for_small_models() -> None:
    shown = run("info", TIGER, "--tables").stdout
    assert "\x1b" not in shown
    parts = re.split(r"\n\n", shown.strip())
    headings = ["T  listen", "T  open-left, open-right", "O  listen", "O  open-left, open-right"]
    assert [part.splitlines()[0] for part in parts[1:]] == [*headings, "R  expected reward"]
    assert parts[3].splitlines()[2].split() == ["tiger-left", "0.85", "0.15"]
    assert parts[1].splitlines()[3].split() == ["tiger-right", ".", "1"]
    assert parts[5].splitlines()[2].split() == ["tiger-left", "-1", "-100", "10"]
    assert "more" not in shown


def test_tables_fit_the_screen_and_say_what_is_left_out() -> None:
    shown = on_terminal("info", MAZE, "--tables", **COLOURS | {"COLUMNS": "40", "LINES": "12"})
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in shown.splitlines()]
    begin = lines.index("T  north")
    assert max(map(len, lines[begin:])) <= 40
    assert lines[begin + 10] == "... 3 more rows, 6 more columns"
    whole = run("info", MAZE, "--tables", "-v").stdout
    assert "more" not in whole
    assert "T  west" in whole


def test_many_actions_share_a_screen(tmp_path: Path) -> None:
    rocks = tmp_path / "rocks.pomdp"
    made = ["rocksample", "--size", "3", "--rocks", "4", "--seed", "1", "-o", str(rocks)]
    assert run("problem", *made).returncode == 0
    shown = run("info", rocks, "--tables").stdout
    assert "T  check-1, check-2, check-3, check-4\n" in shown
    assert "more rows (-v shows all)" in shown


def test_costs_are_shown_as_costs() -> None:
    shown = run("info", ROOT / "problems" / "bridge-repair.pomdp", "--tables").stdout
    table = shown.partition("R  expected cost\n")[2]
    assert table
    assert not re.search(r" -\d", table)


def test_cells_are_shaded_where_there_are_colours() -> None:
    assert "\x1b[48;5;" in on_terminal("info", TIGER, "--tables", **COLOURS).replace(
        "\x1b[30;48", "\x1b[48"
    ).replace("\x1b[37;48", "\x1b[48")
    for without in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert "\x1b[" not in on_terminal("info", TIGER, "--tables", **COLOURS | without)


def test_shades_tell_signs_apart_and_leave_zero_alone() -> None:
    shades = {x: tables._style(x) for x in (1.0, 0.1, -0.01, -1.0)}
    assert len(set(shades.values())) == 4

    def rgb(style: str) -> tuple[int, ...]:
        return tuple(int(style[-6:][k : k + 2], 16) for k in (0, 2, 4))

    for x, style in shades.items():
        red, _, blue = rgb(style)
        assert (blue > red) == (x > 0.0)
    assert sum(rgb(shades[-0.01])) > sum(rgb(shades[0.1])) > sum(rgb(shades[1.0]))


def test_tables_exclude_json() -> None:
    result = run("info", TIGER, "--tables", "--json")
    assert result.returncode == 2
    assert "convert --to json" in result.stderr


# ------------------------------------------------------------ text


def test_long_lines_go_on_below_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    rows = [("label", "one two three four five six seven"), ("short", "text")]
    screen = Screen("utf-8")
    show_pairs(rows, screen)
    assert screen.text().splitlines() == [
        "label           one two three four five",
        "                six seven",
        "short           text",
    ]
    pipe = io.StringIO()
    show_pairs(rows, pipe)
    assert pipe.getvalue().count("\n") == 2


def test_lists_wrap_between_their_items() -> None:
    assert wrapped("rollout qmdp, belief particles, particles 2000", 30) == [
        "rollout qmdp,",
        "belief particles,",
        "particles 2000",
    ]
    assert wrapped("of 2 states, R[a, s, s', o], f(a, b)", 18) == [
        "of 2 states,",
        "R[a, s, s', o],",
        "f(a, b)",
    ]
    long = "one item of many words that exceeds the width, and another"
    assert wrapped(long, 24) == ["one item of many words", "that exceeds the width,", "and another"]
    assert wrapped("unbreakable-name-of-a-state next", 10) == [
        "unbreakable-name-of-a-state",
        "next",
    ]


def test_messages_wrap_at_words_on_a_terminal_only(tmp_path: Path) -> None:
    data = tmp_path / "data.csv"
    data.write_text("episode,step,action,observation\n" + "0,0,listen,hear-left\n")
    fit = ["fit", str(data), "--states", "2", "--seed", "1", "-o", str(tmp_path / "m.pomdp")]
    whole = [line for line in run(*fit).stderr.splitlines() if line.startswith("warning: ")]
    assert max(map(len, whole)) > 60
    shown = on_terminal(*fit, **COLOURS | {"COLUMNS": "60"})
    assert all(line in " ".join(shown.split()) for line in whole)
    assert "\r\n  " in shown[shown.index("warning: ") :]


def test_tables_fit_the_terminal_of_their_own_stream() -> None:
    """Standard error is a terminal of 50 columns, standard output a pipe."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 50, 0, 0))
    environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
    result = run("solve", TIGER, stderr=slave, env=environment | {"TERM": "dumb"})
    os.close(slave)
    shown = b""
    with contextlib.suppress(OSError):
        while chunk := os.read(master, 65536):
            shown += chunk
    os.close(master)
    lines = shown.decode().splitlines()
    at = next(k for k, line in enumerate(lines) if line.startswith("optimal value"))
    assert lines[at + 1].split() == ["(certified)"]
    assert max(map(len, lines[at:])) <= 50
    assert json.loads(result.stdout)["converged"]


def test_what_a_stream_can_hold() -> None:
    assert can_encode(Screen("utf-8"), BLOCKS)
    assert can_encode(Screen("cp437"), "└├│─")
    for encoding in ("ascii", "latin-1"):
        assert not can_encode(Screen(encoding), BLOCKS)
        assert drawn(["│  └─ a"], Screen(encoding)) == ["|  `- a"]
    assert drawn(["│  └─ a"], Screen("utf-8")) == ["│  └─ a"]


def test_json_has_what_it_lacks_as_text_or_null() -> None:
    inside = {"a": [math.inf, (-math.inf, math.nan)], "b": np.array([[1.5], [np.inf]])}
    assert to_jsonable(inside) == {"a": ["inf", ["-inf", None]], "b": [[1.5], ["inf"]]}
    assert [to_jsonable(x) for x in (np.int64(3), np.bool_(True), True, "nan", None)] == [
        *(3, True, True, "nan", None)
    ]


def test_an_interval_that_is_not_known_is_unknown_to_people_only(tmp_path: Path) -> None:
    assert interval("-inf", "inf") == "unknown"
    assert interval("-inf", 2.5) == "at most 2.5"
    assert interval(1.0, "inf") == "at least 1"
    assert interval(1.0, 2.5) == "1 to 2.5"
    policy = tmp_path / "tiger.alpha"
    model = pomdptool.load(TIGER)
    pomdptool.dump(pomdptool.solve(model, "exact").policy, policy)
    played = ["--episodes", "1", "--steps", "3", "--seed", "1"]
    shown = run("simulate", TIGER, "--policy", policy, *played)
    assert "95% interval    unknown\n" in shown.stdout
    told = run("simulate", TIGER, "--policy", policy, *played, "--json")
    assert json.loads(told.stdout)["confidence_95"] == ["-inf", "inf"]
    shown = run("evaluate", TIGER, policy, *played)
    assert "optimal value" not in shown.stdout
    assert "95% interval unknown, 1 episode\n" in shown.stdout
