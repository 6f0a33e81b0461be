"""Progress of solving, simulation and learning, as lines of fields."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from pomdptool.commands.live import KEEPS_BEST, Field, Line, live_line
from pomdptool.commands.terminal import say
from pomdptool.kernels import jit

if TYPE_CHECKING:
    from pomdptool.acting.simulate import OnEpisode
    from pomdptool.analysis.parts import OnPart
    from pomdptool.learning.progress import LearningProgress, OnLearned
    from pomdptool.model import Model
    from pomdptool.solving.solution import OnStep, Progress
    from pomdptool.sparse import FloatArray

Interrupted = Callable[[], bool]
"""Whether Ctrl-C was pressed."""


def announce_compiling() -> None:
    """Print a note when the kernels are compiled for the first time."""
    jit.on_first_compile(lambda: say("compiling kernels (once) ..."))


@contextlib.contextmanager
def solver_progress(
    model: Model, interrupted: Interrupted, *, quiet: bool, verbose: bool
) -> Iterator[OnStep | None]:
    """Progress of a solver."""
    sign = -1.0 if model.costs else 1.0
    display = live_line("solving ...", quiet, verbose, hint=KEEPS_BEST, interrupted=interrupted)
    with display as report:
        yield report and (lambda p: report(lambda: solver_line(p, sign)))


@contextlib.contextmanager
def simulation_progress(
    model: Model, episodes: int, interrupted: Interrupted, *, quiet: bool
) -> Iterator[OnEpisode | None]:
    """Running mean of a simulation, on a terminal only."""
    sign = -1.0 if model.costs else 1.0
    hint = "Ctrl-C keeps the episodes so far"
    display = live_line("simulating ...", quiet, False, hint=hint, interrupted=interrupted)
    with display as report:
        yield report and (
            lambda done, returns: report(lambda: simulation_line(done, episodes, returns(), sign))
        )


@contextlib.contextmanager
def part_progress(interrupted: Interrupted, *, quiet: bool) -> Iterator[OnPart | None]:
    """The part at work of a command with several, on a terminal only."""

    def line(part: str, done: int, total: int) -> Line:
        return [Field(0, f"{part} {done} of {total}" if total else f"{part} ...")]

    hint = "Ctrl-C keeps the results so far"
    display = live_line("evaluating ...", quiet, False, hint=hint, interrupted=interrupted)
    with display as report:
        yield report and (lambda part, done, total: report(lambda: line(part, done, total)))


@contextlib.contextmanager
def learning_progress(
    interrupted: Interrupted, *, quiet: bool, verbose: bool
) -> Iterator[OnLearned | None]:
    """Progress of learning."""
    display = live_line("learning ...", quiet, verbose, hint=KEEPS_BEST, interrupted=interrupted)
    with display as report:
        yield report and (lambda p: report(lambda: learning_line(p)))


def solver_line(p: Progress, sign: float) -> Line:
    """Seconds, bounds on the optimal value of the initial belief, and counts."""
    low, high = sorted((sign * p.lower, sign * p.upper))
    line = [
        Field(1, f"{p.seconds:.1f} s"),
        Field(0, f"{low:.6g} to {high:.6g}"),
        Field(2, f"gap {high - low:.2g}"),
        Field(3, f"iterations {p.iteration}"),
        Field(4, f"vectors {p.vectors}"),
    ]
    counts = {"beliefs": p.beliefs, "vertices": p.vertices, "programs": p.programs}
    line += [Field(rank, f"{k} {n}") for rank, (k, n) in enumerate(counts.items(), 6) if n]
    if p.error is not None:
        line.append(Field(5, f"error {p.error:.2g}"))
    return line


def simulation_line(done: int, episodes: int, returns: FloatArray, sign: float) -> Line:
    """Number of episodes, and their mean discounted return with its standard error."""
    error = returns.std() / math.sqrt(done)
    return [
        Field(0, f"episode {done} of {episodes}"),
        Field(1, f"mean {sign * returns.mean():.5g}"),
        Field(2, f"standard error {error:.2g}"),
    ]


def learning_line(p: LearningProgress) -> Line:
    """Seconds, the current run of EM, and its log-likelihood."""
    return [
        Field(1, f"{p.seconds:.1f} s"),
        Field(4, f"states {p.states}"),
        Field(3, f"restart {p.restart + 1}"),
        Field(2, f"iteration {p.iteration}"),
        Field(0, f"log-likelihood {p.loglik:.8g}"),
        Field(5, f"gain {p.gain:.2g} per step"),
    ]
