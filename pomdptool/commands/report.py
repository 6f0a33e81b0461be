"""Results of solvers and of learning as tables and sparklines."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, TextIO, get_args

from pomdptool.certificates import UPPER, interval, rounded_outwards
from pomdptool.commands.terminal import (
    LABEL,
    can_encode,
    drawn,
    plural,
    say,
    say_wrapped,
    screen_size,
    show_pairs,
)
from pomdptool.drawing.sparks import BLOCKS, resampled, settled_range, sparkline

if TYPE_CHECKING:
    from pomdptool.learning.result import Fit
    from pomdptool.learning.select import Candidate, Criterion
    from pomdptool.learning.utile_distinction import Split
    from pomdptool.policy import SolvedPolicy
    from pomdptool.solving.solution import Solution
    from pomdptool.sparse import FloatArray

MIN_CURVE = 3
"""Minimum number of points of a curve."""

MAX_STATES = 3
"""Maximum number of initial states of an MDP whose actions are shown."""

SELECTED_BY: dict[Criterion, str] = {
    "bic": "smallest BIC",
    "aic": "smallest AIC",
    "heldout": "smallest model within a standard error of the best on held-out data",
}
"""How a number of states is selected."""

NUMBERS = 8
"""Columns for numbers beside a sparkline, in addition to those of a label."""

MAX_TREE = 20
"""Maximum number of nodes of a policy graph that is shown."""


def show_solution(solution: Solution, stream: TextIO) -> None:
    """Print the result as a table."""
    policy = solution.policy
    problem, stats = policy.problem, policy.stats
    sign = -1.0 if problem.costs else 1.0
    low, high = sorted((sign * policy.bounds.lower, sign * policy.bounds.upper))
    kind = "cost" if problem.costs else "value"
    horizon = f", horizon {policy.horizon}" if policy.horizon else ""
    rows = [("problem", problem.name or "-"), ("method", policy.method + horizon)]
    if earned := _earned(policy, sign):
        rows.append((f"{kind} at start", earned))
    rows += [
        (f"optimal {kind}", f"{interval(low, high)} (certified)"),
        ("first action", _first_action(policy)),
        ("stopped by", policy.stop_reason + _remaining_gap(solution)),
        *_curves(policy, sign, stream),
    ]
    if policy.graph is not None:
        value = "" if policy.graph_value is None else f", value {sign * policy.graph_value:.6g}"
        rows.append(("graph", plural(policy.graph.n_nodes, "node") + value))
    rows += [
        ("vectors", f"{stats['vectors']:.0f}"),
        ("iterations", f"{stats['iterations']:.0f}"),
        ("seconds", f"{stats['seconds']:.2f}"),
    ]
    show_pairs(rows, stream)


def _earned(policy: SolvedPolicy, sign: float) -> str:
    """The expected return of the policy from the initial belief, or a bound on it."""
    lower, problem = policy.bounds.lower, policy.problem
    if policy.converged:
        return f"{sign * lower:.6g}"
    if policy.method in UPPER:
        return "unknown (see `pomdptool evaluate`)"
    if not math.isfinite(lower):
        return ""
    least, greatest = rounded_outwards(sign * lower, sign * lower, 6)
    bound = f"<= {greatest:g}" if problem.costs else f">= {least:g}"
    return f"{bound} (what this policy {'costs' if problem.costs else 'earns'}, certified)"


def _first_action(policy: SolvedPolicy) -> str:
    """The action at the initial belief; for an MDP, in each of a few initial states."""
    import numpy as np

    problem = policy.problem
    if not problem.mdp:
        return problem.actions[policy.act(problem.start)]
    possible = np.flatnonzero(problem.start)
    if len(possible) > MAX_STATES:
        return "depends on the state"
    beliefs = np.eye(len(problem.states))[possible]
    actions = [problem.actions[policy.act(b)] for b in beliefs]
    if len(set(actions)) == 1:
        return actions[0]
    pairs = zip(actions, possible, strict=True)
    return ", ".join(f"{action} in {problem.states[s]}" for action, s in pairs)


def _remaining_gap(solution: Solution) -> str:
    """The gap that is left, and why; nothing if there is none."""
    policy, trace = solution.policy, solution.trace
    if not policy.converged:
        reason = ""
        if policy.stop_reason == "rounding":
            from pomdptool.solving.bounds import Method

            bounds_only = policy.method in get_args(Method)
            reason = ": the limit of this method" if bounds_only else ": floating-point precision"
        return f" (remaining gap {policy.bounds.gap:.3g}{reason})"
    if policy.stop_reason in ("precision", "horizon") or not trace or trace[-1].error is None:
        return ""
    return f" (gap closed at the initial belief; error elsewhere at most {trace[-1].error:.3g})"


def _curves(policy: SolvedPolicy, sign: float, stream: TextIO) -> list[tuple[str, str]]:
    """Sparklines of the bounds and their gap over the logarithm of time; on a terminal only.

    Each has a scale of its own, without the beginning: the first bounds can be very wide.
    """
    import numpy as np

    rows = np.array([row[:3] for row in policy.trace]).reshape(-1, 3)
    rows = rows[np.isfinite(rows).all(axis=1)]
    if not stream.isatty() or len(rows) < MIN_CURVE:
        return []
    low, high = np.sort(sign * rows[:, 1:], axis=1).T
    gap = np.log(np.maximum(high - low, 1e-12))
    times = np.maximum(rows[:, 0], 1e-3)

    def curve(heights: FloatArray, values: FloatArray) -> str:
        points = resampled(np.log(times), heights, spark_width(stream))
        drawn_line = spark(points, *settled_range(times, heights), stream)
        return f"{drawn_line} {values[0]:.5g} to {values[-1]:.5g}"

    return [
        ("upper bound", curve(high, high)),
        ("lower bound", curve(low, low)),
        ("gap, log scale", curve(gap, high - low)),
    ]


def spark_width(stream: TextIO) -> int:
    """Width of a sparkline beside a label and two numbers."""
    return min(max(screen_size(stream).columns - 2 * LABEL - NUMBERS, 8), 40)


def spark(values: FloatArray, low: float, high: float, stream: TextIO) -> str:
    """A sparkline, in ASCII if the stream cannot encode block characters."""
    return sparkline(values, low, high, plain=not can_encode(stream, BLOCKS))


def show_graph(solution: Solution, stream: TextIO) -> None:
    """Print a small policy graph as a tree."""
    graph = solution.policy.graph
    if graph is None or graph.n_nodes > MAX_TREE:
        return
    from pomdptool.drawing.tree import tree_lines

    for line in ["", *drawn(tree_lines(graph, solution.policy.problem), stream)]:
        say(line, stream)


def show_candidates(candidates: tuple[Candidate, ...], selected: Fit, by: Criterion) -> None:
    """Print a table of candidates, in which the selected one is marked, and how it was selected."""
    if not candidates:
        return
    rows = [["states", "log-likelihood", "parameters", "BIC", "AIC"]]
    tested = by == "heldout"
    rows[0] += [*["held-out"] * tested, ""]
    for c in candidates:
        heldout = ["-" if c.heldout is None else f"{c.heldout:.6f}"] * tested
        mark = "*" if c.states == selected.model.n_states else ""
        fit = [f"{c.fit.joint:.2f}", f"{c.fit.parameters}", f"{c.fit.bic:.2f}", f"{c.fit.aic:.2f}"]
        rows.append([f"{c.states}", *fit, *heldout, mark])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (f"{text:>{width}}" for text, width in zip(row, widths, strict=True))
        say("  ".join(cells).rstrip())
    counted = "" if selected.rewards is None else "; all columns count observations and rewards"
    say_wrapped(f"* selected: {SELECTED_BY[by]}{counted}")


def show_split(split: Split) -> None:
    """Print a split of utile distinction with the mean returns that led to it."""
    undone = "" if split.kept else "; undone: no difference after EM"
    say_wrapped(
        f"split {split.state} -> {split.copy}, {split.states} states: returns after "
        f"{split.action} differ, p = {split.p:.2g}{undone}"
    )
    for name, entered in ((split.copy, split.go), (split.state, split.stay)):
        returns = [f"{e.state} {e.action} {e.mean:.4g} +- {e.standard_error:.2g}" for e in entered]
        say_wrapped(f"  {name} entered by {'; '.join(returns) or 'no transition clearly'}")


def show_fit(result: Fit, seconds: float) -> None:
    """Print the result of learning as a table; `seconds` is the time that it took."""
    pseudo = "T {:g}, O {:g}, start {:g}, reward {:g}".format(*result.settings.pseudo_counts)
    if result.rewards is None:
        pseudo = pseudo.rpartition(",")[0]
    counted = "" if result.rewards is None else ", of observations and rewards"
    rows = [
        ("states", f"{result.model.n_states}{_terminal(result)}"),
        ("log-likelihood", _per_step(result.loglik, result.loglik_per_step)),
        ("stopped by", result.stop_reason + ("" if result.converged else " (not converged)")),
        ("iterations", f"{result.iterations} (best of {plural(len(result.restarts), 'restart')})"),
        ("pseudo-counts", pseudo),
        ("BIC", f"{_number(result.bic)} with {plural(result.parameters, 'parameter')}{counted}"),
        ("seconds", f"{seconds:.2f}"),
    ]
    if result.rewards is not None:
        kind = "R[a, s]" if result.rewards.R.ndim == 2 else "R[a, s, s', o]"
        joint = f"{_per_step(result.joint, result.joint_per_step)}, {kind}"
        rows.insert(2, ("with rewards", joint))
    if sys.stderr.isatty() and len(result.history) >= MIN_CURVE:
        import numpy as np

        history = np.array(result.history)
        width = min(spark_width(sys.stderr), len(history))
        iterations = np.arange(1.0, len(history) + 1.0)
        points = resampled(iterations, history, width)
        curve = spark(points, *settled_range(iterations, history), sys.stderr)
        row = ("over iterations", f"{curve} {history[0]:.8g} to {history[-1]:.8g}")
        rows.insert(2 if result.rewards is None else 3, row)
    show_pairs(rows, sys.stderr)


def _terminal(result: Fit) -> str:
    """The names of the terminal states."""
    terminal = result.estimate.terminal
    if terminal is None:
        return ""
    names = [result.model.states[s] for s in terminal.nonzero()[0].tolist()]
    more = " ..." if len(names) > 4 else ""
    return f", terminal: {' '.join(names[:4])}{more}"


def _number(value: float) -> str:
    return "not computed" if math.isnan(value) else f"{value:.8g}"


def _per_step(value: float, per_step: float) -> str:
    return _number(value) + ("" if math.isnan(value) else f", {per_step:.6g} per step")
