"""Memory use of the process, and available memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pomdptool import memory
from pomdptool.solving import solution
from pomdptool.solving.solution import Monitor

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
