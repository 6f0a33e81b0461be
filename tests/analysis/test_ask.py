"""Answers of a policy at beliefs: bounds that enclose the optimum, actions, costs, MDPs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import pomdptool as pt
from models import ROOT, tiger
from pomdptool.model import Model, make_model
from pomdptool.policy import check_fits


def random_model(seed: int, *, costs: bool = False) -> Model:
    rng = np.random.default_rng(seed)
    return make_model(
        rng.dirichlet(np.ones(3), (2, 3)), rng.dirichlet(np.ones(2), (2, 3)),
        rng.normal(size=(2, 3)), 0.9, costs=costs, start=rng.dirichlet(np.ones(3)),
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("method", ["sarsop", "qmdp", "blind", "fib", "exact"])
def test_bounds_enclose_the_optimum(seed: int, method: str) -> None:
    model = random_model(seed, costs=seed % 2 == 1)
    exact = pt.solve(model, "exact", precision=1e-8).policy
    policy = pt.solve(model, method, precision=1e-2).policy
    for b in np.random.default_rng(seed).dirichlet(np.ones(3), 20):
        answer, optimum = pt.policy_at(policy, b, model), exact.value(b)
        slack = 1e-6 * max(1.0, abs(optimum))
        assert answer.bounds[0] <= optimum + slack
        assert answer.bounds[1] >= optimum - slack
        assert answer.action == model.actions[policy.values.action(b)]


@pytest.mark.parametrize("horizon", [1, 2, 4])
def test_bounds_of_a_horizon(horizon: int) -> None:
    model = random_model(3)
    policy = pt.solve(model, horizon=horizon, all_horizons=True).policy
    for b in np.random.default_rng(1).dirichlet(np.ones(3), 10):
        answer = pt.policy_at(policy, b, model)
        assert answer.value is not None
        assert answer.action_values is not None
        assert answer.action_values.max() == pytest.approx(answer.value, abs=1e-9)
        assert answer.bounds[0] <= answer.value + 1e-9
        assert answer.bounds[1] >= answer.value - 1e-9


def test_action_values_agree_with_an_exact_policy() -> None:
    model = tiger()
    policy = pt.solve(model, "exact", precision=1e-9).policy
    for b in ([0.5, 0.5], (0.1, 0.9), {"tiger-right": 1.0}):
        q = policy.action_values(b, model)
        assert q.max() == pytest.approx(policy.value(b), abs=1e-6)
        assert int(q.argmax()) == policy.act(b)


def test_an_mdp_is_asked_at_a_state() -> None:
    model = make_model([np.eye(2), np.full((2, 2), 0.5)], None, [[0.0, 1.0], [0.5, 0.0]], 0.9)
    policy = pt.solve(model).policy
    assert pt.policy_at(policy, {"1": 1.0}, model).action == "0"
    with pytest.raises(pt.PolicyError, match="ask at one state"):
        pt.policy_at(policy, [0.5, 0.5], model)


def test_a_graph_is_followed_from_the_initial_belief() -> None:
    """`perseus` acts by its graph; away from its own actions the vectors decide."""
    model = tiger()
    policy = pt.solve(model, "perseus", precision=0.05, rng=1).policy
    graph = policy.graph
    assert graph is not None
    node = int(graph.next[graph.start, 0])
    first = model.actions[graph.actions[graph.start]]
    answer = pt.policy_at(policy, model=model, history=[(first, "hear-left")])
    assert answer.action == model.actions[graph.actions[node]]


def test_info_tells_what_the_values_are() -> None:
    model = tiger()
    kinds = {m: pt.policy_info(pt.solve(model, m)).value_function for m in ("exact", "fib")}
    assert kinds == {"exact": "optimal", "fib": "upper"}
    info = pt.policy_info(pt.solve(model))
    assert (info.value_function, info.first_action, info.horizon) == ("lower", "listen", None)
    assert info.nodes == 5


def test_the_model_is_checked() -> None:
    policy = pt.solve(tiger()).policy
    with pytest.raises(pt.PolicyError, match="another model"):
        pt.policy_at(policy, [0.5, 0.5], tiger(discount=0.9))
    with pytest.raises(pt.PolicyError, match="need the model"):
        policy.action_values([0.5, 0.5])
    check_fits(policy.problem, tiger())


def test_a_horizon_without_stages_says_so() -> None:
    model = tiger()
    policy = replace(pt.solve(model, "exact", horizon=3).policy, stages=())
    with pytest.raises(pt.PolicyError, match="--all-horizons"):
        policy.action_values([0.5, 0.5], model)
    assert pt.policy_at(policy, [0.5, 0.5], model).action_values is None


def test_belief_updates_agree_with_bayes() -> None:
    model = random_model(5)
    b = np.array([0.2, 0.3, 0.5])
    for a in range(2):
        for o in range(2):
            joint = (b @ model.T[a]) * model.Z[a, :, o]
            assert model.observation_probabilities(b, a)[o] == pytest.approx(joint.sum())
            np.testing.assert_allclose(model.update(b, a, o), joint / joint.sum(), atol=1e-14)
    tiger_model = pt.load(ROOT / "problems" / "tiger.pomdp")
    after = tiger_model.update({"tiger-left": 0.5, "tiger-right": 0.5}, "listen", "hear-left")
    assert after.tolist() == pytest.approx([0.85, 0.15])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.update([0.5, 0.5], "lisden", 0), "no action 'lisden'; did you mean 'listen'"),
        (lambda m: m.update([0.5, 0.5], 0, 2), "no observation 2: the indices are 0 to 1"),
        (lambda m: m.update([0.5], 0, 0), "must have 2 entries"),
        (lambda m: m.update({"x": 1}, 0, 0), "no state 'x'; the states are"),
        (lambda m: m.update([0.5, 0.6], 0, 0), "must sum to 1, not 1.1"),
        (lambda m: m.update([0.5, 0.5], True, 0), "expected a name or an index of a action|an"),
    ],
)
def test_wrong_questions_are_model_errors(call: object, message: str) -> None:
    with pytest.raises(pt.ModelError, match=message):
        call(tiger())  # type: ignore[operator]


def test_an_impossible_observation_is_an_error() -> None:
    model = make_model([np.eye(2)], [[[1, 0], [0, 1]]], None, 0.9)
    with pytest.raises(pt.ModelError, match="observation '1' is impossible after action '0'"):
        model.update([1, 0], 0, 1)
