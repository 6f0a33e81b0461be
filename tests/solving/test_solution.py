"""Monitor: memory limits and progress."""

from __future__ import annotations

from typing import Any

import pytest

import pomdptool
from models import random_model, tiger
from pomdptool import memory
from pomdptool.solving import solution
from pomdptool.solving.solution import LimitReached, Monitor

MEGA = 1 << 20


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
