"""Policy graphs for tests: that of tiger, random ones, and their runs."""

from __future__ import annotations

import numpy as np

from pomdptool.graph import PolicyGraph
from pomdptool.model import Model

LISTEN, LEFT, RIGHT = 0, 1, 2


def graph_of(actions: list[int], rows: list[list[int]], start: int = 0) -> PolicyGraph:
    return PolicyGraph(np.array(actions), np.array(rows), start)


TIGER = graph_of([LISTEN, LISTEN, RIGHT, LEFT, LISTEN], [[1, 4], [2, 0], [0, 0], [0, 0], [0, 3]])
"""Listens until one side is two ahead, then opens the other door."""


def random_graph(model: Model, n: int, seed: int, *, acyclic: bool = False) -> PolicyGraph:
    rng = np.random.default_rng(seed)
    low = np.arange(n)[:, np.newaxis] + 1 if acyclic else np.zeros((n, 1), dtype=int)
    rows = rng.integers(low - 1, n, size=(n, model.n_observations))
    rows[(rows < low) | (rng.random(rows.shape) < 0.1)] = -1
    return PolicyGraph(rng.integers(model.n_actions, size=n), rows, int(rng.integers(n)))


def runs(graph: PolicyGraph, n: int, depth: int) -> tuple[object, ...]:
    """Everything that a node does in some steps."""
    ahead = (runs(graph, int(m), depth - 1) if m >= 0 and depth else None for m in graph.next[n])
    return (int(graph.actions[n]), *ahead)
