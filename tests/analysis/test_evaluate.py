"""Policy evaluation: graph value, Bellman residual, limits and what is said of missing parts."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

import naive_planning
import pomdptool
from models import ROOT, random_model, tiger
from pomdptool.acting.agents import controller_of
from pomdptool.analysis import evaluate as module
from pomdptool.analysis import residuals, transfer
from pomdptool.analysis.evaluate import default_episodes, evaluate
from pomdptool.analysis.residuals import visited_beliefs
from pomdptool.graph import PolicyGraph
from pomdptool.limits import Limits
from pomdptool.model import Model
from pomdptool.policy import AlphaVectors, SolvedPolicy
from pomdptool.solving.graph_evaluation import evaluate as node_values
from pomdptool.solving.graph_evaluation import initial_value

PROBLEMS = ROOT / "problems"


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_graph_value_is_exact() -> None:
    model = tiger()
    policy = pomdptool.solve(model, precision=1e-4).policy
    result = evaluate(model, policy, rng=rng(), beliefs=50)
    assert result.graph_value == pytest.approx(19.371, abs=2e-3)
    assert result.residual_min is not None
    assert result.residual_min > -1e-6
    assert result.residual_beliefs == 50
    reasons = ("graph_reason", "vector_reason", "residual_reason", "simulation_reason")
    assert [getattr(result, name) for name in reasons] == [None] * 4


@pytest.mark.parametrize("method", ["sarsop", "exact", "qmdp"])
def test_residuals_are_those_of_the_oracle(method: str) -> None:
    model = pomdptool.load(PROBLEMS / "maze-4x3.pomdp")
    policy = pomdptool.solve(model, method, precision=0.5, max_vectors=60).policy
    visited = visited_beliefs(model, policy, 60, rng(3))
    V = policy.value
    wanted = [naive_planning.bellman_residual(model, V, b) for b in np.unique(visited, axis=0)]
    found = residuals.visited_residuals(
        model, policy, 60, rng=rng(3), limits=Limits(), on_belief=lambda _: None
    )
    assert found.beliefs == 60
    assert found.values.min() == pytest.approx(min(wanted), abs=1e-11)
    assert found.values.max() == pytest.approx(max(wanted), abs=1e-11)
    assert max(map(abs, wanted)) > 1e-6  # the value function is not the optimum


@pytest.mark.parametrize("seed", range(8))
def test_value_from_reachable_pairs_is_that_of_all(seed: int) -> None:
    draw = rng(seed)
    model = random_model(seed, n_states=5, n_actions=3, n_observations=3)
    n = 9
    graph = PolicyGraph(draw.integers(0, 3, n), draw.integers(0, n, (n, 3)), start=4)
    whole = graph.initial_value(node_values(model, graph), model.start)
    assert initial_value(model, graph) == pytest.approx(whole, rel=1e-11)
    assert initial_value(model, graph, most=3) is None
    ending = PolicyGraph(np.arange(3), np.array([[1, 2, 1], [2, -1, 2], [-1, -1, -1]]))
    whole = ending.initial_value(node_values(model, ending), model.start)
    assert initial_value(model, ending) == pytest.approx(whole, rel=1e-12)


def test_a_graph_too_large_is_named_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiger()
    policy = pomdptool.solve(model).policy
    monkeypatch.setattr(module, "initial_value", lambda *_, **__: None)
    result = evaluate(model, policy, rng=rng(), episodes=20, beliefs=5)
    assert result.graph_value is None
    assert result.graph_reason is not None
    assert "linear system of a graph of 5 nodes" in result.graph_reason
    assert "simulation" in result.graph_reason
    assert result.residual_beliefs == 5


def test_a_carried_graph_too_large_is_simulated(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiger()
    policy = pomdptool.solve(tiger(0.9)).policy
    exact = evaluate(model, transfer.carried(policy, model), rng=rng(), episodes=50)
    monkeypatch.setattr(transfer, "is_cheap", lambda *_: False)
    monkeypatch.setattr(module, "initial_value", lambda *_, **__: None)
    large = transfer.carried(policy, model)
    assert large.graph is not None
    assert controller_of(model, large) is large.graph
    result = evaluate(model, large, rng=rng(), episodes=50)
    assert result.graph_value is result.vector_value is result.residual_min is None
    assert result.vector_reason == result.residual_reason == transfer.too_large(large.graph)
    assert result.mean_discounted_return == exact.mean_discounted_return
    assert large.value(model.start) == pytest.approx(exact.vector_value)  # computed on request


def test_a_finite_horizon_has_no_residual() -> None:
    model = tiger()
    policy = pomdptool.solve(model, horizon=3).policy
    result = evaluate(model, policy, rng=rng(), episodes=10)
    assert result.residual_beliefs == 0
    assert result.residual_reason == "not defined with a finite horizon"


def test_a_graph_whose_value_may_be_infinite_is_named() -> None:
    model = tiger(1.0)
    policy = transfer.carried(pomdptool.solve(tiger(), horizon=3).policy, model)
    endless = PolicyGraph(np.zeros(1, np.int64), np.zeros((1, 2), np.int64))
    policy = replace(policy, graph=endless, horizon=None)
    result = evaluate(model, policy, rng=rng(), episodes=10, steps=5)
    assert result.graph_reason is not None
    assert "discount 1" in result.graph_reason
    assert result.episodes == 10


def test_a_time_limit_of_zero_leaves_what_needs_no_time() -> None:
    model = tiger()
    policy = pomdptool.solve(model).policy
    result = evaluate(model, policy, rng=rng(), time_limit=0.0)
    assert not result.interrupted
    assert result.vector_value == pytest.approx(policy.bounds.lower)
    assert result.graph_value is None
    assert result.graph_reason == "time limit reached"
    assert result.residual_reason == "time limit reached after 0 of 200 beliefs"
    assert result.simulation_reason is not None
    assert result.simulation_reason.startswith("time limit reached after ")


def test_an_interrupt_keeps_what_is_done() -> None:
    model = tiger()
    policy = pomdptool.solve(model).policy
    seen: list[str] = []

    def on_part(part: str, done: int, total: int) -> None:
        assert 0 <= done <= total
        seen.append(f"{part} {done}")

    def interrupted() -> bool:
        return any(line.startswith("simulation: episodes 64") for line in seen)

    result = evaluate(
        model, policy, rng=rng(), episodes=1000, on_part=on_part, interrupted=interrupted
    )
    assert result.interrupted
    assert result.graph_value == pytest.approx(19.371, abs=2e-3)
    assert result.episodes == 64
    assert result.simulation_reason == "interrupted after 64 of 1000 episodes"
    assert result.residual_reason == "interrupted after 0 of 200 beliefs"
    none = evaluate(model, policy, rng=rng(), interrupted=lambda: True)
    assert none.interrupted
    assert none.vector_value == result.vector_value
    assert none.episodes <= 64
    if none.episodes == 0:
        assert math.isnan(none.mean_discounted_return)


def test_residuals_stop_at_the_default_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """The work is counted, so that the same seed gives the same result, however fast."""
    model = pomdptool.load(PROBLEMS / "maze-4x3.pomdp")
    policy = pomdptool.solve(model, precision=1e-3).policy
    whole = evaluate(model, policy, rng=rng(), episodes=10)
    assert whole.residual_reason is None
    monkeypatch.setattr(residuals, "WORK", 1_000_000)
    some = evaluate(model, policy, rng=rng(), episodes=10)
    assert 0 < some.residual_beliefs < 200
    assert (
        some.residual_reason == f"{some.residual_beliefs} of 200 beliefs, because each takes long"
    )
    assert some == evaluate(model, policy, rng=rng(), episodes=10)
    asked = evaluate(model, policy, rng=rng(), episodes=10, beliefs=200)
    assert asked.residual_beliefs == 200


def vectors_policy(model: Model, n: int) -> SolvedPolicy:
    policy = pomdptool.solve(model, "qmdp").policy
    values = rng().normal(size=(n, model.n_states))
    return replace(policy, values=AlphaVectors(np.zeros(n, np.int64), values))


def test_policies_that_are_slow_to_simulate_have_fewer_episodes() -> None:
    model = tiger()
    assert default_episodes(model, pomdptool.solve(model).policy, None) == 1000
    assert default_episodes(model, vectors_policy(model, 100), None) == 1000
    assert default_episodes(model, vectors_policy(model, 500_000), None) == 20
    assert default_episodes(model, vectors_policy(model, 500_000), 2) == 1000
