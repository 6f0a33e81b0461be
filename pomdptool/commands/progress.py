"""Progress: a live line on a terminal; elsewhere, with `-v`, one line per second."""

from __future__ import annotations

import contextlib
import math
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from pomdptool.commands.terminal import holds, say
from pomdptool.kernels import jit

if TYPE_CHECKING:
    from rich.status import Status

    from pomdptool.acting.simulate import OnEpisode
    from pomdptool.learning.progress import LearningProgress, OnLearned
    from pomdptool.model import Model
    from pomdptool.solving.solution import OnStep, Progress
    from pomdptool.sparse import FloatArray

Report = Callable[[Callable[[], str]], None]
"""Shows a line, which is only made where it is time for one."""


def announce_compiling() -> None:
    """Announce the first compilation of the kernels."""
    jit.on_first_compile(lambda: say("compiling kernels (once) ..."))


@contextlib.contextmanager
def progress_of(model: Model, quiet: bool, verbose: bool) -> Iterator[OnStep | None]:
    """Progress of a solver."""
    sign = -1.0 if model.costs else 1.0
    with _line("solving ...", quiet, verbose) as report:
        yield report and (lambda p: report(lambda: _of_solver(p, sign)))


@contextlib.contextmanager
def returns_of(model: Model, episodes: int, quiet: bool) -> Iterator[OnEpisode | None]:
    """The running mean of a simulation; on a terminal only."""
    sign = -1.0 if model.costs else 1.0

    def words(done: int, returns_so_far: Callable[[], FloatArray]) -> str:
        returns = returns_so_far()
        error = returns.std() / math.sqrt(done)
        mean = sign * returns.mean()
        return f"episode {done} of {episodes}  mean {mean:.5g} +- {error:.2g}"

    with _line("simulating ...", quiet, verbose=False) as report:
        yield report and (lambda done, returns: report(lambda: words(done, returns)))


@contextlib.contextmanager
def learning_progress(quiet: bool, verbose: bool) -> Iterator[OnLearned | None]:
    """Progress of learning."""
    with _line("learning ...", quiet, verbose) as report:
        yield report and (lambda p: report(lambda: _of_learning(p)))


@contextlib.contextmanager
def _line(words: str, quiet: bool, verbose: bool) -> Iterator[Report | None]:
    """A function that shows progress; None where it is not shown."""
    if quiet or not (sys.stderr.isatty() or verbose):
        yield None
    elif sys.stderr.isatty():
        with _status(words) as status:
            yield _throttled(0.1, lambda line: status.update(_fitting(line)))
    else:
        yield _throttled(1.0, say)


def _status(words: str) -> Status:
    """A live line on standard error; its wheel is ASCII where that is all that can be written."""
    from rich.console import Console  # only a terminal pays for it

    wheel = "dots" if holds(sys.stderr, "\N{BRAILLE PATTERN DOTS-124}") else "line"
    return Console(stderr=True).status(words, spinner=wheel)


def _fitting(line: str) -> str:
    """As much of a line as a terminal holds beside the wheel."""
    most = shutil.get_terminal_size().columns - 3
    return line if len(line) <= most else line[:most].rstrip()


def _throttled(seconds: float, show: Callable[[str], None]) -> Report:
    last = -math.inf

    def report(line: Callable[[], str]) -> None:
        nonlocal last
        now = time.perf_counter()
        if now - last >= seconds:
            last = now
            show(line())

    return report


def _of_solver(p: Progress, sign: float) -> str:
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


def _of_learning(p: LearningProgress) -> str:
    return (
        f"states {p.states}  start {p.restart + 1}  iteration {p.iteration}  "
        f"log-likelihood {p.loglik:.8g}  gain {p.gain:.2g} a step  {p.seconds:.1f} s"
    )
