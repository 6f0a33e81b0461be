"""Kernels give the same numbers interpreted and compiled, and are compiled when that pays."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import pomdptool
from models import random_model, tiger
from pomdptool.formats.policy.write import encode_policy
from pomdptool.kernels import jit
from pomdptool.model import Model


@pytest.fixture
def runtime() -> Iterator[jit.Runtime]:
    """The runtime of the kernels, restored afterwards."""
    before = dict(vars(jit.runtime))
    yield jit.runtime
    vars(jit.runtime).update(before)


def solved(model: Model, runtime: jit.Runtime, *, compiled: bool) -> str:
    runtime.compiled, runtime.interpreted_seconds = compiled, -1e9
    solution = pomdptool.solve(model, "exact", full_simplex=True)
    assert runtime.compiled == compiled
    policy = replace(solution.policy, trace=())
    policy.stats["seconds"] = 0.0
    return encode_policy(policy, "json")


@pytest.mark.parametrize("model", [tiger(), random_model(3), random_model(4, n_states=4)])
def test_interpreted_and_compiled_kernels_agree_bitwise(model: Model, runtime: jit.Runtime) -> None:
    assert solved(model, runtime, compiled=False) == solved(model, runtime, compiled=True)


def test_slow_interpreted_kernels_are_compiled(
    runtime: jit.Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jit, "PATIENCE", 0.0)
    runtime.compiled, runtime.interpreted_seconds = False, 0.0
    pomdptool.solve(tiger(), "exact")
    assert runtime.compiled


def test_large_problems_are_compiled_immediately(runtime: jit.Runtime) -> None:
    runtime.compiled = False
    jit.request_compilation(jit.SMALL_PASS)
    assert not runtime.compiled
    assert jit.scaled_budget(10 * jit.SLOWDOWN) == 10
    assert jit.scaled_budget(1) == 1
    jit.request_compilation(jit.SMALL_PASS + 1)
    assert runtime.compiled
    assert jit.scaled_budget(10 * jit.SLOWDOWN) == 10 * jit.SLOWDOWN


def test_the_first_compilation_is_announced_once(
    runtime: jit.Runtime, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    def double(x):  # type: ignore[no-untyped-def]
        return 2 * x

    announced: list[str] = []
    runtime.compiled = True
    jit.on_first_compile(lambda: announced.append("compiling"))
    first, second = jit.Kernel(double, False, {}), jit.Kernel(double, False, {})
    assert first(1) == 2
    assert first(2) == 4
    assert announced == ["compiling"]
    assert second(2) == 4
    assert announced == ["compiling"]


def test_the_cache_name_depends_on_every_file_below_the_folder(tmp_path: Path) -> None:
    inner = tmp_path / "exact"
    inner.mkdir()
    file = inner / "backup.py"
    file.write_text("x = 1\n")
    names = {jit._cache_name(tmp_path)}
    file.write_text("x = 2\n")
    names.add(jit._cache_name(tmp_path))
    file.rename(tmp_path / "backup.py")
    names.add(jit._cache_name(tmp_path))
    (inner / "notes.txt").write_text("not code")
    assert jit._cache_name(tmp_path) in names
    assert len(names) == 3


def test_compiled_kernels_of_a_subfolder_are_cached(tmp_path: Path) -> None:
    """A second process does not announce kernels that the first has cached."""
    code = (
        "import numpy as np\n"
        "from pomdptool.kernels import jit\n"
        "from pomdptool.kernels.exact.dominance import undominated\n"
        "jit.request_compilation(10**9)\n"
        "jit.on_first_compile(lambda: print('compiling'))\n"
        "print(undominated(np.array([[2.0, 2.0], [1.0, 1.0]]), 0.0, np.zeros(2, np.int64)))\n"
    )
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    outputs = [
        subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for _ in range(2)
    ]
    assert outputs == ["compiling\n1\n", "1\n"]
