"""The .pg format of policy graphs."""

from __future__ import annotations

import pytest
from numpy.testing import assert_array_equal

from models import random_model
from policy_graphs import graph_of, random_graph, runs
from pomdptool.errors import FormatError
from pomdptool.formats.policy.pg import read_pg, write_pg


@pytest.mark.parametrize("seed", range(10))
def test_pg_round_trip(seed: int) -> None:
    graph = random_graph(random_model(seed, n_observations=1 + seed % 3), 8, seed)
    back = read_pg(write_pg(graph), "x.pg")
    same = graph.start_first()
    assert (back.start, same.start) == (0, 0)
    assert_array_equal(back.actions, same.actions)
    assert_array_equal(back.next, same.next)
    assert runs(back, 0, 4) == runs(graph, graph.start, 4)


def test_pg_text() -> None:
    assert write_pg(graph_of([2, 1], [[0, -1], [1, 0]], start=1)) == "0 1  0 1\n1 2  1 -\n"
    read = read_pg("1 2  1 X \r\n\n0  1\t0 1", "x.pg")
    assert read.next.tolist() == [[0, 1], [1, -1]]
    assert read.actions.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("", "1:1", "at least one line"),
        ("0 0 0\n1 0\n", "2:3", "expected a node, its action"),
        ("0 0 0\n1 0 0 1\n", "2:7", "2 successors, but 1 in the lines before"),
        ("0 a 0\n", "1:3", "expected a number, not 'a'"),
        ("0 - 0\n", "1:3", "expected a number, not '-'"),
        ("0 0 -1\n", "1:5", "expected a node's number, `-` or `X`, not '-1'"),
        ("0 0 0\n0 0 0\n", "2:1", "node 0 occurs twice"),
        ("0 0 0\n2 0 0\n", "2:1", "the 2 nodes must be numbered from 0"),
        ("0 0 0\n1 0  2\n", "2:6", "there is no node 2"),
        (f"0 0 {'9' * 5000}\n", "1:5", "expected a node's number"),
        ("0 0 \u0663\n", "1:5", "expected a node's number"),
    ],
)
def test_pg_errors_have_line_and_column(text: str, place: str, message: str) -> None:
    with pytest.raises(FormatError) as caught:
        read_pg(text, "x.pg")
    assert str(caught.value).startswith(f"x.pg:{place}: ")
    assert message in str(caught.value)


def test_pg_names_every_wrong_line() -> None:
    with pytest.raises(FormatError) as caught:
        read_pg("a 0 0\nb 0 0\n2 0 c\n", "x.pg")
    assert [(f.line, f.column) for f in caught.value.findings] == [(1, 1), (2, 1), (3, 5)]
