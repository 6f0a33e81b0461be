"""Arrows between the nodes of a graph: curves, heads and labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pomdptool.drawing.canvas import text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LABEL_POINTS = 7.5

HEAD = 0.10
"""Length of an arrow's head, in inches."""

Point = tuple[float, float]


class Line:
    """A path of straight and curved pieces."""

    def __init__(self, begin: Point) -> None:
        from matplotlib.path import Path

        self.kind = Path
        self.points = [begin]
        self.codes = [Path.MOVETO]

    def straight(self, to: Point) -> None:
        """Add a straight segment."""
        self.points.append(to)
        self.codes.append(self.kind.LINETO)

    def curve(self, first: Point, second: Point, to: Point) -> None:
        """Add a cubic Bezier curve with two control points."""
        self.points += [first, second, to]
        self.codes += [self.kind.CURVE4] * 3

    def s_curve(self, to: Point) -> None:
        """Add a curve that is horizontal at both ends."""
        x, y = self.points[-1]
        middle = 0.5 * (x + to[0])
        self.curve((middle, y), (middle, to[1]), to)

    def draw(self, ax: Axes, shade: str) -> None:
        """Draw the path."""
        from matplotlib.patches import PathPatch

        path = self.kind(self.points, self.codes)
        ax.add_patch(PathPatch(path, fill=False, edgecolor=shade, linewidth=1.0, zorder=2))


def draw_head(ax: Axes, tip: Point, facing: float, shade: str) -> None:
    """Draw the head of an arrow that points to the right (facing 1) or to the left (-1)."""
    back = tip[0] - facing * HEAD
    corners = [tip, (back, tip[1] + 0.4 * HEAD), (back, tip[1] - 0.4 * HEAD)]
    ax.fill(*np.array(corners).T, color=shade, linewidth=0.0, zorder=6)


def draw_label(ax: Axes, port: Point, words: str, sign: float) -> None:
    """Write the label of an arrow that leaves the right (sign 1) or left side of a box."""
    text(
        ax,
        port[0] + sign * 0.05,
        port[1],
        words,
        ha="left" if sign > 0.0 else "right",
        va="center",
        fontsize=LABEL_POINTS,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.4},
        zorder=3,
    )
