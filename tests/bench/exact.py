"""Exact value iteration, in-process after compilation, best of five; beside pomdp-solve.

    python tests/bench/exact.py

Where pomdp-solve 5.5 is on the path it runs as a process of its own, once, for half a minute at
most; it stops where its vectors no longer change, without a certificate. With a horizon ours
computes the full set too. Problems are those of ../shared/problems, or else ours of the same name.
The MDPs are made here, and stand beside nothing: pomdp-solve refuses MDP files.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import mdps
import pomdptool
from models import ROOT, SHARED
from pomdptool.model import Model

LIMIT = 30.0


@dataclass(frozen=True)
class Case:
    """A file of ../shared/problems, our own of the same problem, and what is asked."""

    file: str
    own: str
    horizon: int | None
    precision: float


CASES = [
    Case("tiger.95.POMDP", "tiger.pomdp", None, 1e-6),
    Case("tiger.aaai.POMDP", "tiger-aaai.pomdp", None, 1e-6),
    Case("cheese.95.POMDP", "cheese-maze.pomdp", None, 1e-6),
    Case("parr95.95.POMDP", "parr95.pomdp", None, 1e-6),
    Case("4x3.95.POMDP", "maze-4x3.pomdp", 10, 1e-6),
    Case("shuttle.95.POMDP", "shuttle.pomdp", 10, 1e-6),
    Case("4x3.95.POMDP", "maze-4x3.pomdp", None, 1e-3),
    Case("4x3.95.POMDP", "maze-4x3.pomdp", None, 1e-6),
    Case("shuttle.95.POMDP", "shuttle.pomdp", None, 1e-3),
    Case("network.POMDP", "network.pomdp", None, 1e-3),
]


MDPS: list[tuple[str, Callable[..., Model], float]] = [
    ("mdp 10,000 states, grid", mdps.grid_world, 0.95),
    ("mdp 10,000 states, grid", mdps.grid_world, 0.999),
    ("mdp 10,000 states, random", mdps.random_sparse, 0.95),
    ("mdp 10,000 states, random", mdps.random_sparse, 0.999),
]


def path_of(case: Case) -> Path:
    """The shared file where there is one."""
    shared = SHARED / "problems" / case.file
    return shared if shared.exists() else ROOT / "problems" / case.own


def ours(model: Model, horizon: int | None, precision: float) -> tuple[float, pomdptool.Solution]:
    """Best time of five, and the result."""
    best = float("inf")
    for _ in range(5):
        begin = time.perf_counter()
        solution = pomdptool.solve(
            model,
            "exact",
            horizon=horizon,
            precision=precision,
            full_simplex=horizon is not None,
            time_limit=LIMIT,
        )
        best = min(best, time.perf_counter() - begin)
    return best, solution


def theirs(case: Case) -> str:
    """Seconds of pomdp-solve, or what came of it."""
    program = shutil.which("pomdp-solve")
    if program is None:
        return "-"
    with tempfile.TemporaryDirectory() as folder:
        command = [program, "-pomdp", str(path_of(case).resolve()), "-o", f"{folder}/out"]
        if case.horizon:
            command += ["-horizon", str(case.horizon)]
        begin = time.perf_counter()
        try:
            result = subprocess.run(
                command, capture_output=True, text=True, timeout=LIMIT, check=False, cwd=folder
            )
        except subprocess.TimeoutExpired:
            return f"> {LIMIT:.0f}"
        taken = time.perf_counter() - begin
    done = result.returncode == 0 and re.search("Solution found|horizon", result.stdout)
    return f"{taken:.2f}" if done else "failed"


def show(name: str, asked: str, seconds: float, solution: pomdptool.Solution, peer: str) -> None:
    """Print a row."""
    bounds = f"{solution.bounds.lower:.7g} to {solution.bounds.upper:.7g}"
    vectors = f"{solution.policy.stats['vectors']:.0f}"
    print(f"{name:<26}{asked:>14}{seconds:>10.3f}{vectors:>9}{bounds:>28}{peer:>15}", flush=True)


def main() -> None:
    """Print a row for each case."""
    warnings.simplefilter("ignore", pomdptool.PomdpWarning)
    for case in CASES[:1] + CASES[4:5]:
        ours(pomdptool.load(path_of(case)), case.horizon, case.precision)  # compiles
    print(f"{'file':<26}{'asked':>14}{'seconds':>10}{'vectors':>9}{'value at start':>28}", end="")
    print(f"{'pomdp-solve s':>15}")
    for case in CASES:
        model = pomdptool.load(path_of(case))
        seconds, solution = ours(model, case.horizon, case.precision)
        asked = f"H {case.horizon}" if case.horizon else f"{case.precision:g}"
        show(path_of(case).name, asked, seconds, solution, theirs(case))
    for name, make, discount in MDPS:
        seconds, solution = ours(make(discount=discount), None, 1e-3)
        show(name, f"0.001, g {discount:g}", seconds, solution, "-")


if __name__ == "__main__":
    main()
