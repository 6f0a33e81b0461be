"""Bounds over time at the start belief, after compilation, beside SARSOP.

    python tests/bench/anytime.py [SECONDS]

Problems come from `../shared/problems` where that is there, else from `problems/`. SARSOP runs
beside where its `pomdpsol` is on the path, for the same time; what it and HSVI2 (ZMDP 1.1.7)
reached in 60 s on another machine, 2 cores of a Xeon at 2.1 GHz, is told as recorded.
"""

from __future__ import annotations

import re
import resource
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import pomdptool
from models import ROOT, SHARED
from pomdptool.policy import Bounds
from pomdptool.solving.solution import Solution

RECORDED = {
    "tag": ("-6.20 / -1.99", "-6.32 / -2.31"),
    "hallway": ("0.994 / 1.206", "0.925 / 1.200"),
    "hallway2": ("0.359 / 0.904", "0.326 / 0.895"),
    "RockSample_7_8": ("20.39 / 25.37", "19.93 / 24.90"),
    "RockSample_5_5": ("", ""),
    "tiger-grid": ("", ""),
    "fourth": ("", ""),
}

SMALL = (
    "tiger.95",
    "tiger.aaai",
    "4x3.95",
    "shuttle.95",
    "cheese.95",
    "parr95.95",
    "1d",
    "network",
    "RockSample_4_4",
)

WITHIN = {"tiger.95": "tiger", "4x3.95": "maze-4x3", "cheese.95": "cheese-maze"}
WITHIN |= {"tiger.aaai": "tiger-aaai", "shuttle.95": "shuttle", "parr95.95": "parr95"}
WITHIN |= {"1d": "maze-1d", "RockSample_4_4": "rocksample-4-4"}


def path_of(name: str) -> Path | None:
    """Where a problem lies."""
    shared = SHARED / "problems" / f"{name}.POMDP"
    own = ROOT / "problems" / f"{WITHIN.get(name, name)}.pomdp"
    return next((path for path in (shared, own) if path.exists()), None)


def theirs(path: Path, seconds: float) -> str:
    """Bounds that SARSOP reaches."""
    program = shutil.which("pomdpsol")
    if program is None:
        return "-"
    with tempfile.TemporaryDirectory() as folder:
        text = re.sub(r"(?m)^goals.*$", "", path.read_text())  # it refuses that line
        file = Path(folder) / "model.pomdp"
        file.write_text(text)
        command = [program, "--timeout", str(seconds), "--precision", "1e-3"]
        command += ["--output", f"{folder}/out.policy", str(file)]
        result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    rows = re.findall(r"(?m)^\s*[\d.]+\s+\d+\s+\d+\s+(-?[\d.]+)\s+(-?[\d.]+)", result.stdout)
    return f"{float(rows[-1][0]):.4g} / {float(rows[-1][1]):.4g}" if rows else "failed"


def bounds_at(solution: Solution, seconds: float) -> Bounds:
    """Bounds that stood after some time; the final ones where that was later."""
    rows = [p for p in solution.trace if p.seconds <= seconds] or solution.trace[:1]
    last = rows[-1]
    return solution.bounds if last is solution.trace[-1] else Bounds(last.lower, last.upper)


def shown(bounds: Bounds) -> str:
    """Both bounds in a few digits."""
    return f"{bounds.lower:.4g} / {bounds.upper:.4g}"


def main() -> None:
    """Print both tables."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    warnings.simplefilter("ignore", pomdptool.PomdpWarning)
    times = [seconds / 10.0, seconds / 3.0, seconds]
    for _ in range(2):  # the first compiles
        pomdptool.solve(pomdptool.load(ROOT / "problems" / "maze-4x3.pomdp"), "sarsop")
    print(f"to a gap of 1e-3, at most {seconds:g} s")
    print(f"{'file':<18}{'seconds':>9}{'bounds':>22}  stopped by")
    for name in SMALL:
        path = path_of(name)
        if path is not None:
            solution = pomdptool.solve(
                pomdptool.load(path), "sarsop", precision=1e-3, time_limit=seconds
            )
            took = solution.policy.stats["seconds"]
            print(f"{name:<18}{took:>9.3f}{shown(solution.bounds):>22}  {solution.stop_reason}")
    print("\nlower / upper over time, the gap, and the process's memory; beside:")
    print(f"SARSOP live for {seconds:g} s, and what it and HSVI2 reached in 60 s*")
    print(f"{'file':<15}", *(f"{f'{t:.3g} s':>17}" for t in times), f"{'gap':>7}{'MB':>6}", end="")
    print(f"{'SARSOP':>17}{'SARSOP*':>15}{'HSVI2*':>15}")
    for name, recorded in RECORDED.items():
        path = path_of(name)
        if path is None:
            continue
        solution = pomdptool.solve(
            pomdptool.load(path), "sarsop", precision=1e-3, time_limit=seconds
        )
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(f"{name:<15}", *(f"{shown(bounds_at(solution, t)):>17}" for t in times), end="")
        print(f"{solution.bounds.gap:>8.3g}{memory:>6}{theirs(path, seconds):>17}", end="")
        print(f"{recorded[0]:>15}{recorded[1]:>15}")
    print("* recorded on another machine")


if __name__ == "__main__":
    main()
