"""Value functions over the belief simplex of two or three states, with the optimal actions.

Two states: the value over the probability of the second one, an upper envelope of lines. Three: a
triangle whose corners are the states, with regions of the actions and contour lines of the value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pomdptool.drawing.canvas import (
    FAINT,
    INK,
    MAX_NAME,
    axis_labels,
    check_drawable,
    color,
    elided,
    hatch,
    legend,
    new_figure,
    swatch,
    text,
    tint,
    title,
)
from pomdptool.envelope import upper_envelope
from pomdptool.errors import PolicyError
from pomdptool.linked import over_all_states
from pomdptool.lookahead import FaceVectors, LookAhead
from pomdptool.policy import AlphaVectors, Problem, SolvedPolicy
from pomdptool.sparse import FloatArray, IntArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, 0.75**0.5]])
"""Corners of the triangle."""

GRID = 120
"""Grid intervals along a side of the triangle."""

MAX_LINES = 60
"""Maximum number of vectors that are shown as lines."""


def value_figure(policy: SolvedPolicy, heading: str = "") -> Figure:
    """Plot the value function.

    Raises PolicyError if there are not two or three states, or vectors cover only some of them.
    """
    problem = policy.problem
    if len(problem.states) not in (2, 3):
        raise PolicyError(
            "the value is plotted over beliefs of 2 or 3 states, not "
            f"{len(problem.states)}; use --show graph or --show bounds"
        )
    vectors = _vectors(policy)
    check_drawable("values", vectors.values)
    kind = "cost" if problem.costs else "value"
    heading = heading or f"{elided(problem.name) or 'policy'}: {kind} over the belief"
    draw = _segment if len(problem.states) == 2 else _triangle
    return draw(problem, vectors.values, vectors.actions, heading)


def _vectors(policy: SolvedPolicy) -> AlphaVectors:
    """Vectors over all states; with look-ahead, those of a grid of beliefs."""
    if isinstance(policy.values, FaceVectors):
        raise PolicyError(
            "each vector covers only some states: use --model, or solve with --full-simplex"
        )
    if not isinstance(policy.values, LookAhead):
        return over_all_states(policy)
    n = len(policy.problem.states)
    inside = (np.arange(400) + 0.5) / 400
    beliefs = np.column_stack([1.0 - inside, inside]) if n == 2 else simplex_grid(41)
    backups = [policy.values.vector(b) for b in beliefs if b.min() > 0.0]
    values, first = np.unique([vector for _, vector in backups], axis=0, return_index=True)
    return AlphaVectors(np.array([backups[k][0] for k in first.tolist()]), values)


def _segment(problem: Problem, values: FloatArray, actions: IntArray, heading: str) -> Figure:
    """Plot the value over the probability of the second of two states."""
    figure = new_figure(7.2, 4.2)
    ax = figure.add_subplot()
    sign = -1.0 if problem.costs else 1.0
    pieces = upper_envelope(values)
    if len(pieces) <= MAX_LINES:
        for k, _, _ in pieces:
            ax.plot([0.0, 1.0], sign * values[k], color=FAINT, linewidth=0.6, zorder=1)
    for k, left, right in pieces:
        a, ends = int(actions[k]), np.array([left, right])
        shade = tint(color(a), 0.18)
        ax.axvspan(left, right, facecolor=shade, hatch=hatch(a), edgecolor="white", linewidth=0.0)
        height = sign * (values[k, 0] + ends * (values[k, 1] - values[k, 0]))
        ax.plot(ends, height, color=color(a), linewidth=2.6, solid_capstyle="round", zorder=3)
    x = np.array([left for _, left, _ in pieces] + [1.0])
    height = sign * (values @ np.vstack([1.0 - x, x])).max(axis=0)
    margin = 0.08 * (float(np.ptp(height)) or max(1.0, abs(float(height[0]))))
    ax.set_ylim(float(height.min()) - margin, float(height.max()) + margin)
    ax.set_xlim(0.0, 1.0)
    start = float(problem.start[1])
    ax.axvline(start, color=INK, linewidth=0.9, linestyle=(0, (1, 2)), zorder=2)
    nearly = start > 0.9
    ax.annotate(
        "start",
        (start, 1.0),
        (-3 if nearly else 3, -3),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        ha="right" if nearly else "left",
        va="top",
        fontsize=8.0,
    )
    first, second = (elided(name) for name in problem.states)
    gap = "  " if len(first) + len(second) < 2 * MAX_NAME - 12 else "\n"
    along = f"probability of {second}{gap}(0: {first})"
    axis_labels(ax, along, "cost" if problem.costs else "value")
    title(ax, heading)
    used = sorted({int(actions[k]) for k, _, _ in pieces})
    legend(figure, [(swatch(a), problem.actions[a]) for a in used], "best action")
    return figure


def _triangle(problem: Problem, values: FloatArray, actions: IntArray, heading: str) -> Figure:
    """Plot regions and contour lines over the beliefs of three states."""
    from matplotlib.lines import Line2D

    figure = new_figure(7.2, 5.0)
    ax = figure.add_subplot()
    ax.set_aspect("equal")
    ax.set_axis_off()
    beliefs = simplex_grid(GRID)
    grid_values = beliefs @ values.T
    best = np.unique(grid_values.argmax(axis=1))
    regions = {k: region_of(k, best, values) for k in best.tolist()}
    for k, region in regions.items():
        a = int(actions[k])
        shade = tint(color(a), 0.6)
        edge = "white" if len(best) <= MAX_LINES else shade
        ax.fill(*(region @ CORNERS).T, facecolor=shade, hatch=hatch(a), edgecolor=edge, lw=0.4)
    ax.fill(*CORNERS.T, fill=False, edgecolor=INK, linewidth=1.0)
    worst = beliefs[grid_values.max(axis=1).argmin()]
    _contours(ax, values, regions, worst, -1.0 if problem.costs else 1.0)
    corners = zip(CORNERS, problem.states, ("left", "right", "center"), strict=True)
    for (x, y), name, side in corners:
        text(ax, x, y + (0.04 if y else -0.05), elided(name), ha=side, va="center")
    ax.set_xlim(-0.03, 1.03)
    ax.set_ylim(-0.09, 0.94)
    (mark,) = ax.plot(
        *(problem.start @ CORNERS), "o", color="white", markeredgecolor=INK, markersize=7, zorder=5
    )
    title(ax, heading)
    used = sorted({int(actions[k]) for k in best.tolist()})
    kind = "cost" if problem.costs else "value"
    entries = [(swatch(a), problem.actions[a]) for a in used]
    lines = [(mark, "start"), (Line2D([], [], color=INK, linewidth=0.8), f"equal {kind}")]
    legend(figure, [*entries, *lines], "best action")
    return figure


def _contours(
    ax: Axes, values: FloatArray, regions: dict[int, FloatArray], worst: FloatArray, sign: float
) -> None:
    """Draw contour lines, labelled between the worst belief and a corner."""
    from matplotlib.collections import LineCollection
    from matplotlib.ticker import MaxNLocator

    lowest, highest = float((values @ worst).max()), float(values.max())
    if highest - lowest <= 1e-9 * max(1.0, abs(highest)):
        return
    ticks = MaxNLocator(8).tick_values(*sorted((sign * lowest, sign * highest)))
    levels = np.sort(sign * np.asarray(ticks))
    levels = levels[(levels > lowest) & (levels < highest)]
    lines = [
        crossing(region, region @ values[k], level)
        for k, region in regions.items()
        for level in levels.tolist()
    ]
    lines = [line @ CORNERS for line in lines if len(line) == 2]
    ax.add_collection(LineCollection(lines, colors=INK, linewidths=0.8))
    blank = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.6}
    for point, level in _label_places(values, worst, levels):
        x, y = (point @ CORNERS).tolist()
        words = f"{sign * level:.4g}"
        text(ax, x, y, words, ha="center", va="center", fontsize=7.0, bbox=blank)


def crossing(polygon: FloatArray, heights: FloatArray, level: float) -> FloatArray:
    """Ends of the contour line of a linear function over a convex polygon, shape (m, 3)."""
    ends = []
    for i, low in enumerate(heights.tolist()):
        n = (i + 1) % len(heights)
        high = float(heights[n])
        if (low < level) != (high < level):
            ends.append(polygon[i] + (level - low) / (high - low) * (polygon[n] - polygon[i]))
    return np.array(ends)


def _label_places(
    values: FloatArray, worst: FloatArray, levels: FloatArray
) -> list[tuple[FloatArray, float]]:
    """Label positions on a ray from the worst belief to a corner.

    The ray crosses the most levels, and among these has the widest spacing.
    """
    chosen: tuple[int, float, list[tuple[FloatArray, float]]] = (0, 0.0, [])
    for corner in np.eye(3):
        ray = worst + np.linspace(0.0, 1.0, 401)[:, np.newaxis] * (corner - worst)
        along = (ray @ values.T).max(axis=1)
        met = levels[(levels > along[0]) & (levels < along[-1])]
        places = np.searchsorted(along, met)
        apart = float(np.diff(places).min()) if len(places) > 1 else 0.0
        if (len(places), apart) > chosen[:2]:
            chosen = len(places), apart, list(zip(ray[places], met.tolist(), strict=True))
    return chosen[2]


def simplex_grid(n: int) -> FloatArray:
    """Beliefs over three states whose probabilities are multiples of 1/n."""
    first, second = np.divmod(np.arange((n + 1) ** 2), n + 1)
    inside = first + second <= n
    first, second = first[inside], second[inside]
    return np.column_stack([first, second, n - first - second]) / n


def region_of(k: int, rivals: IntArray, values: FloatArray) -> FloatArray:
    """Corners of the region where vector k is maximal among the rivals, shape (m, 3), in order.

    The triangle is clipped by the rival with the largest lead at a corner until none leads
    (Sutherland and Hodgman 1974).
    """
    polygon = np.eye(3)
    normals = values[k] - values[rivals]
    slack = 1e-12 * max(1.0, float(np.abs(values).max()))
    while len(polygon):
        leads = polygon @ normals.T
        j = int(leads.min(axis=0).argmin())
        if leads[:, j].min() >= -slack:
            break
        polygon = _cut(polygon, leads[:, j])
    return polygon


def _cut(polygon: FloatArray, lead: FloatArray) -> FloatArray:
    """Clip a convex polygon, shape (m, 3), where a linear function is negative."""
    corners: list[FloatArray] = []
    for i in range(len(polygon)):
        n = (i + 1) % len(polygon)
        if lead[i] >= 0.0:
            corners.append(polygon[i])
        if lead[i] * lead[n] < 0.0:
            share = lead[i] / (lead[i] - lead[n])
            corners.append(polygon[i] + share * (polygon[n] - polygon[i]))
    return np.array(corners).reshape(-1, 3)
