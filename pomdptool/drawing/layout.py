"""Places for the nodes of a policy graph: layers from left to right.

A node's layer is its distance from the start. Edges over several layers pass through places of
their own in between. The order inside the layers is improved by barycentres (Sugiyama, Tagawa and
Toda 1981), and heights are the closest to their neighbours' that keep it: least squares under an
order, by pooling (Ayer et al. 1955).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pomdptool.graph import NOWHERE, PolicyGraph
from pomdptool.sparse import FloatArray, IntArray

SWEEPS = 24
THROUGH = 0.25
"""Room that an edge takes in a layer that it passes through, where a node takes 1."""


@dataclass(frozen=True, slots=True)
class Edge:
    """An edge, with the layers that it passes through and its height in each."""

    source: int
    target: int
    through: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, eq=False, slots=True)
class Layout:
    """Layers and heights of n nodes, shapes (n,), and the edges between them."""

    layer: IntArray
    height: FloatArray
    edges: tuple[Edge, ...]


def layout(graph: PolicyGraph, room: FloatArray | None = None) -> Layout:
    """Find places for nodes that the start reaches all.

    Parameters
    ----------
    room
        Shape (n,): height that each node takes; 1 where it is not given.
    """
    n = graph.n_nodes
    layer = distances(graph)
    pairs = [(k, m) for k in range(n) for m in graph.edges(k)]
    net = _Net(layer, np.ones(n) if room is None else room)
    chains = [net.chain(k, m) for k, m in pairs]
    net.order()
    net.place()
    edges = tuple(
        Edge(k, m, tuple((net.layer[d], net.height[d]) for d in chain))
        for (k, m), chain in zip(pairs, chains, strict=True)
    )
    return Layout(layer, np.array(net.height[:n]), edges)


def distances(graph: PolicyGraph) -> IntArray:
    """Steps from the start to each node, shape (n,)."""
    steps = np.full(graph.n_nodes, graph.n_nodes)
    steps[graph.roots] = 0
    for n in graph.breadth_first().tolist():
        after = graph.next[n]
        after = after[after != NOWHERE]
        steps[after] = np.minimum(steps[after], steps[n] + 1)
    return steps


class _Net:
    """Nodes and the places that long edges pass through, linked between neighbouring layers."""

    def __init__(self, layer: IntArray, room: FloatArray) -> None:
        self.layer: list[int] = layer.tolist()
        self.room: list[float] = room.tolist()
        self.before: list[list[int]] = [[] for _ in self.layer]
        self.after: list[list[int]] = [[] for _ in self.layer]
        self.height: list[float] = []
        self.rows: list[list[int]] = []

    def chain(self, source: int, target: int) -> list[int]:
        """Link two nodes, over new places in the layers in between, which are returned."""
        first, last = self.layer[source], self.layer[target]
        step = 1 if last > first else -1
        places = []
        at = source
        for k in range(first + step, last, step) if first != last else ():
            places.append(len(self.layer))
            self.layer.append(k)
            self.room.append(THROUGH)
            self.before.append([])
            self.after.append([])
            self._link(at, places[-1])
            at = places[-1]
        if first != last:
            self._link(at, target)
        return places

    def _link(self, a: int, b: int) -> None:
        left, right = (a, b) if self.layer[a] < self.layer[b] else (b, a)
        self.after[left].append(right)
        self.before[right].append(left)

    def order(self) -> None:
        """Order every layer so that few edges cross."""
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
            found = self._crossings()
            if found < least:
                best, least = [list(row) for row in self.rows], found
        self.rows = best

    def _places(self) -> list[float]:
        """Place of each node in its row, as a part of the row."""
        place = [0.0] * len(self.layer)
        for row in self.rows:
            for k, n in enumerate(row):
                place[n] = (k + 0.5) / len(row)
        return place

    def _crossings(self) -> int:
        """Pairs of edges between neighbouring layers that cross."""
        place = self._places()
        total = 0
        for row in self.rows:
            ends = np.array([(place[n], place[m]) for n in row for m in self.after[n]])
            if len(ends):
                left, right = (np.sign(np.subtract.outer(end, end)) for end in ends.T)
                total += int((left * right < 0).sum()) // 2
        return total

    def place(self) -> None:
        """Give every node a height near its neighbours', in the order of its row, apart enough."""
        self.height = [0.0] * len(self.layer)
        gaps = []
        for row in self.rows:
            room = np.array([self.room[n] for n in row])
            offset = np.concatenate([[0.0], np.cumsum(0.5 * (room[1:] + room[:-1]))])
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
    """Ascending numbers that are the closest to those wished for, by least squares.

    As `scipy.optimize.isotonic_regression`, the import of which takes longer than a layout.
    """
    blocks: list[tuple[float, int]] = []
    for x in wish.tolist():
        mean, count = float(x), 1
        while blocks and blocks[-1][0] >= mean:
            other, n = blocks.pop()
            mean, count = (mean * count + other * n) / (count + n), count + n
        blocks.append((mean, count))
    return np.concatenate([np.full(count, mean) for mean, count in blocks])
