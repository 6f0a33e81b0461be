"""Memory use, memory limits and progress reports."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import pomdptool
from models import ROOT, random_model, tiger
from pomdptool import memory
from pomdptool.commands.main import cli
from pomdptool.solving import solution
from pomdptool.solving.solution import LimitReached, Monitor

TIGER = ROOT / "problems" / "tiger.pomdp"

MEGA = 1 << 20


def test_resident_memory_includes_a_new_array() -> None:
    before = memory.resident()
    used = np.ones(200 * MEGA // 8)
    after = memory.resident()
    assert before is not None
    assert after is not None
    assert 150 * MEGA < after - before < 300 * MEGA, used.size


def test_without_proc_the_peak_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = memory.resident()
    assert exact is not None
    assert memory.available() is not None
    monkeypatch.setattr(memory, "STATM", Path("/nowhere/statm"))
    monkeypatch.setattr(memory, "MEMINFO", Path("/nowhere/meminfo"))
    peak = memory.resident()
    assert peak is not None
    assert 0.9 * exact <= peak
    assert memory.available() is not None


def test_default_memory_limit_adds_half_of_the_available_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "resident", lambda: 100)
    monkeypatch.setattr(memory, "available", lambda: 40)
    assert memory.default_memory_limit() == 120
    monkeypatch.setattr(memory, "available", lambda: None)
    assert memory.default_memory_limit() is None
    monkeypatch.setattr(solution, "resident", lambda: None)
    Monitor(memory=1).check()  # unknown memory never stops a run


def test_container_limits_are_respected(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    free = memory.available()
    assert free is not None
    monkeypatch.setattr(memory, "CONTAINER", tmp_path)
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("70\n")
    assert memory._available_in_container() is None
    (tmp_path / "memory.max").write_text("100\n")
    assert memory.available() == 30
    (tmp_path / "memory.current").write_text("170\n")
    assert memory.available() == 0


@pytest.mark.skipif(sys.platform != "linux", reason="address space is counted elsewhere otherwise")
def test_address_space_limits_are_respected() -> None:
    code = (
        "import resource; from pomdptool.memory import available; "
        "resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30)); print(available())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 0 < int(done.stdout) < 1 << 30


def test_monitor_measures_memory_at_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def resident() -> int:
        asked.append(True)
        return 10 if len(asked) < 3 else 20

    monkeypatch.setattr(solution, "resident", resident)
    monkeypatch.setattr(Monitor, "seconds", 1.0)
    monitor = Monitor(memory=15)
    for _ in range(1000):
        monitor.check()
    assert len(asked) == 1
    monkeypatch.setattr(Monitor, "seconds", 1.11)
    monitor.check()
    assert len(asked) == 2
    monkeypatch.setattr(Monitor, "seconds", 1.22)
    for _ in range(3):  # above the limit, every check raises
        with pytest.raises(LimitReached, match="memory"):
            monitor.check()


def test_a_memory_limit_returns_certified_bounds() -> None:
    used = memory.resident()
    assert used is not None
    for options in ({"method": "sarsop"}, {"method": "exact"}, {"horizon": 60}):
        asked: dict[str, Any] = dict(options)
        stopped = pomdptool.solve(tiger(), memory=used // 2, **asked)
        known = pomdptool.solve(tiger(), **asked).bounds
        assert stopped.stop_reason == "memory"
        assert not stopped.converged
        assert stopped.bounds.lower <= known.upper
        assert stopped.bounds.upper >= known.lower


def test_memory_limit_is_checked_within_an_iteration() -> None:
    """The polytopes of these faces grow beyond a limit slightly above the current memory."""
    model = random_model(1, n_states=7, n_actions=4, n_observations=4, discount=0.99)
    pomdptool.solve(model, "exact", precision=1e-3, time_limit=0.2)
    used = memory.resident()
    assert used is not None
    limit = used + 40 * MEGA
    stopped = pomdptool.solve(model, "exact", precision=1e-12, memory=limit, time_limit=60.0)
    now = memory.resident()
    assert now is not None
    assert stopped.stop_reason == "memory"
    assert now < used + 400 * MEGA


# ---------------------------------------------------------------- the command


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


@pytest.mark.parametrize("text", ["", "much", "-1G", "4X", "1.G", "0", "1e9", "9999999999T", "G"])
def test_invalid_sizes_are_rejected(text: str) -> None:
    result = CliRunner().invoke(cli, ["solve", str(TIGER), "--memory", text])
    assert result.exit_code == 2
    assert "'--memory'" in result.output
    assert "is not a size" in result.output


def test_command_stops_at_the_limit(tmp_path: Path) -> None:
    out = tmp_path / "tiger.json"
    result = CliRunner().invoke(cli, ["solve", str(TIGER), "--memory", "1M", "-o", str(out)])
    assert result.exit_code == 0
    assert "stopped by      memory (a gap of " in result.stderr
    policy = json.loads(out.read_text())
    assert policy["stop_reason"] == "memory"
    assert policy["bounds"]["lower"] < 19.3714 < policy["bounds"]["upper"]


# ---------------------------------------------------------------- progress


def test_progress_includes_vertices_and_error() -> None:
    trace = pomdptool.solve(random_model(2, n_states=4), "exact", precision=1e-3).trace
    assert all(p.vertices and p.programs == 0 for p in trace)
    assert all(p.error is not None and p.error > 0 for p in trace)
    assert trace[-1].error is not None
    assert trace[-1].error <= 1e-3 * max(1.0, abs(trace[-1].lower))
    bound = pomdptool.solve(tiger(), "qmdp").trace
    assert [(p.vertices, p.programs, p.error) for p in bound] == [(None, None, None)]


def test_progress_includes_linear_programs() -> None:
    pruned = pomdptool.solve(random_model(2, n_states=9), horizon=3).trace
    assert any(p.programs for p in pruned)
    assert not any(p.vertices for p in pruned)


def test_progress_lines(tmp_path: Path) -> None:
    args = ["solve", str(TIGER), "-v", "-o", str(tmp_path / "x.json")]
    lines = CliRunner().invoke(cli, [*args, "--method", "exact"]).stderr
    line = next(line for line in lines.splitlines() if "  iteration 1 " in line)
    assert "  iteration 1  vectors 3  vertices " in line
    assert " to " in line.partition("  gap ")[0]
    assert "  error " in line
    assert "programs" not in line
    lines = CliRunner().invoke(cli, [*args, "--method", "fib"]).stderr
    assert lines.splitlines()[0].endswith("  vectors 3")
