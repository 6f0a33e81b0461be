"""Layered layout of policy graphs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from pomdptool.drawing.layout import ascending, distances, layout
from pomdptool.graph import NOWHERE, PolicyGraph

if TYPE_CHECKING:
    pass
from figures import random_graph


@pytest.mark.parametrize("seed", range(10))
def test_heights_keep_the_order_and_are_the_closest(seed: int) -> None:
    from scipy.optimize import isotonic_regression

    wish = np.random.default_rng(seed).normal(size=12)
    assert ascending(wish) == pytest.approx(isotonic_regression(wish).x)


@pytest.mark.parametrize("seed", range(5))
def test_nodes_of_a_layer_lie_apart(seed: int) -> None:
    graph = random_graph(40, 3, 3, seed)
    sizes = np.random.default_rng(seed).uniform(1.0, 3.0, size=40)
    placed = layout(graph, sizes)
    assert placed.layer.tolist() == distances(graph).tolist()
    for k in np.unique(placed.layer):
        (row,) = np.nonzero(placed.layer == k)
        row = row[np.argsort(placed.height[row])]
        apart = np.diff(placed.height[row]) - 0.5 * (sizes[row][1:] + sizes[row][:-1])
        assert apart.min(initial=0.0) >= -1e-9
    assert {(e.source, e.target) for e in placed.edges} == {
        (n, m) for n in range(40) for m in graph.edges(n)
    }
    for edge in placed.edges:
        passed = abs(int(placed.layer[edge.source]) - int(placed.layer[edge.target])) - 1
        assert len(edge.through) == max(passed, 0)


def test_a_simple_graph_has_no_crossing() -> None:
    links = [[1, 2], [4, 3], [6, 5], [NOWHERE] * 2, [NOWHERE] * 2, [NOWHERE] * 2, [NOWHERE] * 2]
    placed = layout(PolicyGraph(np.zeros(7, np.int64), np.array(links)))
    h = placed.height
    upper, lower = ((3, 4), (5, 6)) if h[1] < h[2] else ((5, 6), (3, 4))
    assert max(h[list(upper)]) < min(h[list(lower)])
