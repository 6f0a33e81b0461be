"""Layered layout of a policy graph, from left to right.

A node's layer is its distance from the initial node. Edges over several layers pass through dummy
nodes. The order inside layers is improved by barycentres (Sugiyama, Tagawa and Toda 1981); heights
are the closest to their neighbours' in least squares that keep the order, by pooling adjacent
violators (Ayer et al. 1955).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pomdptool.graph import NOWHERE, PolicyGraph
from pomdptool.sparse import FloatArray, IntArray

SWEEPS = 24
DUMMY_SIZE = 0.25
"""Height of a dummy node; a node has height 1."""


@dataclass(frozen=True, slots=True)
class Edge:
    """An edge, with the layers of its dummy nodes and its height in each."""

    source: int
    target: int
    through: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, eq=False, slots=True)
class Layout:
    """Layers and heights of n nodes, shapes (n,), and the edges between them."""

    layer: IntArray
    height: FloatArray
    edges: tuple[Edge, ...]


def layout(graph: PolicyGraph, sizes: FloatArray | None = None) -> Layout:
    """Place nodes, all reachable from the initial one; `sizes`, shape (n,), are their heights."""
    n = graph.n_nodes
    layer = distances(graph)
    pairs = [(k, m) for k in range(n) for m in graph.edges(k)]
    net = _LayeredGraph(layer, np.ones(n) if sizes is None else sizes)
    chains = [net.add_edge(k, m) for k, m in pairs]
    net.order()
    net.place()
    edges = tuple(
        Edge(k, m, tuple((net.layer[d], net.height[d]) for d in chain))
        for (k, m), chain in zip(pairs, chains, strict=True)
    )
    return Layout(layer, np.array(net.height[:n]), edges)


def distances(graph: PolicyGraph) -> IntArray:
    """Steps from the initial node to each node, shape (n,)."""
    steps = np.full(graph.n_nodes, graph.n_nodes)
    steps[graph.roots] = 0
    for n in graph.breadth_first().tolist():
        after = graph.next[n]
        after = after[after != NOWHERE]
        steps[after] = np.minimum(steps[after], steps[n] + 1)
    return steps


class _LayeredGraph:
    """Nodes and dummy nodes, linked between neighbouring layers."""

    def __init__(self, layer: IntArray, sizes: FloatArray) -> None:
        self.layer: list[int] = layer.tolist()
        self.sizes: list[float] = sizes.tolist()
        self.before: list[list[int]] = [[] for _ in self.layer]
        self.after: list[list[int]] = [[] for _ in self.layer]
        self.height: list[float] = []
        self.rows: list[list[int]] = []

    def add_edge(self, source: int, target: int) -> list[int]:
        """Link two nodes through dummy nodes in the layers in between, which are returned."""
        first, last = self.layer[source], self.layer[target]
        step = 1 if last > first else -1
        dummies = []
        at = source
        for k in range(first + step, last, step) if first != last else ():
            dummies.append(len(self.layer))
            self.layer.append(k)
            self.sizes.append(DUMMY_SIZE)
            self.before.append([])
            self.after.append([])
            self._link(at, dummies[-1])
            at = dummies[-1]
        if first != last:
            self._link(at, target)
        return dummies

    def _link(self, a: int, b: int) -> None:
        left, right = (a, b) if self.layer[a] < self.layer[b] else (b, a)
        self.after[left].append(right)
        self.before[right].append(left)

    def order(self) -> None:
        """Reduce edge crossings by barycentres."""
        self.rows = [[] for _ in range(max(self.layer) + 1)]
        for n, k in enumerate(self.layer):
            self.rows[k].append(n)
        best, least = [list(row) for row in self.rows], self._crossings()
        for sweep in range(SWEEPS):
            onwards = sweep % 2 == 0
            near = self.before if onwards else self.after
            for row in self.rows if onwards else self.rows[::-1]:
                place = self._places()
                middle = {
                    n: float(np.mean([place[m] for m in near[n]])) if near[n] else place[n]
                    for n in row
                }
                row.sort(key=middle.__getitem__)
            crossings = self._crossings()
            if crossings < least:
                best, least = [list(row) for row in self.rows], crossings
        self.rows = best

    def _places(self) -> list[float]:
        """Relative position of each node in its layer."""
        place = [0.0] * len(self.layer)
        for row in self.rows:
            for k, n in enumerate(row):
                place[n] = (k + 0.5) / len(row)
        return place

    def _crossings(self) -> int:
        """Number of crossings between neighbouring layers."""
        place = self._places()
        total = 0
        for row in self.rows:
            ends = np.array([(place[n], place[m]) for n in row for m in self.after[n]])
            if len(ends):
                left, right = (np.sign(np.subtract.outer(end, end)) for end in ends.T)
                total += int((left * right < 0).sum()) // 2
        return total

    def place(self) -> None:
        """Move nodes towards their neighbours, in order and without overlap."""
        self.height = [0.0] * len(self.layer)
        gaps = []
        for row in self.rows:
            sizes = np.array([self.sizes[n] for n in row])
            offset = np.concatenate([[0.0], np.cumsum(0.5 * (sizes[1:] + sizes[:-1]))])
            gaps.append(offset)
            for n, y in zip(row, offset - 0.5 * offset[-1], strict=True):
                self.height[n] = float(y)
        for sweep in range(SWEEPS):
            rows = list(zip(self.rows, gaps, strict=True))
            for row, offset in rows if sweep % 2 == 0 else rows[::-1]:
                wish = [
                    np.mean([self.height[m] for m in near]) if near else self.height[n]
                    for n in row
                    for near in [self.before[n] + self.after[n]]
                ]
                for n, y in zip(row, ascending(np.array(wish) - offset) + offset, strict=True):
                    self.height[n] = float(y)


def ascending(wish: FloatArray) -> FloatArray:
    """Closest ascending numbers in least squares.

    As `scipy.optimize.isotonic_regression`, whose import takes longer than a layout.
    """
    blocks: list[tuple[float, int]] = []
    for x in wish.tolist():
        mean, count = float(x), 1
        while blocks and blocks[-1][0] >= mean:
            other, n = blocks.pop()
            mean, count = (mean * count + other * n) / (count + n), count + n
        blocks.append((mean, count))
    return np.concatenate([np.full(count, mean) for mean, count in blocks])
