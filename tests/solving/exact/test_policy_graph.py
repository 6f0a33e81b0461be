from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import pomdptool
from exact_cases import model_with_faces
from models import PROBLEMS, ROOT, random_model, tiger
from pomdptool.model import Model
from pomdptool.solving import graph_evaluation
from pomdptool.solving.exact.lineage import Lineage


def within_bounds(model: Model, **options: Any) -> None:
    solution = pomdptool.solve(model, **options)
    value = solution.policy.graph_value
    assert value is not None
    slack = 1e-9 * max(1.0, abs(value))
    assert solution.bounds.lower - slack <= value <= solution.bounds.upper + slack
    graph = solution.policy.graph
    assert graph is not None
    earned = graph_evaluation.evaluate(model, graph)[graph.start] @ model.start
    assert earned == pytest.approx(value, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_finite_horizon_graphs_earn_the_value(seed: int) -> None:
    """Also on epsilon-pruned faces, where beliefs of regions may lie on the boundary."""
    model = random_model(seed, n_states=8, n_actions=3, n_observations=2)
    for horizon in (1, 2, 3, 4):
        within_bounds(model, horizon=horizon)
    within_bounds(model_with_faces(seed), horizon=5)


def test_finite_horizon_graph_earns_the_value_with_ties_at_corners() -> None:
    model = pomdptool.load(ROOT / "problems" / "hallway.pomdp")
    within_bounds(model, horizon=3)


@pytest.mark.parametrize("seed", range(6))
def test_infinite_horizon_graphs_earn_almost_the_value(seed: int) -> None:
    for model in (random_model(seed, n_states=3, discount=0.9), model_with_faces(seed)):
        solution = pomdptool.solve(model, "exact", precision=1e-4)
        value = solution.policy.graph_value
        assert value is not None
        assert solution.bounds.lower - 1e-5 <= value <= solution.bounds.upper + 1e-9


SMALL = [p for p in PROBLEMS if p.stem in ("maze-4x3", "network", "voicemail", "tiger", "shuttle")]


@pytest.mark.parametrize("precision", [1e-2, 1e-3, 1e-4])
@pytest.mark.parametrize("path", SMALL, ids=lambda path: path.stem)
def test_graphs_of_problems_are_within_the_bounds(path: Path, precision: float) -> None:
    within_bounds(pomdptool.load(path), method="exact", precision=precision)


def test_better_graph_raises_the_lower_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiger()
    graph = pomdptool.solve(model, "exact").policy.graph
    assert graph is not None
    values = graph_evaluation.evaluate(model, graph)
    good = replace(graph, values=values)
    monkeypatch.setattr(Lineage, "graph", lambda *args: good)
    rough = pomdptool.solve(model, "exact", time_limit=0.0)
    assert rough.stop_reason == "time-limit"
    assert rough.bounds.lower == pytest.approx(19.371368, abs=1e-6)
    assert rough.bounds.upper >= rough.bounds.lower
