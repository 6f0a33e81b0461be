"""Results of solvers and of learning as tables and curves."""

from __future__ import annotations

import math
import shutil
import sys
from typing import TYPE_CHECKING, TextIO, get_args

from pomdptool.commands.terminal import LABEL, drawn, holds, say, show_pairs
from pomdptool.drawing.sparks import BLOCKS, resampled, sparkline

if TYPE_CHECKING:
    from pomdptool.learning.result import Fit
    from pomdptool.learning.select import Candidate
    from pomdptool.learning.utile_distinction import Split
    from pomdptool.policy import SolvedPolicy
    from pomdptool.solving.solution import Solution
    from pomdptool.sparse import FloatArray

MIN_CURVE = 3
"""Points of the shortest curve that is shown."""

MAX_STATES = 3
"""Initial states of an MDP whose actions are shown one by one."""

MAX_TREE = 20
"""Nodes of the largest policy graph that is shown."""


def show_solution(solution: Solution, stream: TextIO) -> None:
    """Print the result as a table."""
    policy = solution.policy
    problem, stats = policy.problem, policy.stats
    sign = -1.0 if problem.costs else 1.0
    low, high = sorted((sign * policy.bounds.lower, sign * policy.bounds.upper))
    action = _first_action(policy)
    what = "cost" if problem.costs else "value"
    rows = [
        ("problem", problem.name or "-"),
        ("method", policy.method + (f", horizon {policy.horizon}" if policy.horizon else "")),
        *([(f"{what} at start", f"{sign * policy.bounds.lower:.6g}")] * policy.converged),
        ("optimum within", f"{_digits(low, high)} (certified)"),
        ("first action", action),
        ("stopped by", policy.stop_reason + _still_open(solution)),
        *_curves(policy, sign, stream),
        *([("graph", _graph(policy, sign))] * (policy.graph is not None)),
        ("vectors", f"{stats['vectors']:.0f}"),
        ("iterations", f"{stats['iterations']:.0f}"),
        ("seconds", f"{stats['seconds']:.2f}"),
    ]
    show_pairs(rows, stream)


def _first_action(policy: SolvedPolicy) -> str:
    """The action at the initial belief, or in each initial state of an MDP, if these are few."""
    import numpy as np

    problem = policy.problem
    if not problem.mdp:
        return problem.actions[policy.act(problem.start)]
    possible = np.flatnonzero(problem.start)
    if len(possible) > MAX_STATES:
        return "depends on the state"
    corners = np.eye(len(problem.states))[possible]
    actions = [problem.actions[policy.act(b)] for b in corners]
    named = zip((problem.states[s] for s in possible), actions, strict=True)
    return actions[0] if len(set(actions)) == 1 else ", ".join(f"{a} in {s}" for s, a in named)


def _still_open(solution: Solution) -> str:
    """What was asked for and not reached, in words."""
    policy, trace = solution.policy, solution.trace
    if not policy.converged:
        least = ""
        if policy.stop_reason == "rounding":
            from pomdptool.solving.bounds import Method

            bounds_only = policy.method in get_args(Method)
            least = ": this method gets no closer" if bounds_only else ": floats certify no better"
        return f" (a gap of {policy.bounds.gap:.3g} is not closed{least})"
    if policy.stop_reason in ("precision", "horizon") or not trace or trace[-1].error is None:
        return ""
    return f" (closed at the initial belief; at others the error may be {trace[-1].error:.3g})"


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
    earned = "" if worth is None else f", value {sign * worth:.6g}"
    return f"{n} node{'s' * (n != 1)}{earned}"


def show_graph(solution: Solution, stream: TextIO) -> None:
    """Print a small policy graph as a tree."""
    graph = solution.policy.graph
    if graph is None or graph.n_nodes > MAX_TREE:
        return
    from pomdptool.drawing.tree import tree_lines

    for line in ["", *drawn(tree_lines(graph, solution.policy.problem), stream)]:
        say(line, stream)


def show_candidates(candidates: tuple[Candidate, ...], states: int) -> None:
    """Print models of several sizes as a table, and which size was chosen."""
    if not candidates:
        return
    rows = [["states", "log-likelihood", "parameters", "BIC", "AIC", "held out", ""]]
    for c in candidates:
        held = "-" if c.heldout is None else f"{c.heldout:.6f}"
        rows.append(
            [
                *(f"{c.states}", f"{c.fit.joint:.2f}", f"{c.fit.parameters}"),
                *(f"{c.fit.bic:.2f}", f"{c.fit.aic:.2f}", held, "*" if c.states == states else ""),
            ]
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (f"{text:>{width}}" for text, width in zip(row, widths, strict=True))
        say("  ".join(cells).rstrip())


def show_split(split: Split) -> None:
    """Print a split of utile distinction, and the means of returns that led to it."""
    undone = "" if split.kept else ", undone: learning took it back"
    say(
        f"split {split.state} -> {split.copy}, {split.states} states: returns after "
        f"{split.action}, p {split.p:.2g}{undone}"
    )
    for name, entered in ((split.copy, split.go), (split.state, split.stay)):
        by = "; ".join(
            f"{e.state} {e.action} {e.mean:.4g} +- {e.standard_error:.2g}" for e in entered
        )
        say(f"  {name} by {by or 'nothing clear'}")


def show_fit(found: Fit) -> None:
    """Print what was learned as a table."""
    pseudo = "T {:g}, O {:g}, start {:g}, reward {:g}".format(*found.settings.pseudo_counts)
    if found.rewards is None:
        pseudo = pseudo.rpartition(",")[0]
    rows = [
        ("states", f"{found.model.n_states}{_terminal(found)}"),
        ("log-likelihood", _per_step(found.loglik, found.loglik_per_step)),
        ("stopped by", found.stop_reason + ("" if found.converged else " (not converged)")),
        ("iterations", f"{found.iterations} of the best of {len(found.restarts)} starts"),
        ("pseudo-counts", pseudo),
        ("BIC", f"{_known(found.bic)} with {found.parameters} parameters"),
    ]
    if found.rewards is not None:
        kind = "R[a, s]" if found.rewards.R.ndim == 2 else "R[a, s, s', o]"
        joint = f"{_per_step(found.joint, found.joint_per_step)}, {kind}"
        rows.insert(2, ("with rewards", joint))
    if sys.stderr.isatty() and len(found.history) >= MIN_CURVE:
        import numpy as np

        history = np.array(found.history)
        known = resampled(np.arange(float(len(history))), history, min(spark_width(), len(history)))
        curve = spark(known, float(history.min()), float(history.max()), sys.stderr)
        rows.insert(2, ("over iterations", f"{curve} from {history[0]:.8g}"))
    show_pairs(rows, sys.stderr)


def _terminal(found: Fit) -> str:
    """Name the terminal states that the data were explained with."""
    terminal = found.estimate.terminal
    if terminal is None:
        return ""
    names = [found.model.states[s] for s in terminal.nonzero()[0].tolist()]
    return f", terminal: {' '.join(names[:4])}{' ...' * (len(names) > 4)}"


def _known(value: float) -> str:
    return "not computed" if math.isnan(value) else f"{value:.8g}"


def _per_step(value: float, per_step: float) -> str:
    return _known(value) + ("" if math.isnan(value) else f", {per_step:.6g} a step")


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
