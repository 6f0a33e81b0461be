"""Policy graphs: boxes with actions and arrows with observations, from left to right.

Text is measured so that names do not overlap: an arrow begins with its label, and columns are as
far apart as the longest label requires.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from pomdptool.drawing.arrows import HEAD, LABEL_POINTS, Line, Point, draw_head, draw_label
from pomdptool.drawing.canvas import (
    INK,
    MAX_TITLE,
    color,
    elided,
    new_figure,
    text,
    text_width,
    tint,
    title,
)
from pomdptool.drawing.layout import Edge, Layout, distances, layout
from pomdptool.drawing.node_choice import chosen
from pomdptool.graph import NOWHERE, PolicyGraph
from pomdptool.policy import Problem
from pomdptool.sparse import FloatArray, IntArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

POINTS = 9.0
MAX_ARROWS = 60
"""Maximum number of edges of a graph that are all drawn as arrows; half of it in a part of one."""

MAX_NAMED = 3
"""Number of edges of a node that are named if a part of the graph is drawn."""

MAX_LABEL = 22
"""Maximum number of characters of an edge's label."""

LINE = 0.15
"""Height of an arrow's end on the side of a box, in inches."""

BOX = 0.30
GAP = 0.16
"""Minimum height of a box, and distance between boxes, in inches."""

CURVE = 0.75
"""Distance between columns without labels, in inches."""


@dataclass(frozen=True, slots=True)
class Box:
    """Position and size of a node, in inches."""

    x: float
    y: float
    width: float
    height: float

    def port(self, right: bool, y: float) -> Point:
        """A point on the left or right side."""
        return self.x + (0.5 if right else -0.5) * self.width, y


def graph_figure(
    graph: PolicyGraph,
    problem: Problem,
    max_nodes: int | None,
    heading: str = "",
    share: FloatArray | None = None,
    chance: FloatArray | None = None,
) -> Figure:
    """Draw at most `max_nodes` nodes of a policy graph (None: all).

    Parameters
    ----------
    share
        Shape (n,): share of the discounted steps in each node, by which nodes are chosen; without
        it they are the first ones in breadth-first order.
    chance
        Shape (n, Z): probability of each observation in a node, by which its edges are ordered.

    With many edges, or if their ends are not drawn, only those to the next column are arrows; the
    others name their target, the likeliest few of each node.
    """
    nodes, drawn, part = chosen(graph, max_nodes, share, chance)
    heading = heading or f"{elided(problem.name) or 'policy'}: policy graph"
    return _GraphFigure(graph, drawn, problem, nodes, chance).figure(heading + part)


class _GraphFigure:
    """Layout and drawing of a graph, whose nodes are renumbered from 0.

    `drawn` has those edges of the `whole` graph that may be arrows.
    """

    def __init__(
        self,
        whole: PolicyGraph,
        drawn: PolicyGraph,
        problem: Problem,
        nodes: IntArray,
        chance: FloatArray | None,
    ) -> None:
        self.problem, self.whole, self.chance = problem, whole, chance
        links = np.where(np.isin(drawn.next, nodes), drawn.next, NOWHERE)
        kept = replace(drawn, next=links)
        steps = distances(kept)
        partial_view = len(nodes) < len(whole.breadth_first())
        n_arrows = sum(len(kept.edges(n)) for n in nodes.tolist())
        if n_arrows > (MAX_ARROWS // 2 if partial_view else MAX_ARROWS):
            onwards = steps[links] == steps[:, np.newaxis] + 1
            links = np.where((links != NOWHERE) & onwards, links, NOWHERE)
        n_initial = int(np.isin(nodes, whole.roots).sum()) if whole.n_initial else 0
        self.graph = replace(whole, next=links, values=None).subgraph(nodes)
        self.graph = replace(self.graph, n_initial=n_initial)
        self.layers = steps[nodes]
        actions = self.graph.actions.tolist()
        self.labels = [
            f"{n}: {elided(problem.actions[a])}"
            for n, a in zip(nodes.tolist(), actions, strict=True)
        ]
        self.edge_labels: dict[tuple[int, int], str] = {}
        self.stubs: list[list[str]] = []
        counts = np.zeros((len(nodes), 2))
        for n, name in enumerate(nodes.tolist()):
            arrows = self.graph.edges(n)
            self.stubs.append(self._named_edges(name, links[name], partial_view))
            for m, obs in arrows.items():
                counts[n, int(self.layers[m] >= self.layers[n])] += 1
                counts[m, int(self.layers[n] >= self.layers[m])] += 1
                self.edge_labels[n, m] = self._label(obs, len(arrows) + len(self.stubs[n]) == 1)
            counts[n, 1] += len(self.stubs[n])
        heights = np.maximum(BOX, LINE * counts.max(axis=1) + 0.06)
        placed = layout(self.graph, heights + GAP)
        self.boxes = self._boxes(placed, heights)
        self.edges = placed.edges

    def _named_edges(self, n: int, links: IntArray, partial_view: bool) -> list[str]:
        """Edges of node n that are not arrows: observations and target.

        In a part of a graph they are the likeliest few, and the number of the others.
        """
        edges = self.whole.edges(n)
        named = {m: obs for m, obs in edges.items() if not (links[obs] == m).any()}
        order = list(named)
        if self.chance is not None:
            likely = self.chance[n]
            order.sort(key=lambda m: -float(likely[named[m]].sum()))
        shown = order if not partial_view or len(order) <= MAX_NAMED + 1 else order[:MAX_NAMED]
        words = [
            f"{self._label(named[m], len(edges) == 1)} \N{RIGHTWARDS ARROW} {m}" for m in shown
        ]
        return words + [f"… {len(order) - len(shown)} more"] * (len(shown) < len(order))

    def _label(self, observations: Sequence[int], every: bool) -> str:
        """Label of an edge."""
        if every and len(observations) > 1:
            return "any"
        shown = " | ".join(elided(self.problem.observations[o]) for o in observations[:3])
        if len(observations) > 3:
            shown += f" | … ({len(observations)})"
        return elided(shown, MAX_LABEL)

    def _boxes(self, placed: Layout, heights: np.ndarray) -> list[Box]:
        """Positions of the boxes, one column per layer."""
        layers = placed.layer.tolist()
        n_layers = max(layers) + 1
        widths = [0.0] * n_layers
        right, left = [0.0] * n_layers, [0.0] * n_layers
        for k, words in zip(layers, self.labels, strict=True):
            widths[k] = max(widths[k], text_width(words, POINTS) + 0.2)
        for (n, m), words in self.edge_labels.items():
            side = right if layers[m] >= layers[n] else left
            side[layers[n]] = max(side[layers[n]], text_width(words, LABEL_POINTS) + 0.12)
        for k, stubs in zip(layers, self.stubs, strict=True):
            right[k] = max([right[k], *(text_width(words, LABEL_POINTS) + 0.12 for words in stubs)])
        self.reach = right, left
        centres = [0.5 * widths[0]]
        for k in range(1, n_layers):
            between = right[k - 1] + CURVE + left[k]
            centres.append(centres[-1] + 0.5 * (widths[k - 1] + widths[k]) + between)
        self.columns = list(zip(centres, widths, strict=True))
        places = zip(layers, placed.height.tolist(), heights.tolist(), strict=True)
        return [Box(centres[k], -y, widths[k], h) for k, y, h in places]

    def figure(self, heading: str) -> Figure:
        """Draw the graph."""
        last = self.layers.max()
        level = any(self.layers[e.source] == self.layers[e.target] == last for e in self.edges)
        bulge = self.reach[0][-1] + (0.5 if level else 0.1)
        low = min(box.y - 0.5 * box.height for box in self.boxes)
        high = max(box.y + 0.5 * box.height for box in self.boxes)
        through = [-y for edge in self.edges for _, y in edge.through]
        low, high = min([low, *through]) - 0.15, max([high, *through]) + 0.15
        left, right = -0.45, self.columns[-1][0] + 0.5 * self.columns[-1][1] + bulge
        right = max(right, left + text_width(elided(heading, MAX_TITLE), 10.0) + 0.1)
        figure = new_figure(right - left, high - low + 0.35, manual=True)
        ax = figure.add_axes((0.0, 0.0, 1.0, (high - low) / (high - low + 0.35)))
        ax.set_axis_off()
        ax.set_xlim(left, right)
        ax.set_ylim(low, high)
        title(ax, f" {heading}")
        out, into = self._ports(ax)
        for k, edge in enumerate(self.edges):
            self._arrow(ax, edge, out[k], into[k])
        for n, box in enumerate(self.boxes):
            self._box(ax, n, box)
        return figure

    def _box(self, ax: Axes, n: int, box: Box) -> None:
        from matplotlib.patches import FancyBboxPatch

        shade = color(int(self.graph.actions[n]))
        corner = box.x - 0.5 * box.width + 0.06, box.y - 0.5 * box.height + 0.06
        start = n in self.graph.roots
        ax.add_patch(
            FancyBboxPatch(
                corner,
                box.width - 0.12,
                box.height - 0.12,
                boxstyle="round,pad=0.06",
                facecolor=tint(shade, 0.22),
                edgecolor=shade,
                linewidth=2.2 if start else 1.1,
                zorder=4,
            )
        )
        text(ax, box.x, box.y, self.labels[n], ha="center", va="center", fontsize=POINTS, zorder=5)
        if start:
            edge = box.port(False, box.y)
            ax.plot([edge[0] - 0.35, edge[0] - HEAD], [edge[1]] * 2, color=INK, linewidth=1.2)
            draw_head(ax, edge, 1.0, INK)

    def _ports(self, ax: Axes) -> tuple[list[Point], list[Point]]:
        """Points where each edge leaves its source and enters its target; draws the stubs below.

        The ends on a side of a box are ordered by the heights of their other ends.
        """
        sides: dict[tuple[int, bool], list[tuple[float, int, bool]]] = {}
        for k, edge in enumerate(self.edges):
            n, m = edge.source, edge.target
            first = -edge.through[0][1] if edge.through else self.boxes[m].y
            last = -edge.through[-1][1] if edge.through else self.boxes[n].y
            onwards = bool(self.layers[m] >= self.layers[n])
            loops = 1e-6 if n == m else 0.0
            sides.setdefault((n, onwards), []).append((-first - loops, k, True))
            back = bool(self.layers[n] >= self.layers[m])
            sides.setdefault((m, back), []).append((-last + loops, k, False))
        out: list[Point] = [(0.0, 0.0)] * len(self.edges)
        into = list(out)
        for n, box in enumerate(self.boxes):
            for right in (False, True):
                ends = sorted(sides.get((n, right), []))
                stubs = self.stubs[n] if right else []
                top = box.y + 0.5 * LINE * (len(ends) + len(stubs) - 1)
                for i, (_, k, leaving) in enumerate(ends):
                    (out if leaving else into)[k] = box.port(right, top - LINE * i)
                for i, words in enumerate(stubs, len(ends)):
                    draw_label(ax, box.port(right, top - LINE * i), words, 1.0)
        return out, into

    def _arrow(self, ax: Axes, edge: Edge, begin: Point, end: Point) -> None:
        """Draw an edge: label, curves from column to column, head."""
        n, m = edge.source, edge.target
        level = bool(self.layers[n] == self.layers[m])
        onwards = bool(self.layers[m] >= self.layers[n])
        sign = 1.0 if onwards else -1.0
        lead = begin[0] + sign * self.reach[not onwards][self.layers[n]]
        line = Line(begin)
        line.straight((lead, begin[1]))
        if level:
            beyond = lead + 0.15 + 0.3 * min(1.0, abs(begin[1] - end[1]))
            line.curve((beyond, begin[1]), (beyond, end[1]), (lead, end[1]))
        for k, height in edge.through:
            x, width = self.columns[k]
            line.s_curve((x - 0.5 * sign * width, -height))
            line.straight((x + 0.5 * sign * width, -height))
        facing = -1.0 if level else sign
        if not level:
            line.s_curve((end[0] - sign * self.reach[onwards][self.layers[m]], end[1]))
        line.straight((end[0] - facing * HEAD, end[1]))
        shade = color(int(self.graph.actions[n]))
        line.draw(ax, shade)
        draw_head(ax, end, facing, shade)
        draw_label(ax, begin, self.edge_labels[n, m], sign)
