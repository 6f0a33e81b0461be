"""Rendering of figures: names, reproducible bytes, limits."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from models import tiger
from pomdptool.drawing import canvas
from pomdptool.drawing.beliefs import belief_figure
from pomdptool.drawing.graphs import graph_figure
from pomdptool.drawing.values import (
    value_figure,
)
from pomdptool.graph import NOWHERE, PolicyGraph
from pomdptool.policy import problem_of
from pomdptool.trace import TracedStep

if TYPE_CHECKING:
    pass
from figures import policy_of


@pytest.mark.parametrize(
    "name", ["_hidden", "$x^{", "$x^{$", "a\nb", "<&>", "größe", "", "x" * 300, "虎"]
)
def test_names_of_all_kinds_are_drawn_as_they_are(name: str) -> None:
    model = replace(tiger(), states=(name, "b"), actions=(name, "c", "d"), name=name)
    policy = policy_of(model, np.eye(2), [0, 1])
    graph = PolicyGraph(np.zeros(2, np.int64), np.array([[0, 1], [1, NOWHERE]]))
    problem = replace(problem_of(model), observations=(name, "z"))
    steps = [TracedStep(0, 0, name, {name: 1.0}, name, name, 0.0)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert canvas.render(lambda: value_figure(policy), "svg")
        assert canvas.render(lambda: graph_figure(graph, problem, 9), "pdf")
        assert canvas.render(lambda: belief_figure(steps, 99, costs=False), "png")


def test_equal_figures_have_equal_bytes() -> None:
    policy = policy_of(tiger(), np.eye(2), [0, 1])
    for kind, mark in (("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")):
        first = canvas.render(lambda: value_figure(policy), kind)  # type: ignore[arg-type]
        assert first == canvas.render(lambda: value_figure(policy), kind)  # type: ignore[arg-type]
        assert first.startswith(mark)
        assert b"<dc:date>" not in first


def test_huge_figures_get_a_lower_resolution() -> None:
    png = canvas.render(lambda: canvas.new_figure(400.0, 1.0, manual=True), "png")
    assert int.from_bytes(png[16:20], "big") == canvas.MAX_PIXELS


def test_long_names_lose_their_middle() -> None:
    assert canvas.elided("open-the-left-door") == "open-the-left-door"
    short = canvas.elided("a" * 20 + "b" * 20)
    assert len(short) == canvas.MAX_NAME
    assert short.startswith("aaaa")
    assert short.endswith("bbbb")
