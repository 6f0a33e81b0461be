"""Option `--memory`, and progress lines of `solve`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from models import ROOT
from pomdptool.commands.main import cli
from pomdptool.solving.solution import Monitor

TIGER = ROOT / "problems" / "tiger.pomdp"


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4096", 4096),
        ("500M", 500 << 20),
        ("4G", 4 << 30),
        ("1.5g", 3 << 29),
        ("2 GB", 2 << 30),
        ("2GiB", 2 << 30),
        ("100KB", 100 << 10),
        ("1T", 1 << 40),
        ("7B", 7),
    ],
)
def test_sizes(text: str, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = []

    def check(self: Monitor, vectors: int = 0) -> None:
        trace.append(self.memory)

    monkeypatch.setattr(Monitor, "check", check)
    args = ["solve", str(TIGER), "--method", "fib", "--memory", text]
    assert CliRunner().invoke(cli, args).exit_code == 0
    assert set(trace) == {size}


@pytest.mark.parametrize("text", ["", "much", "-1G", "4X", "1.G", "1e9", "G"])
def test_texts_that_are_no_size_are_rejected(text: str) -> None:
    assert "is not a size" in rejected_size(text)


@pytest.mark.parametrize("text", ["0", "9999999999T"])
def test_sizes_out_of_range_are_rejected(text: str) -> None:
    assert "is out of range" in rejected_size(text)


def rejected_size(text: str) -> str:
    result = CliRunner().invoke(cli, ["solve", str(TIGER), "--memory", text])
    assert result.exit_code == 2
    assert "'--memory'" in result.output
    return result.output


def test_command_stops_at_the_limit(tmp_path: Path) -> None:
    out = tmp_path / "tiger.json"
    result = CliRunner().invoke(cli, ["solve", str(TIGER), "--memory", "1M", "-o", str(out)])
    assert result.exit_code == 0
    assert "stopped by      memory (remaining gap " in result.stderr
    policy = json.loads(out.read_text())
    assert policy["stop_reason"] == "memory"
    assert policy["bounds"]["lower"] < 19.3714 < policy["bounds"]["upper"]


def test_progress_lines(tmp_path: Path) -> None:
    args = ["solve", str(TIGER), "-v", "-o", str(tmp_path / "x.json")]
    lines = CliRunner().invoke(cli, [*args, "--method", "exact"]).stderr
    line = next(line for line in lines.splitlines() if "  iterations 1 " in line)
    assert "  iterations 1  vectors 3  vertices " in line
    assert " to " in line.partition("  gap ")[0]
    assert "  error " in line
    assert "programs" not in line
    lines = CliRunner().invoke(cli, [*args, "--method", "fib"]).stderr
    assert lines.splitlines()[0].endswith("  vectors 3")
