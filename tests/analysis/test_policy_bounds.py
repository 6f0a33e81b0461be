"""Bounds at a belief enclose the optimum; histories, horizons, MDPs, vectors on faces."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models import ROOT, random_beliefs, random_model, tiger
from pomdptool.analysis.ask import policy_at, policy_info
from pomdptool.errors import ModelError, PolicyError
from pomdptool.formats.dump import dump
from pomdptool.formats.models import load
from pomdptool.formats.policy.read import load_policy
from pomdptool.model import Model, make_model
from pomdptool.policy import AlphaVectors, SolvedPolicy
from pomdptool.solving.solve import solve

METHODS = ["exact", "sarsop", "perseus", "qmdp", "fib", "mdp", "blind"]


def solved(model: Model, method: str, **options: object) -> SolvedPolicy:
    if method == "perseus":
        options |= {"time_limit": 0.3, "rng": np.random.default_rng(1)}
    return solve(model, method, **options).policy  # type: ignore[arg-type]


def optimum(model: Model, horizon: int | None = None) -> SolvedPolicy:
    return solve(model, "exact", precision=1e-9, horizon=horizon).policy


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_bounds_enclose_the_optimum(method: str, seed: int) -> None:
    model = random_model(seed) if seed else tiger()
    best, policy = optimum(model), solved(model, method, precision=1e-2)
    for b in [*random_beliefs(8, model.n_states), model.start]:
        low, high = policy_at(policy, b, model).bounds
        assert low - 1e-7 <= best.value(b) <= high + 1e-7
        low, high = policy_at(policy, b).bounds  # without the model
        assert low - 1e-7 <= best.value(b) <= high + 1e-7


@pytest.mark.parametrize("method", ["exact", "qmdp", "fib", "mdp", "blind"])
@pytest.mark.parametrize("horizon", [1, 3])
def test_bounds_enclose_the_optimum_of_a_horizon(method: str, horizon: int) -> None:
    model = tiger()
    best, policy = optimum(model, horizon), solved(model, method, horizon=horizon)
    for b in [*random_beliefs(8, 2), model.start]:
        low, high = policy_at(policy, b, model).bounds
        assert low - 1e-9 <= best.value(b) <= high + 1e-9


def test_tiger_at_a_belief() -> None:
    """The value at (0.3, 0.7) is 20.03: listen."""
    model = tiger()
    answer = policy_at(solved(model, "exact"), {"tiger-left": 0.3, "tiger-right": 0.7}, model)
    assert answer.action == "listen"
    assert answer.value == pytest.approx(20.03, abs=0.005)
    assert answer.bounds[0] == pytest.approx(20.03, abs=0.005)
    assert answer.action_values is not None
    assert answer.action_values[0] == pytest.approx(answer.value, abs=1e-3)
    # Opening the left door leaves the belief at (0.5, 0.5), whose value is 19.3714.
    assert answer.action_values[1] == pytest.approx(0.3 * -100 + 7 + 0.95 * 19.3714, abs=1e-3)


def test_without_the_model_there_are_no_action_values() -> None:
    policy = solved(tiger(), "sarsop")
    answer = policy_at(policy, [0.3, 0.7])
    assert answer.action_values is None
    assert answer.value == policy.value([0.3, 0.7]) == answer.bounds[0]
    assert answer.bounds[1] == np.inf


def test_the_initial_belief_has_the_bounds_of_the_policy() -> None:
    policy = solved(tiger(), "qmdp")
    expected = (policy.bounds.lower, policy.bounds.upper)
    assert policy_at(policy).bounds == pytest.approx(expected, rel=1e-12)


def test_vectors_of_unknown_origin_are_no_bound() -> None:
    """Vectors may be wrong, so their value is not certified."""
    model = tiger()
    wrong = AlphaVectors(np.array([1]), np.array([[1000.0, 1000.0]]))
    policy = replace(solved(model, "sarsop"), method="alpha", values=wrong, graph=None)
    policy = replace(policy, bounds=replace(policy.bounds, lower=-np.inf, upper=np.inf))
    answer = policy_at(policy, [0.3, 0.7], model)
    assert answer.value == 1000.0
    best = optimum(model).value([0.3, 0.7])
    assert answer.bounds[0] <= best <= answer.bounds[1] < 1000.0


# ---------------------------------------------------------------- histories


def test_a_history_moves_the_belief() -> None:
    model = tiger()
    policy = solved(model, "sarsop")
    heard = [("listen", "hear-left")] * 2
    answer = policy_at(policy, None, model, history=heard)
    assert answer.belief == pytest.approx([0.7225 / 0.745, 0.0225 / 0.745])
    assert answer.action == "open-right"
    assert policy_at(policy, [0.15, 0.85], model, history=heard[:1]).action == "listen"


def test_a_graph_is_followed_after_a_history() -> None:
    """The action is the node's, also where the vectors would choose another."""
    model = tiger()
    policy = solved(model, "blind")
    heard = [("listen", "hear-left")] * 3
    assert policy_at(policy, None, model, history=heard).action == "listen"
    opened = solved(model, "exact", horizon=3)
    assert opened.graph is not None
    answer = policy_at(opened, None, model, history=heard[:2])
    node = opened.graph.start
    for _ in range(2):
        node = int(opened.graph.next[node, 0])
    assert answer.action == model.actions[opened.graph.actions[node]]


def test_a_history_needs_the_model() -> None:
    policy = solved(tiger(), "sarsop")
    with pytest.raises(PolicyError, match="needs the model"):
        policy_at(policy, history=[("listen", "hear-left")])


def test_wrong_questions() -> None:
    model = tiger()
    policy = solved(model, "sarsop")
    with pytest.raises(ModelError, match="did you mean 'hear-left'"):
        policy_at(policy, None, model, history=[("listen", "hear-lef")])
    with pytest.raises(ModelError, match="sum to 1"):
        policy_at(policy, [0.3, 0.3], model)
    with pytest.raises(PolicyError, match="another model"):
        policy_at(policy, [0.3, 0.7], tiger(0.9))


# ---------------------------------------------------------------- horizons


def test_values_of_actions_with_a_horizon() -> None:
    model = tiger()
    staged = solve(model, "exact", horizon=3, all_horizons=True).policy
    q = staged.action_values([0.3, 0.7], model)
    assert q.max() == pytest.approx(staged.value([0.3, 0.7]), abs=1e-9)
    assert q[1] == pytest.approx(-23.0 + 0.95 * optimum(model, 2).value([0.5, 0.5]), abs=1e-9)
    one = solve(model, "exact", horizon=1).policy
    assert one.action_values([0.3, 0.7], model) == pytest.approx([-1.0, -23.0, -67.0])
    with pytest.raises(PolicyError, match="--all-horizons"):
        solve(model, "exact", horizon=3).policy.action_values([0.3, 0.7], model)


def test_a_history_uses_up_the_horizon() -> None:
    model = tiger()
    staged = solve(model, "exact", horizon=3, all_horizons=True).policy
    answer = policy_at(staged, None, model, history=[("listen", "hear-left")])
    assert answer.value == pytest.approx(optimum(model, 2).value([0.85, 0.15]), abs=1e-9)
    without = solve(model, "exact", horizon=3).policy
    assert policy_at(without, None, model, history=[("listen", "hear-left")]).value is None
    with pytest.raises(PolicyError, match="ends after 3 steps"):
        policy_at(staged, None, model, history=[("listen", "hear-left")] * 3)


def test_a_stopped_horizon_is_bounded_as_a_whole() -> None:
    """Vectors for fewer steps are no bound for the whole horizon."""
    model = tiger()
    best = optimum(model, 8)
    policy = replace(
        optimum(model, 2), horizon=8, converged=False, stop_reason="time-limit", graph=None,
        stats={"iterations": 2}, bounds=best.bounds,
    )  # fmt: skip
    for b in np.array([[0.3, 0.7], [0.97, 0.03], [0.5, 0.5]]):
        low, high = policy_at(policy, b, model).bounds
        assert low - 1e-9 <= best.value(b) <= high + 1e-9


# ---------------------------------------------------------------- costs, MDPs, faces


def test_costs_are_negated_rewards() -> None:
    model = tiger()
    costs = replace(model, costs=True)
    answers = [policy_at(solved(m, "exact"), [0.3, 0.7], m) for m in (model, costs)]
    assert answers[0].bounds == pytest.approx(answers[1].bounds)
    assert answers[0].value == answers[1].value


def test_an_mdp_is_asked_at_a_state() -> None:
    T = np.array([[[0.0, 1.0], [0.0, 1.0]], [[1.0, 0.0], [1.0, 0.0]]])
    model = make_model(T, None, np.array([[0.0, 1.0], [0.0, 0.0]]), discount=0.5)
    policy = solve(model, "mdp").policy
    answer = policy_at(policy, {"0": 1.0}, model)
    assert answer.action == "0"
    assert answer.bounds == pytest.approx((1.0, 1.0), abs=1e-3)
    with pytest.raises(PolicyError, match="at one state"):
        policy_at(policy, [0.5, 0.5], model)


def test_vectors_on_faces_need_the_model(tmp_path: Path) -> None:
    model = load(ROOT / "problems" / "maze-4x3.pomdp")
    dump(solve(model, "exact").policy, tmp_path / "p.json")
    with pytest.raises(PolicyError, match="the model is needed"):
        policy_at(load_policy(tmp_path / "p.json"))
    answer = policy_at(load_policy(tmp_path / "p.json", model), None, model)
    assert answer.action_values is not None
    assert answer.action_values.max() == pytest.approx(answer.value)


def test_info_of_a_policy() -> None:
    policy = solved(tiger(), "sarsop")
    info = policy_info(policy)
    assert (info.problem, info.method, info.value_function) == ("tiger", "sarsop", "lower")
    assert info.first_action == "listen"
    assert info.bounds == (policy.bounds.lower, policy.bounds.upper)
    assert info.nodes is not None
    assert policy_info(solved(tiger(), "fib")).value_function == "upper"
    assert policy_info(solved(tiger(), "exact", horizon=2)).horizon == 2
