"""What people see: tables and progress. Everything that rich draws is drawn here."""

from __future__ import annotations

import contextlib
import math
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TextIO

from pomdptool import kernels
from pomdptool.commands.terminal import LABEL, drawn, holds, show_pairs
from pomdptool.drawing.sparks import BLOCKS, resampled, sparkline

MIN_CURVE = 3
"""Points of the shortest curve that is shown."""

MAX_TREE = 20
"""Nodes of the largest policy graph that is shown."""

if TYPE_CHECKING:
    from rich.status import Status

    from pomdptool.learning.fitted import Fit
    from pomdptool.learning.select import Candidate
    from pomdptool.learning.utile import Split
    from pomdptool.learning.watch import LearningProgress, OnLearned
    from pomdptool.model import Model
    from pomdptool.policy import SolvedPolicy
    from pomdptool.solving.solution import OnStep, Progress, Solution
    from pomdptool.sparse import FloatArray


def announce_compiling() -> None:
    """Say so where kernels are about to be compiled for the first time."""
    kernels.announce(
        lambda: print("compiling the solver's kernels, once ...", file=sys.stderr, flush=True)
    )


def _status(words: str) -> Status:
    """A live line on standard error; its wheel is ASCII where that is all that can be written."""
    from rich.console import Console  # only a terminal pays for it

    wheel = "dots" if holds(sys.stderr, "\N{BRAILLE PATTERN DOTS-124}") else "line"
    return Console(stderr=True).status(words, spinner=wheel)


@contextlib.contextmanager
def progress_of(model: Model, quiet: bool, verbose: bool) -> Iterator[OnStep | None]:
    """Progress of a solver: one live line on a terminal, else with `-v` a line a second."""
    sign = -1.0 if model.costs else 1.0
    if quiet or not (sys.stderr.isatty() or verbose):
        yield None
    elif sys.stderr.isatty():
        with _status("solving ...") as status:
            yield _throttled(0.1, lambda p: status.update(_progress_line(p, sign)))
    else:
        yield _throttled(1.0, lambda p: print(_progress_line(p, sign), file=sys.stderr, flush=True))


@contextlib.contextmanager
def returns_of(
    model: Model, episodes: int, quiet: bool
) -> Iterator[Callable[[int, FloatArray], None] | None]:
    """The running mean of a simulation: one live line on a terminal."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    sign, last = -1.0 if model.costs else 1.0, [-math.inf]
    with _status("simulating ...") as status:

        def show(done: int, returns: FloatArray) -> None:
            if time.perf_counter() - last[0] >= 0.1:
                last[0] = time.perf_counter()
                error = returns.std() / math.sqrt(done)
                mean = sign * returns.mean()
                status.update(f"episode {done} of {episodes}  mean {mean:.5g} +- {error:.2g}")

        yield show


def _throttled(seconds: float, show: Callable[[Progress], None]) -> OnStep:
    last = [-float("inf")]

    def on_step(progress: Progress) -> None:
        now = time.perf_counter()
        if now - last[0] >= seconds:
            last[0] = now
            show(progress)

    return on_step


def _progress_line(p: Progress, sign: float) -> str:
    low, high = sorted((sign * p.lower, sign * p.upper))
    counts = {"vertices": p.vertices, "programs": p.programs, "beliefs": p.beliefs}
    detail = "".join(f"{name} {count}  " for name, count in counts.items() if count)
    if p.error is not None:
        detail += f"error {p.error:.2g}  "
    step = "iteration" if p.beliefs is None else "trial"
    return (
        f"{step} {p.iteration}  vectors {p.vectors}  {detail}value {low:.6g} to {high:.6g}  "
        f"gap {high - low:.2g}  {p.seconds:.1f} s"
    )


def show_solution(solution: Solution, stream: TextIO) -> None:
    """Print the result as a table."""
    policy = solution.policy
    problem, stats = policy.problem, policy.stats
    sign = -1.0 if problem.costs else 1.0
    low, high = sorted((sign * policy.bounds.lower, sign * policy.bounds.upper))
    action = problem.actions[policy.act(problem.start)]
    what = "cost" if problem.costs else "value"
    rows = [
        ("problem", problem.name or "-"),
        ("method", policy.method + (f", horizon {policy.horizon}" if policy.horizon else "")),
        *([(f"{what} at start", f"{sign * policy.bounds.lower:.6g}")] * policy.converged),
        ("optimum within", f"{_digits(low, high)} (certified)"),
        ("first action", action),
        (
            "stopped by",
            policy.stop_reason + ("" if policy.converged else " (the gap is not closed)"),
        ),
        *_curves(policy, sign, stream),
        *([("graph", _graph(policy, sign))] * (policy.graph is not None)),
        ("vectors", f"{stats['vectors']:.0f}"),
        ("iterations", f"{stats['iterations']:.0f}"),
        ("seconds", f"{stats['seconds']:.2f}"),
    ]
    show_pairs(rows, stream)


def _curves(policy: SolvedPolicy, sign: float, stream: TextIO) -> list[tuple[str, str]]:
    """Bounds and their gap over the logarithm of time, as sparklines; on a terminal only."""
    import numpy as np

    rows = np.array([row[:3] for row in policy.trace]).reshape(-1, 3)
    rows = rows[np.isfinite(rows).all(axis=1)]
    if not stream.isatty() or len(rows) < MIN_CURVE:
        return []
    low, high = np.sort(sign * rows[:, 1:], axis=1).T
    gap = np.log(np.maximum(high - low, 1e-12))
    scale = float(low.min()), float(high.max())
    times = np.log(np.maximum(rows[:, 0], 1e-3))

    def curve(values: FloatArray, low: float, high: float, first: float) -> str:
        known = resampled(times, values, spark_width())
        return f"{spark(known, low, high, stream)} from {first:.4g}"

    return [
        ("upper bound", curve(high, *scale, high[0])),
        ("lower bound", curve(low, *scale, low[0])),
        ("gap, log scale", curve(gap, float(gap.min()), float(gap.max()), high[0] - low[0])),
    ]


def spark_width() -> int:
    """Characters of a sparkline beside a label and a number."""
    return min(max(shutil.get_terminal_size().columns - 2 * LABEL, 8), 40)


def spark(values: FloatArray, low: float, high: float, stream: TextIO) -> str:
    """A sparkline, in ASCII where the stream cannot hold more."""
    return sparkline(values, low, high, plain=not holds(stream, BLOCKS))


def _graph(policy: SolvedPolicy, sign: float) -> str:
    n = policy.graph.n_nodes if policy.graph else 0
    worth = policy.graph_value
    earned = "" if worth is None else f", worth {sign * worth:.6g}"
    return f"{n} node{'s' * (n != 1)}{earned}"


def show_graph(solution: Solution, stream: TextIO) -> None:
    """Print a small policy graph as a tree."""
    graph = solution.policy.graph
    if graph is None or graph.n_nodes > MAX_TREE:
        return
    from pomdptool.formats.graphs import tree_lines

    lines = drawn(tree_lines(graph, solution.policy.problem), stream)
    stream.write("\n" + "\n".join(lines) + "\n")
    stream.flush()


@contextlib.contextmanager
def learning_progress(quiet: bool, verbose: bool) -> Iterator[OnLearned | None]:
    """Progress of learning: one live line on a terminal, else with `-v` a line a second."""
    last = [-math.inf]

    def throttled(seconds: float, show: Callable[[str], None]) -> OnLearned:
        def on_step(p: LearningProgress) -> None:
            now = time.perf_counter()
            if now - last[0] >= seconds:
                last[0] = now
                show(
                    f"states {p.states}  start {p.restart + 1}  iteration {p.iteration}  "
                    f"log-likelihood {p.loglik:.8g}  gain {p.gain:.2g} a step  {p.seconds:.1f} s"
                )

        return on_step

    if quiet or not (sys.stderr.isatty() or verbose):
        yield None
    elif sys.stderr.isatty():
        with _status("learning ...") as status:
            yield throttled(0.1, status.update)
    else:
        yield throttled(1.0, lambda line: print(line, file=sys.stderr, flush=True))


def show_candidates(candidates: tuple[Candidate, ...], by: str) -> None:
    """Print models of several sizes as a table."""
    if not candidates:
        return
    best = min(candidates, key=lambda c: c.score(by))  # type: ignore[arg-type]
    rows = [["states", "log-likelihood", "parameters", "BIC", "AIC", "held out", ""]]
    for c in candidates:
        held = "-" if c.heldout is None else f"{c.heldout:.6f}"
        rows.append(
            [
                *(f"{c.states}", f"{c.fit.loglik:.2f}", f"{c.fit.parameters}"),
                *(f"{c.fit.bic:.2f}", f"{c.fit.aic:.2f}", held, "*" if c is best else ""),
            ]
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (f"{text:>{width}}" for text, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip(), file=sys.stderr)


def show_split(split: Split) -> None:
    """Print a split of utile distinction, and the means of returns that led to it."""
    undone = "" if split.kept else ", undone: learning took it back"
    print(
        f"split {split.state} -> {split.copy}, {split.states} states: returns after "
        f"{split.action}, p {split.p:.2g}{undone}",
        file=sys.stderr,
    )
    for name, entered in ((split.copy, split.go), (split.state, split.stay)):
        by = "; ".join(
            f"{e.state} {e.action} {e.mean:.4g} +- {e.standard_error:.2g}" for e in entered
        )
        print(f"  {name} by {by or 'nothing clear'}", file=sys.stderr)


def show_fit(found: Fit) -> None:
    """Print what was learned as a table."""
    pseudo = "T {:g}, O {:g}, start {:g}, reward {:g}".format(*found.settings.pseudo)
    if found.rewards is None:
        pseudo = pseudo.rpartition(",")[0]
    rows = [
        ("states", f"{found.model.n_states}"),
        ("log-likelihood", f"{found.loglik:.8g}, {found.loglik_per_step:.6g} a step"),
        ("stopped by", found.stop_reason + ("" if found.converged else " (not converged)")),
        ("iterations", f"{found.iterations} of the best of {len(found.restarts)} starts"),
        ("pseudo-counts", pseudo),
        ("BIC", f"{found.bic:.8g} with {found.parameters} parameters"),
    ]
    if found.rewards is not None:
        kind = "R[a, s]" if found.rewards.R.ndim == 2 else "R[a, s, s', o]"
        joint = f"{found.joint:.8g}, {found.joint / found.n_steps:.6g} a step, {kind}"
        rows.insert(2, ("with rewards", joint))
    if sys.stderr.isatty() and len(found.history) >= MIN_CURVE:
        import numpy as np

        history = np.array(found.history)
        known = resampled(np.arange(float(len(history))), history, min(spark_width(), len(history)))
        curve = spark(known, float(history.min()), float(history.max()), sys.stderr)
        rows.insert(2, ("over iterations", f"{curve} from {history[0]:.8g}"))
    show_pairs(rows, sys.stderr)


def json_number(x: float) -> float | str | None:
    """A number as JSON has it: infinities as strings, NaN as null."""
    if math.isnan(x):
        return None
    return x if math.isfinite(x) else ("inf" if x > 0 else "-inf")


def interval(low: float | str, high: float | str) -> str:
    """An interval as people read it; its ends as JSON has them, infinities as text."""
    if isinstance(low, str):
        return "unknown" if isinstance(high, str) else f"at most {high:.6g}"
    return f"at least {low:.6g}" if isinstance(high, str) else f"{low:.6g} to {high:.6g}"


def _digits(low: float, high: float) -> str:
    """Show an interval, rounded outwards, with as many digits as tell its ends apart."""
    import decimal

    if not (math.isfinite(low) and math.isfinite(high)):
        return f"{low} to {high}"
    for digits in range(6, 16):
        a = decimal.Context(prec=digits, rounding=decimal.ROUND_FLOOR).create_decimal(low)
        b = decimal.Context(prec=digits, rounding=decimal.ROUND_CEILING).create_decimal(high)
        if high - low > 2.0 * float(b - a) / 3.0 or low == high:
            break
    return f"{a:g}" if a == b else f"{a:g} to {b:g}"
