"""How long short commands take as whole processes: best and median of several runs."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
TIGER = str(ROOT / "problems" / "tiger.pomdp")
RUNS = 9

COMMANDS = [
    ("python -c pass", [sys.executable, "-c", "pass"]),
    ("import numpy", [sys.executable, "-c", "import numpy"]),
    ("import pomdptool", [sys.executable, "-c", "import pomdptool"]),
    ("pomdptool --help", [sys.executable, "-m", "pomdptool", "--help"]),
    ("pomdptool info tiger.pomdp", [sys.executable, "-m", "pomdptool", "info", TIGER]),
    ("pomdptool check tiger.pomdp", [sys.executable, "-m", "pomdptool", "check", TIGER]),
    ("pomdptool solve tiger.pomdp", [sys.executable, "-m", "pomdptool", "solve", TIGER]),
]


def seconds(command: list[str]) -> float:
    """Wall time of one run."""
    begin = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - begin


def main() -> None:
    """Print a row for each command, after a warm-up; the commands take turns."""
    times: dict[str, list[float]] = {name: [] for name, _ in COMMANDS}
    for run in range(RUNS + 1):
        for name, command in COMMANDS:
            taken = seconds(command)
            if run:
                times[name].append(taken)
    print(f"{'whole process':<32}{'best s':>8}{'median s':>10}")
    for name, taken_all in times.items():
        print(f"{name:<32}{min(taken_all):>8.3f}{statistics.median(taken_all):>10.3f}")


if __name__ == "__main__":
    main()
