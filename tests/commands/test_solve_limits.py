"""Limits and interrupts of `pomdptool solve` in processes of their own: how soon they act.

Every delay is printed (`pytest -s`). What is asserted is the work done in it, the process's own
CPU time, so that a loaded machine makes no difference.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import pomdptool
from models import ROOT
from pomdptool.commands.main import cli

pytestmark = [
    pytest.mark.timeout(400),
    pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix"),
]

COMMAND = [sys.executable, "-m", "pomdptool"]
MAZE = ROOT / "problems" / "maze-4x3.pomdp"

SOON = 3.0
"""Seconds of work after which a limit or an interrupt has ended the process; it should be one."""

START = 1.5
"""Seconds of work to start Python, and to load the kernels and what compiled them."""


def work_of_children() -> float:
    """CPU seconds of all processes that this one has waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def work_of(process: subprocess.Popen[Any]) -> float:
    """CPU seconds of a process so far, where the system tells."""
    stat = Path(f"/proc/{process.pid}/stat")
    if not stat.exists():
        return 0.0
    fields = stat.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def interrupted(process: subprocess.Popen[Any], what: str) -> None:
    """Interrupt a process; it must soon be gone."""
    before, done = work_of_children(), work_of(process)
    sent = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.wait(timeout=100)
    work = work_of_children() - before - done
    print(f"{what}: ended in {time.monotonic() - sent:.2f} s, {work:.2f} s of work")
    assert work < SOON


def run(*args: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, args)],
        text=True, capture_output=True, timeout=300, check=False, **options,
    )  # fmt: skip


@pytest.fixture(scope="module")
def hard(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Models that take for ever: faces of 8 and of 6 states, and a maze. Kernels are compiled."""
    folder = tmp_path_factory.mktemp("hard")
    for n_states in (8, 6):
        rng = np.random.default_rng(n_states)
        model = pomdptool.make_model(
            rng.dirichlet(np.ones(n_states), (4, n_states)),
            rng.dirichlet(np.ones(4), (4, n_states)),
            rng.normal(size=(4, n_states)),
            discount=0.99,
        )
        pomdptool.dump(model, folder / f"dense-{n_states}.pomdp")
    drawing = ROOT / "problems" / "hallway.map"
    args = ["problem", "maze", str(drawing), "--kind", "hallway", "-o", str(folder / "maze.pomdp")]
    assert CliRunner().invoke(cli, args).exit_code == 0
    assert run("solve", MAZE, "--method", "exact", "-q").returncode == 0
    return {path.stem: path for path in folder.glob("*.pomdp")}


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def checked(text: str, reason: str) -> dict[str, Any]:
    """A whole policy that says why it stopped, and what is certain."""
    policy: dict[str, Any] = json.loads(text)
    assert policy["format"] == "pomdptool/policy"
    assert policy["stop_reason"] == reason
    assert policy["converged"] is False
    assert policy["bounds"]["lower"] <= policy["bounds"]["upper"]
    assert policy["vectors"]
    return policy


ENDLESS = ["--method", "exact", "--precision", "1e-9"]
LONG = ["--method", "exact", "--horizon", "300"]


def runs(*usual: tuple[str, list[str]]) -> list[Any]:
    """Every model and way to solve it; all but the usual ones are slow tests."""
    ways = product(("dense-8", "dense-6", "maze"), (ENDLESS, LONG))
    return [
        pytest.param(
            *way, marks=[] if way in usual else pytest.mark.slow, id=f"{way[0]}{way[1][2]}"
        )
        for way in ways
    ]


@pytest.mark.parametrize(
    "wait",
    [pytest.param(0.0, marks=pytest.mark.slow), 1.0, pytest.param(4.0, marks=pytest.mark.slow)],
)
@pytest.mark.parametrize(("name", "options"), runs(("dense-8", ENDLESS)))
def test_an_interrupt_ends_soon_with_the_best_so_far(
    hard: dict[str, Path], tmp_path: Path, name: str, options: list[str], wait: float
) -> None:
    out, log = tmp_path / "policy.json", tmp_path / "log"
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [*COMMAND, "solve", str(hard[name]), *options, "-v", "-o", str(out)], stderr=stderr
        )
        until(lambda: "iteration" in log.read_text())
        time.sleep(wait)
        interrupted(process, f"interrupt of {name} {options[2]} after {wait} s")
    assert process.returncode == 130
    checked(out.read_text(), "interrupted")
    assert "Traceback" not in log.read_text()


@pytest.mark.parametrize("wait", [0.2, 0.5, 1.0])
def test_an_interrupt_at_any_moment_leaves_a_whole_policy_or_none(
    hard: dict[str, Path], tmp_path: Path, wait: float
) -> None:
    out = tmp_path / "policy.json"
    command = [*COMMAND, "solve", str(hard["dense-6"]), *ENDLESS, "-q", "-o", str(out)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    time.sleep(wait)
    interrupted(process, f"interrupt {wait} s after the start")
    # Before Python runs our code, an interrupt kills it; a shell says 130 to both.
    assert process.returncode in (130, -signal.SIGINT)
    if out.exists():
        checked(out.read_text(), "interrupted")
    assert [path.name for path in tmp_path.iterdir()] in ([], ["policy.json"])


def test_an_interrupt_writes_a_whole_policy_to_a_pipe(
    hard: dict[str, Path], tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with (
        log.open("w") as stderr,
        subprocess.Popen(
            [*COMMAND, "solve", str(hard["dense-6"]), *ENDLESS, "-v"],
            stdout=subprocess.PIPE, stderr=stderr, text=True,
        ) as process,
    ):  # fmt: skip
        until(lambda: "iteration" in log.read_text())
        process.send_signal(signal.SIGINT)
        text, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    checked(text, "interrupted")


@pytest.mark.parametrize(
    "options", [ENDLESS, pytest.param(LONG, marks=pytest.mark.slow)], ids=["endless", "horizon"]
)
def test_two_interrupts_end_at_once(
    hard: dict[str, Path], tmp_path: Path, options: list[str]
) -> None:
    out, log = tmp_path / "policy.json", tmp_path / "log"
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [*COMMAND, "solve", str(hard["dense-6"]), *options, "-v", "-o", str(out)],
            stderr=stderr,
        )
        until(lambda: "iteration" in log.read_text())
        time.sleep(1.0)
        process.send_signal(signal.SIGINT)
        time.sleep(0.05)
        interrupted(process, f"second interrupt {options[2]}")
    assert process.returncode in (130, -signal.SIGINT)
    if out.exists():
        checked(out.read_text(), "interrupted")


@pytest.mark.parametrize(("name", "options"), runs(("dense-6", ENDLESS)))
def test_a_time_limit_ends_soon(
    hard: dict[str, Path], tmp_path: Path, name: str, options: list[str]
) -> None:
    out = tmp_path / "policy.json"
    before, began = work_of_children(), time.monotonic()
    result = run("solve", hard[name], *options, "--time-limit", "2", "-q", "-o", out)
    work, seconds = work_of_children() - before, time.monotonic() - began
    print(f"2 s for {name} {options[2]}: {seconds:.2f} s, {work:.2f} s of work")
    assert result.returncode == 0
    checked(out.read_text(), "time-limit")
    assert work - START < 2.0 + SOON


@pytest.mark.parametrize(("name", "options"), runs(("dense-6", LONG)))
def test_a_limit_on_vectors_ends_soon(
    hard: dict[str, Path], tmp_path: Path, name: str, options: list[str]
) -> None:
    """The time to the limit is unknown here, but all of it is short."""
    out = tmp_path / "policy.json"
    before, began = work_of_children(), time.monotonic()
    result = run("solve", hard[name], *options, "--max-vectors", "50", "-q", "-o", out)
    work, seconds = work_of_children() - before, time.monotonic() - began
    print(f"50 vectors of {name} {options[2]}: {seconds:.2f} s, {work:.2f} s of work")
    assert result.returncode == 0
    checked(out.read_text(), "max-vectors")
    assert work - START < 2.0 * SOON


# ------------------------------------------------------------ no place for compiled kernels


def solves_the_maze(**options: Any) -> None:
    """Solve with much to do, so that kernels are compiled, and compare with the known value."""
    result = run("solve", MAZE, "--method", "exact", "--precision", "1e-6", **options)
    assert result.returncode == 0, result.stderr
    assert result.stderr.startswith("compiling kernels")
    policy = json.loads(result.stdout)
    assert policy["converged"] is True
    assert policy["bounds"]["lower"] <= 1.903852 + 1e-6
    assert policy["bounds"]["upper"] >= 1.903852 - 1e-6


def copied(folder: Path) -> Path:
    """A copy of the package and its data, without what was compiled."""
    skip = shutil.ignore_patterns("__pycache__")
    for name in ("pomdptool", "grammars", "problems"):
        shutil.copytree(ROOT / name, folder / name, ignore=skip)
    return folder


@pytest.mark.slow
def test_without_a_place_for_compiled_kernels_it_works(tmp_path: Path) -> None:
    """The package's own folder refuses, there is no home, and files stand where folders should."""
    root = copied(tmp_path / "install")
    kernels = root / "pomdptool" / "kernels"
    (kernels / "__pycache__").write_text("a file, so that not even root can make a folder here")
    for path in root.rglob("*"):
        if path.is_dir():
            path.chmod(0o555)
    nowhere = tmp_path / "nowhere"
    nowhere.write_text("no folder either")
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith(("NUMBA_", "XDG_"))},
        "PYTHONPATH": str(root),
        "HOME": str(nowhere / "home"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "TMPDIR": str(tmp_path / "tmp"),
    }
    (tmp_path / "tmp").mkdir()
    try:
        solves_the_maze(cwd=tmp_path, env=environment)
    finally:
        for path in root.rglob("*"):
            if path.is_dir():
                path.chmod(0o755)
    assert list((tmp_path / "tmp").iterdir()) == []
