"""Policy graphs as trees for terminals."""

from __future__ import annotations

import re

import pytest

from models import tiger
from policy_graphs import TIGER, graph_of, random_graph
from pomdptool.drawing.tree import tree_lines
from pomdptool.policy import problem_of


def test_tree_of_tiger() -> None:
    assert tree_lines(TIGER, problem_of(tiger())) == [
        "node 0: listen",
        "├─ hear-left  node 1: listen",
        "│  ├─ hear-left  node 2: open-right",
        "│  │  └─ *  -> node 0",
        "│  └─ hear-right  -> node 0",
        "└─ hear-right  node 4: listen",
        "   ├─ hear-left  -> node 0",
        "   └─ hear-right  node 3: open-left",
        "      └─ *  -> node 0",
    ]


def test_tree_stops() -> None:
    lines = tree_lines(TIGER, problem_of(tiger()), max_nodes=3)
    assert lines[2] == "│  ├─ hear-left  -> node 2 (not shown)"
    assert lines[-1] == "... 2 of 5 nodes are not shown"
    chain = graph_of([0] * 3000, [[min(n + 1, 2999)] * 2 for n in range(3000)])
    assert len(tree_lines(chain, problem_of(tiger()), max_nodes=3000)) == 3001


@pytest.mark.parametrize("seed", range(10))
def test_tree_shows_every_node_once(seed: int) -> None:
    graph = random_graph(tiger(), 12, seed)
    text = "\n".join(tree_lines(graph, problem_of(tiger())))
    expanded = re.findall(r"(?<!-> )node (\d+): ", text)
    assert sorted(map(int, expanded)) == sorted(graph.breadth_first().tolist())
    for m in re.findall(r"-> node (\d+)", text):
        assert m in expanded
