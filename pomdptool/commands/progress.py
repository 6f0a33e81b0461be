"""Progress: a live line on a terminal; elsewhere, with `-v`, one line per second."""

from __future__ import annotations

import contextlib
import math
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from pomdptool.commands.terminal import can_encode, say
from pomdptool.kernels import jit

if TYPE_CHECKING:
    from rich.status import Status

    from pomdptool.acting.simulate import OnEpisode
    from pomdptool.analysis.parts import OnPart
    from pomdptool.learning.progress import LearningProgress, OnLearned
    from pomdptool.model import Model
    from pomdptool.solving.solution import OnStep, Progress
    from pomdptool.sparse import FloatArray

Report = Callable[[Callable[[], str]], None]
"""Shows a line, which is built only if it is due."""


def announce_compiling() -> None:
    """Print a note when the kernels are compiled for the first time."""
    jit.on_first_compile(lambda: say("compiling kernels (once) ..."))


@contextlib.contextmanager
def solver_progress(model: Model, quiet: bool, verbose: bool) -> Iterator[OnStep | None]:
    """Progress of a solver."""
    sign = -1.0 if model.costs else 1.0
    with _line("solving ...", quiet, verbose) as report:
        yield report and (lambda p: report(lambda: _solver_line(p, sign)))


@contextlib.contextmanager
def simulation_progress(model: Model, episodes: int, quiet: bool) -> Iterator[OnEpisode | None]:
    """Running mean of a simulation, on a terminal only."""
    sign = -1.0 if model.costs else 1.0

    def line(done: int, returns_so_far: Callable[[], FloatArray]) -> str:
        returns = returns_so_far()
        error = returns.std() / math.sqrt(done)
        mean = sign * returns.mean()
        return f"episode {done} of {episodes}  mean {mean:.5g} +- {error:.2g}"

    with _line("simulating ...", quiet, verbose=False) as report:
        yield report and (lambda done, returns: report(lambda: line(done, returns)))


@contextlib.contextmanager
def part_progress(title: str, quiet: bool) -> Iterator[OnPart | None]:
    """The part at work of a command with several, on a terminal only."""

    def line(part: str, done: int, total: int) -> str:
        return f"{part} {done} of {total}" if total else f"{part} ..."

    with _line(title, quiet, verbose=False) as report:
        yield report and (lambda part, done, total: report(lambda: line(part, done, total)))


@contextlib.contextmanager
def learning_progress(quiet: bool, verbose: bool) -> Iterator[OnLearned | None]:
    """Progress of learning."""
    with _line("learning ...", quiet, verbose) as report:
        yield report and (lambda p: report(lambda: _learning_line(p)))


@contextlib.contextmanager
def _line(title: str, quiet: bool, verbose: bool) -> Iterator[Report | None]:
    """Yield a function that shows progress, or None if it is not shown."""
    if quiet or not (sys.stderr.isatty() or verbose):
        yield None
    elif sys.stderr.isatty():
        with _status(title) as status:
            yield _throttled(0.1, lambda line: status.update(_cut(line)))
    else:
        yield _throttled(1.0, say)


def _status(title: str) -> Status:
    """A live line on standard error, with an ASCII spinner if necessary."""
    from rich.console import Console  # slow to import

    spinner = "dots" if can_encode(sys.stderr, "\N{BRAILLE PATTERN DOTS-124}") else "line"
    return Console(stderr=True).status(title, spinner=spinner)


def _cut(line: str) -> str:
    """Cut a line to the width of the terminal beside the spinner."""
    return line[: shutil.get_terminal_size().columns - 3].rstrip()


def _throttled(seconds: float, show: Callable[[str], None]) -> Report:
    last = -math.inf

    def report(line: Callable[[], str]) -> None:
        nonlocal last
        now = time.perf_counter()
        if now - last >= seconds:
            last = now
            show(line())

    return report


def _solver_line(p: Progress, sign: float) -> str:
    low, high = sorted((sign * p.lower, sign * p.upper))
    counts = {"vertices": p.vertices, "programs": p.programs, "beliefs": p.beliefs}
    detail = "".join(f"{name} {count}  " for name, count in counts.items() if count)
    if p.error is not None:
        detail += f"error {p.error:.2g}  "
    step = "iteration" if p.beliefs is None else "trial"
    return (
        f"{p.seconds:.1f} s  {low:.6g} to {high:.6g}  gap {high - low:.2g}  "
        f"{step} {p.iteration}  vectors {p.vectors}  {detail}".rstrip()
    )


def _learning_line(p: LearningProgress) -> str:
    return (
        f"states {p.states}  restart {p.restart + 1}  iteration {p.iteration}  "
        f"log-likelihood {p.loglik:.8g}  gain {p.gain:.2g} per step  {p.seconds:.1f} s"
    )
