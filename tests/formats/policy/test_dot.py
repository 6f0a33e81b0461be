"""Policy graphs in DOT."""

from __future__ import annotations

import re
from dataclasses import replace

from models import tiger
from policy_graphs import TIGER
from pomdptool.formats.policy.dot import write_dot
from pomdptool.policy import Problem, problem_of
from pomdptool.solving.graph_evaluation import edge_probabilities

STRING = r'"(?:[^"\\]|\\.)*"'
STATEMENTS = (
    rf"digraph {STRING} \{{",
    r"node \[shape=box, style=rounded\];",
    r'start \[shape=point, label=""\];',
    r"start -> n(?P<start>\d+);",
    rf"n(?P<node>\d+) \[label=(?P<action>{STRING})\];",
    rf"n(?P<a>\d+) -> n(?P<b>\d+) \[label=(?P<label>{STRING})\];",
    r"\}",
)


def parsed(dot: str) -> list[dict[str, str]]:
    """Groups of every statement; each line must be one."""
    groups = []
    for line in dot.removesuffix("\n").split("\n"):
        matches = [m for s in STATEMENTS if (m := re.fullmatch(s, line.strip()))]
        assert len(matches) == 1, line
        groups.append(matches[0].groupdict())
    return groups


def test_dot_of_tiger() -> None:
    model = tiger()
    probabilities = edge_probabilities(model, TIGER, model.start)
    statements = parsed(write_dot(TIGER, problem_of(model), probabilities))
    assert [f["start"] for f in statements if "start" in f] == ["0"]
    labels = {int(f["node"]): f["action"] for f in statements if "node" in f}
    assert labels[2] == '"2: open-right"'
    edges = {(int(f["a"]), int(f["b"])): f["label"] for f in statements if "a" in f}
    assert len(edges) == 8
    assert edges[2, 0] == '"hear-left | hear-right\\n1"'
    assert edges[0, 1] == '"hear-left\\n0.5"'
    assert edges[1, 2] == '"hear-left\\n0.745"'
    plain = parsed(write_dot(TIGER, problem_of(model)))
    assert '"hear-right"' in [f.get("label") for f in plain]


def test_dot_omits_probabilities_of_unreachable_nodes() -> None:
    model = tiger(0.0)
    probabilities = edge_probabilities(model, TIGER, model.start)
    edges = {
        (int(f["a"]), int(f["b"])): f["label"]
        for f in parsed(write_dot(TIGER, problem_of(model), probabilities))
        if "a" in f
    }
    assert edges[0, 1] == '"hear-left\\n0.5"'
    assert edges[1, 2] == '"hear-left"'


def odd_names() -> Problem:
    model = tiger()
    return replace(
        problem_of(model),
        name='the "tiger"\\',
        actions=('say "hi"', "back\\slash\\", "a\nb"),
        observations=("&lt; | ]", "c:\\N\x00\t"),
    )


def test_dot_escapes_names() -> None:
    statements = parsed(write_dot(TIGER, odd_names()))
    labels = [f["action"] for f in statements if "node" in f]
    assert labels[0] == r'"0: say \"hi\""'
    assert labels[3] == r'"3: back\\slash\\"'
    assert labels[2] == r'"2: a\\nb"'
    labels = [f["label"] for f in statements if "a" in f]
    assert labels[0] == '"&amp;lt; | ]"'
    assert labels[1] == r'"c:\\N\\x00\\t"'
