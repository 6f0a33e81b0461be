"""Convergence: the bounds of a solver, and the log-likelihood of learning."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pomdptool.drawing.canvas import (
    FAINT,
    INK,
    PALETTE,
    axis_labels,
    check_drawable,
    elided,
    legend,
    new_figure,
    note,
    tint,
    title,
    whole_numbers,
)
from pomdptool.errors import PolicyError
from pomdptool.policy import SolvedPolicy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from pomdptool.sparse import FloatArray
    from pomdptool.trace import FitReport

LOWER, UPPER = PALETTE[0], PALETTE[1]

MIN_LATE = 3
"""Least number of bounds in the second decade for its scale to be used."""

MAX_ZOOM = 3.0
"""Range of all bounds, relative to that of the later ones, up to which all are shown."""


def bounds_figure(policy: SolvedPolicy, heading: str = "") -> Figure:
    """Plot the bounds at the initial belief over time.

    Raises PolicyError if the policy has no bounds over time.
    """
    sign = -1.0 if policy.problem.costs else 1.0
    rows = np.array([row[:3] for row in policy.trace]).reshape(-1, 3)
    rows = rows[np.isfinite(rows).all(axis=1)]
    if not len(rows):
        raise PolicyError("the policy has no bounds over time: only .json files of solve do")
    check_drawable("bounds or seconds", rows)
    seconds, (low, high) = rows[:, 0], np.sort(sign * rows[:, 1:], axis=1).T
    figure = new_figure(7.2, 4.2)
    ax = figure.add_subplot()
    ax.fill_between(seconds, low, high, step="post", facecolor=tint(FAINT, 0.25), edgecolor="none")
    marker = "o" if len(seconds) == 1 else ""
    (below,) = ax.step(seconds, low, where="post", color=LOWER, linewidth=1.8, marker=marker)
    (above,) = ax.step(seconds, high, where="post", color=UPPER, linewidth=1.8, marker=marker)
    first = float(seconds[seconds > 0.0].min()) if (seconds > 0.0).any() else 0.0
    if first and seconds[-1] > 100.0 * first:
        ax.set_xscale("log")
    kind = "cost" if policy.problem.costs else "value"
    axis_labels(ax, "seconds", f"{kind} at the initial belief")
    title(ax, heading or f"{elided(policy.problem.name) or 'policy'}: bounds by {policy.method}")
    note(ax, _scale(ax, seconds, low, high))
    entries = [(above, f"upper {high[-1]:.6g}"), (below, f"lower {low[-1]:.6g}")]
    legend(figure, entries, f"gap {high[-1] - low[-1]:.3g}")
    return figure


def _scale(ax: Axes, seconds: FloatArray, low: FloatArray, high: FloatArray) -> str:
    """Scale the axis to the bounds from the second decade of time on; says what lies outside.

    The first bounds are often so loose that all later ones would look equal. If there is no second
    decade, the first quarter of the bounds is left out.
    """
    late = seconds >= 10.0 * seconds[seconds > 0.0].min(initial=np.inf)
    if late.sum() < MIN_LATE:
        late = np.arange(len(seconds)) >= len(seconds) // 4
    bottom, top = float(low[late].min()), float(high[late].max())
    margin = 0.2 * (top - bottom or max(1.0, abs(top)))
    bottom, top = bottom - margin, top + margin
    least, most = float(low.min()), float(high.max())
    if most - least <= MAX_ZOOM * (top - bottom):
        return ""
    ax.set_ylim(bottom, top)
    return f"the first bounds, {least:.3g} to {most:.3g}, lie outside of the picture"


def loglik_figure(report: FitReport, heading: str = "") -> Figure:
    """Plot the log-likelihood per step over the iterations, with the final one of each restart."""
    figure = new_figure(7.2, 4.2)
    ax = figure.add_subplot()
    check_drawable("log-likelihoods", [*report.history, *(run.loglik for run in report.restarts)])
    history = np.array(report.history) / report.steps
    iterations = np.arange(1, len(history) + 1)
    entries = []
    if len(report.restarts) > 1:
        ends = np.array([(run.iterations, run.loglik) for run in report.restarts])
        (others,) = ax.plot(
            ends[:, 0], ends[:, 1] / report.steps, "x", color=FAINT, markersize=5, zorder=2
        )
        entries.append((others, f"final values of {len(ends)} restarts"))
    (best,) = ax.plot(
        iterations, history, color=PALETTE[0], linewidth=1.8, marker="o", markersize=2.5, zorder=3
    )
    ax.plot(iterations[-1], history[-1], "o", color=INK, markersize=5, zorder=4)
    whole_numbers(ax)
    axis_labels(ax, "iteration", "log-likelihood per step")
    title(ax, heading or f"log-likelihood, {report.states} states, {report.steps} steps of data")
    legend(figure, [(best, f"best restart, {history[-1]:.6g}"), *entries], "fit")
    return figure
