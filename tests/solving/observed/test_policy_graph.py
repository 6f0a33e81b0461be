"""Policy graphs of models whose observations reveal the state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

import mdps
import naive_planning as naive
import pomdptool
from pomdptool.errors import PolicyError
from pomdptool.formats.policy.write import encode_policy
from pomdptool.model import Model, make_model
from pomdptool.solving.graph_evaluation import evaluate
from pomdptool.solving.observed import policy_graph, solver
from revealed_states import every_make


@every_make
@pytest.mark.parametrize("horizon", [1, 2, 4, None])
def test_graphs_attain_the_lower_bound(make: Callable[[int], Model], horizon: int | None) -> None:
    for seed in range(5):
        model = make(seed)
        solution = pomdptool.solve(model, "exact", horizon=horizon, precision=1e-9)
        graph = solution.policy.graph
        assert graph is not None
        value = graph.initial_value(evaluate(model, graph), model.start)
        assert value == pytest.approx(solution.bounds.lower, abs=1e-8)
        for b in np.eye(model.n_states) if model.mdp else [model.start]:
            root = int(b.argmax()) if model.mdp else graph.start
            assert graph.actions[root] == solution.policy.act(b)
        assert graph.n_nodes == graph.minimised().n_nodes
        assert graph.start == 0
        assert (graph.layers() is None) == (horizon is None)


def test_graphs_have_edges_for_possible_observations() -> None:
    """A node has successors for exactly the possible observations."""
    model = replace(mdps.renamed(mdps.random_mdp(4), 4), start=np.eye(4)[0])
    for horizon in (None, 3):
        graph = pomdptool.solve(model, "exact", horizon=horizon).policy.graph
        assert graph is not None
        a = int(graph.actions[graph.start])
        for o in range(model.n_observations):
            _, p = naive.update(model, model.start, a, o)
            assert (graph.next[graph.start, o] >= 0) == (p > 0)


def test_large_graphs_are_not_built(monkeypatch: pytest.MonkeyPatch) -> None:
    model = mdps.random_mdp(0)
    model = make_model(model.T, np.eye(4), model.R[..., 0], discount=0.9, start=model.start)
    monkeypatch.setattr(policy_graph, "GRAPH_CELLS", 5 * 4)
    assert pomdptool.solve(model, "exact").policy.graph is not None
    assert pomdptool.solve(model, "exact", horizon=2).policy.graph is not None
    assert pomdptool.solve(model, "exact", horizon=3).policy.graph is None
    monkeypatch.setattr(policy_graph, "GRAPH_CELLS", 5 * 4 - 1)
    assert pomdptool.solve(model, "exact").policy.graph is None
    monkeypatch.setattr(solver, "GRAPH_CELLS", 2 * 4 - 1)
    assert pomdptool.solve(model, "exact", horizon=2).policy.graph is None


def test_a_graph_that_is_too_large_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy_graph, "GRAPH_CELLS", 0)
    model = make_model(np.full((2, 3, 3), 1 / 3), None, np.eye(2, 3), discount=0.9)
    policy = pomdptool.solve(model).policy
    with pytest.raises(PolicyError, match="it is too large"):
        encode_policy(policy, "pg")
