"""Figures of policy graphs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from pomdptool.drawing import canvas
from pomdptool.drawing.graphs import MAX_ARROWS, graph_figure
from pomdptool.drawing.layout import distances
from pomdptool.graph import NOWHERE, PolicyGraph

if TYPE_CHECKING:
    from matplotlib.figure import Figure
from figures import named, random_graph, svg_of


def boxes(figure: Figure) -> list[tuple[str, np.ndarray]]:
    """Texts of a figure and the rectangles that they take, in pixels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    figure.draw(renderer)
    texts = [t for ax in figure.axes for t in ax.texts if t.get_text()]
    return [(t.get_text(), t.get_window_extent(renderer).get_points()) for t in texts]


@pytest.mark.parametrize(("n", "word"), [(6, ""), (6, "a-very-long-name-of-"), (100, "")])
def test_no_text_lies_on_another(n: int, word: str) -> None:
    import matplotlib as mpl

    graph = random_graph(n, 4, 4)
    with mpl.rc_context(canvas._STYLE):
        shown = boxes(graph_figure(graph, named(3, 4, 4, word), 100))
    assert len(shown) > n
    for k, (first, a) in enumerate(shown):
        for second, b in shown[:k]:
            apart = (a[0] >= b[1] - 1.0).any() or (b[0] >= a[1] - 1.0).any()
            assert apart, f"{first!r} lies on {second!r}"


def test_every_edge_is_an_arrow_or_named() -> None:
    graph = random_graph(60, 3, 4)
    assert sum(len(graph.edges(n)) for n in range(60)) > MAX_ARROWS
    figure = graph_figure(graph, named(3, 3, 4), 25)
    texts = [t.get_text() for t in figure.axes[0].texts]
    assert (
        figure.axes[0]
        .get_title(loc="left")
        .strip()
        .endswith("25 of 60 nodes, nearest to the start")
    )
    assert sum(": action-" in t for t in texts) == 25
    nodes = graph.breadth_first()[:25].tolist()
    labels = [t for t in texts if ": action-" not in t]
    assert len(labels) == sum(len(graph.edges(n)) for n in nodes)
    steps = distances(graph)
    far = [m for n in nodes for m in graph.edges(n) if m not in nodes or steps[m] <= steps[n]]
    named_ends = sorted(int(t.rpartition(" ")[2]) for t in labels if "\N{RIGHTWARDS ARROW}" in t)
    assert named_ends == sorted(far)


def test_the_nodes_visited_most_are_drawn_and_connected() -> None:
    graph = random_graph(60, 3, 4)
    share = np.zeros(60)
    path = [0]
    for _ in range(5):  # the last successors of a chain from the start
        path.append(int(graph.next[path[-1]][graph.next[path[-1]] != NOWHERE][-1]))
    share[path] = 1.0 / len(set(path))
    chance = np.full((60, 4), 0.25)
    figure = graph_figure(graph, named(3, 3, 4), len(set(path)), "", share, chance)
    texts = [t.get_text() for t in figure.axes[0].texts]
    shown = {int(t.partition(":")[0]) for t in texts if ": action-" in t}
    assert shown == set(path)
    heading = figure.axes[0].get_title(loc="left").strip()
    assert heading.endswith(f"{len(shown)} of 60 nodes, 100% of steps")


def test_a_part_of_a_graph_names_few_edges_and_fits_a_page() -> None:
    graph = random_graph(300, 3, 30)
    figure = graph_figure(graph, named(3, 3, 30), 20)
    assert max(figure.get_size_inches()) < 20.0
    texts = [t.get_text() for t in figure.axes[0].texts]
    assert any(t.endswith(" more") for t in texts)
    everything = graph_figure(graph, named(3, 3, 30), None)
    assert not any(t.get_text().endswith(" more") for t in everything.axes[0].texts)


def test_initial_nodes_that_are_not_drawn() -> None:
    graph = PolicyGraph(np.zeros(9, np.int64), np.full((9, 1), 8), n_initial=8)
    assert svg_of(graph_figure(graph, named(8, 1, 1), 3))
    share = np.arange(9) / 36.0
    assert svg_of(graph_figure(graph, named(8, 1, 1), 3, "", share, np.ones((9, 1))))


def test_one_node_and_loops_are_drawn() -> None:
    alone = PolicyGraph(np.zeros(1, np.int64), np.array([[NOWHERE, NOWHERE]]))
    loop = PolicyGraph(np.zeros(2, np.int64), np.array([[0, 1], [1, 1]]))
    for graph in (alone, loop):
        assert "<svg" in svg_of(graph_figure(graph, named(2, 1, 2), 10))
