"""Value functions over the beliefs of three states: a triangle whose corners are the states.

Regions of the best actions are tinted; contour lines join beliefs of equal value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pomdptool.drawing.canvas import INK, color, elided, hatch, text, tint
from pomdptool.policy import AlphaVectors, Problem
from pomdptool.sparse import FloatArray, IntArray

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, 0.75**0.5]])
"""Corners of the triangle."""

GRID = 120
"""Grid intervals along a side of the triangle."""

MAX_EDGES = 60
"""Maximum number of regions that are drawn with edges."""


def draw_triangle(
    ax: Axes, problem: Problem, vectors: AlphaVectors
) -> tuple[set[int], list[tuple[Artist, str]]]:
    """Draw a value function; returns the best actions and legend entries of the marks."""
    from matplotlib.lines import Line2D

    ax.set_aspect("equal")
    ax.set_axis_off()
    values, sign = vectors.values, -1.0 if problem.costs else 1.0
    beliefs = simplex_grid(GRID)
    grid_values = beliefs @ values.T
    best = np.unique(grid_values.argmax(axis=1))
    regions = {k: region_of(k, best, values) for k in best.tolist()}
    for k, region in regions.items():
        a = int(vectors.actions[k])
        shade = tint(color(a), 0.6)
        edge = "white" if len(best) <= MAX_EDGES else shade
        ax.fill(*(region @ CORNERS).T, facecolor=shade, hatch=hatch(a), edgecolor=edge, lw=0.4)
    ax.fill(*CORNERS.T, fill=False, edgecolor=INK, linewidth=1.0)
    worst = beliefs[grid_values.max(axis=1).argmin()]
    _contours(ax, values, regions, worst, sign)
    corners = zip(CORNERS, problem.states, ("left", "right", "center"), strict=True)
    for (x, y), name, side in corners:
        text(ax, x, y + (0.04 if y else -0.05), elided(name), ha=side, va="center")
    ax.set_xlim(-0.03, 1.03)
    ax.set_ylim(-0.09, 0.94)
    (mark,) = ax.plot(
        *(problem.start @ CORNERS), "o", color="white", markeredgecolor=INK, markersize=7, zorder=5
    )
    line = Line2D([], [], color=INK, linewidth=0.8)
    kind = "cost" if problem.costs else "value"
    entries: list[tuple[Artist, str]] = [(mark, "start"), (line, f"equal {kind}")]
    return {int(vectors.actions[k]) for k in best.tolist()}, entries


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
