"""Measure how fast .pomdp files are read: `python tests/bench/read.py [FILE ...]`.

Reading in a warm process (best of five), and a whole process that reads the file and reports on
it: its time (best of five) and its peak memory. Beside them, where `pomdpsol` (SARSOP) is on PATH,
the loading time that it reports for the same file (best of three; it counts in steps of 0.01 s).
Without arguments: the files over 300 kB of ../shared/problems and problems/, and two that are
generated.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SMALLEST = 300_000
REPEATS = 5
HEADER = ("file", "states", "MB", "read s", "MB/s", "process s", "peak MB", "SARSOP load s")


def main(arguments: list[str]) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(a) for a in arguments] or [*sample_files(), *generated(Path(folder))]
        # Processes first: one that is started from a large process is counted as large as that.
        processes = [process(path) for path in files]
        print(line(HEADER))
        for path, (seconds, peak) in zip(files, processes, strict=True):
            print(line(cells(path, seconds, peak, Path(folder))), flush=True)


def line(cells: Sequence[str]) -> str:
    """One line of the table."""
    return f"{cells[0]:<20}" + " ".join(f"{cell:>13}" for cell in cells[1:])


def sample_files() -> list[Path]:
    """Large samples, the smallest first."""
    folders = [ROOT.parent / "shared" / "problems", ROOT / "problems"]
    files = [p for folder in folders for p in folder.glob("*") if p.stat().st_size >= SMALLEST]
    return sorted(
        (p for p in files if p.suffix.lower() == ".pomdp"), key=lambda p: p.stat().st_size
    )


def generated(folder: Path) -> list[Path]:
    """Two files of the kinds that decide: one entry a line with names, and rows of numbers."""
    n, entries, rows = 500, folder / "entries.pomdp", folder / "rows.pomdp"
    head = "discount: 0.95\nvalues: reward\nactions: stay go\nobservations: none some\n"
    head += "O: * uniform\nR: * : * : * : * 1\n"
    names = [f"position-{i}-of-many" for i in range(n)]
    lines = [
        f"T: {a} : {names[s]} : {names[(s + k) % n]} 0.1"
        for a in ("stay", "go")
        for s in range(n)
        for k in range(10)
    ]
    entries.write_text(head.replace("act", f"states: {' '.join(names)}\nact", 1) + "\n".join(lines))
    row = " ".join(["0.002"] * n) + "\n"
    rows.write_text(
        head.replace("act", f"states: {n}\nact", 1) + f"T: stay\n{row * n}T: go\n{row * n}"
    )
    return [entries, rows]


def cells(path: Path, whole: float, peak: float, folder: Path) -> tuple[str, ...]:
    """Measure reading, in this process and by SARSOP; one text per column."""
    sys.path.insert(0, str(ROOT))
    from pomdptool.formats.pomdp.read import read_pomdp

    text = path.read_text(encoding="utf-8", errors="surrogateescape")
    model, findings = read_pomdp(text, path.name, strict=False)
    if model is None:
        raise SystemExit(str(findings[0]))
    megabytes = path.stat().st_size / 1e6
    seconds = best(lambda: read_pomdp(text, path.name, strict=False), REPEATS)
    loading = sarsop(path, text, folder)
    return (
        *(path.name, f"{model.n_states}", f"{megabytes:.2f}"),
        *(f"{seconds:.3f}", f"{megabytes / seconds:.1f}", f"{whole:.2f}", f"{peak:.0f}"),
        "-" if loading is None else f"{loading:.2f}",
    )


def best(run: Callable[[], object], repeats: int) -> float:
    """Seconds of the fastest of several runs."""
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return min(times)


def process(path: Path) -> tuple[float, float]:
    """Seconds and peak megabytes of `pomdptool info FILE`, the fastest of several."""
    command = [sys.executable, "-m", "pomdptool", "info", "--json", str(path)]
    runs = []
    for _ in range(REPEATS + 1):
        begin = time.perf_counter()
        child = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - begin
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise SystemExit(f"{' '.join(command)} failed with {child.returncode}")
        scale = 1e6 if sys.platform == "darwin" else 1e3
        runs.append((seconds, usage.ru_maxrss / scale))
    return min(runs[1:])


def sarsop(path: Path, text: str, folder: Path) -> float | None:
    """Loading time that SARSOP reports; None where there is no SARSOP, or it refuses the file."""
    program = shutil.which("pomdpsol")
    if program is None:
        return None
    copy = folder / f"copy-{path.stem}.pomdp"
    copy.write_text(
        re.sub(r"(?m)^goals\s*:.*$", "", text), encoding="utf-8", errors="surrogateescape"
    )
    times = []
    for _ in range(3):
        done = subprocess.run(
            [program, str(copy), "--timeout", "1", "-o", str(folder / "out.policy")],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        match = re.search(r"loading time\s*:\s*([0-9.]+)s", done.stdout)
        if match is None:
            return None
        times.append(float(match[1]))
    return min(times)


if __name__ == "__main__":
    main(sys.argv[1:])
