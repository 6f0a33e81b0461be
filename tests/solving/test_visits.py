"""Visits of the nodes of a policy graph, against the linear system."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from figures import random_graph
from models import random_model
from pomdptool.families.tiger import tiger
from pomdptool.graph import PolicyGraph
from pomdptool.solving import visits as module
from pomdptool.solving.graph_evaluation import edge_probabilities, occupancy
from pomdptool.solving.solve import solve
from pomdptool.solving.visits import visits


@pytest.mark.parametrize("seed", range(5))
def test_visits_are_the_occupancy(seed: int) -> None:
    model = replace(random_model(seed, 4, 3, 2), discount=0.9)
    graph = random_graph(12, 3, 2, seed)
    found = visits(model, graph)
    exact = occupancy(model, graph, model.start).sum(axis=1)
    assert found.share == pytest.approx(exact / exact.sum(), abs=1e-3)
    chance = edge_probabilities(model, graph, model.start)
    often = found.share > 0.02
    assert found.chance[often] == pytest.approx(chance[often], abs=0.02)


def test_an_early_stop_understates(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = solve(tiger()).policy.graph
    assert graph is not None
    whole = visits(tiger(), graph)
    assert whole.share.sum() == pytest.approx(1.0, abs=1e-3)
    monkeypatch.setattr(module, "MAX_PUSHES", 10)
    part = visits(tiger(), graph)
    assert 0.1 < part.share.sum() < 0.9
    assert (part.share <= whole.share + 1e-3).all()


def test_every_state_of_an_mdp_has_its_own_start() -> None:
    model = replace(random_model(1, 3, 2, 1), mdp=True, discount=0.5)
    graph = PolicyGraph(np.array([0, 1, 0]), np.array([[0], [1], [2]]), n_initial=3)
    assert visits(model, graph).share == pytest.approx(model.start, abs=1e-3)
