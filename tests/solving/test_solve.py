from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import naive_planning as naive
import pomdptool
from models import PROBLEMS, SHARED, random_beliefs, random_model, tiger
from pomdptool.model import Model, make_model
from pomdptool.solving.bounds import fixed_point
from pomdptool.solving.solution import Monitor

BOUNDS = ("mdp", "qmdp", "fib", "blind")


@pytest.mark.parametrize("method", BOUNDS)
@pytest.mark.parametrize("seed", range(4))
def test_bounds_agree_with_the_oracle_at_a_horizon(seed: int, method: str) -> None:
    model = random_model(seed, n_states=3, n_actions=3)
    solution = pomdptool.solve(model, method, horizon=4)
    vectors = np.array([row.values for row in solution.policy.values.rows()])
    assert_allclose(vectors, naive.bound(model, method, 4), rtol=1e-10)


@pytest.mark.parametrize("method", BOUNDS)
@pytest.mark.parametrize("seed", range(4))
def test_fixed_points_are_valid_bounds(seed: int, method: Any) -> None:
    model = random_model(seed, discount=0.8)
    for precision in (1.0, 1e-3, 1e-9):
        Q = fixed_point(model, method, precision=precision, horizon=None, monitor=Monitor()).Q
        exact = naive.bound(model, method, 120)
        side = Q - exact if method != "blind" else exact - Q
        assert side.min() >= -1e-9
        assert side.max() <= 0.002 * precision * max(1.0, np.abs(exact).max()) + 1e-9


@pytest.mark.parametrize("seed", range(5))
def test_exact_agrees_with_expectimax(seed: int) -> None:
    model = random_model(seed, n_states=2 + seed % 3)
    for horizon in (1, 2, 4):
        solution = pomdptool.solve(model, "exact", horizon=horizon)
        for b in random_beliefs(10, model.n_states, seed):
            expected = naive.expectimax(model, b, horizon)
            assert_allclose(solution.policy.value(b), expected, rtol=1e-8, atol=1e-8)
        start = naive.expectimax(model, model.start, horizon)
        assert solution.bounds.lower - 1e-9 <= start <= solution.bounds.upper + 1e-9
        assert solution.bounds.gap < 1e-6


@pytest.mark.parametrize("seed", range(5))
def test_certified_error_holds_at_all_beliefs(seed: int) -> None:
    """No Bellman backup may exceed the vectors by more than the certified error."""
    model = random_model(seed, n_states=3, discount=0.9)
    solution = pomdptool.solve(model, "exact", precision=1e-4)
    assert solution.converged
    value = solution.policy.values.value  # also of no belief, where p is 0
    for b in random_beliefs(300, 3, seed):
        backup = -np.inf
        for a in range(model.n_actions):
            value_of_action = naive.expected_reward(model, b, a)
            for o in range(model.n_observations):
                after, p = naive.update(model, b, a, o)
                value_of_action += model.discount * p * value(after)
            backup = max(backup, value_of_action)
        assert backup - value(b) <= solution.bounds.gap * (1 - model.discount) + 1e-9


@pytest.mark.parametrize("seed", range(6))
def test_bounds_bracket_the_exact_value_in_order(seed: int) -> None:
    model = random_model(seed, n_states=4, n_actions=3, n_observations=2, discount=0.8)
    exact = pomdptool.solve(model, "exact", precision=1e-3).bounds
    upper = [pomdptool.solve(model, m, precision=1e-6).bounds.upper for m in ("mdp", "qmdp", "fib")]
    lower = pomdptool.solve(model, "blind", precision=1e-6).bounds.lower
    assert lower <= exact.upper + 1e-6
    assert exact.lower <= upper[2] + 1e-6
    assert upper[2] <= upper[1] + 1e-6 <= upper[0] + 2e-6


def test_tiger_with_infinite_horizon() -> None:
    solution = pomdptool.solve(tiger(), "exact")
    assert solution.converged
    assert solution.stop_reason == "precision"
    assert solution.bounds.lower == pytest.approx(19.371368, abs=1e-4)
    assert solution.bounds.lower <= 19.3713685
    assert solution.bounds.upper >= 19.3713675
    assert solution.policy.act(tiger().start) == 0
    assert solution.policy.act(np.array([0.01, 0.99])) == 1


def test_costs_are_minimised() -> None:
    costly = make_model(
        np.ones((2, 1, 1)), np.ones((2, 1, 1)), [[-3.0], [-2.0]], discount=0.5, costs=True
    )
    solution = pomdptool.solve(costly, "exact")
    assert solution.policy.act(np.ones(1)) == 1
    assert solution.bounds.lower == pytest.approx(-4.0, abs=1e-3)


def test_a_model_that_reveals_its_state_agrees_with_qmdp() -> None:
    rng = np.random.default_rng(3)
    T = rng.dirichlet(np.ones(4), size=(2, 4))
    model = make_model(T, None, rng.normal(size=(2, 4)), discount=0.9)
    exact = pomdptool.solve(model, "exact", precision=1e-6).bounds
    qmdp = pomdptool.solve(model, "qmdp", precision=1e-6).bounds
    assert exact.lower == pytest.approx(qmdp.upper, abs=1e-4)


def test_discount_one_requires_a_horizon() -> None:
    model = replace(tiger(), discount=1.0)
    for method in ("exact", *BOUNDS):
        with pytest.raises(pomdptool.PomdpError, match="horizon"):
            pomdptool.solve(model, method)
    assert pomdptool.solve(model, "exact", horizon=1).bounds.lower == pytest.approx(-1.0)
    assert pomdptool.solve(model, "exact", discount=0.5).converged


def test_unknown_methods_suggest_a_similar_name() -> None:
    with pytest.raises(pomdptool.PomdpError, match="did you mean 'exact'"):
        pomdptool.solve(tiger(), "exakt")


def test_limits_return_certified_bounds() -> None:
    hard = random_model(1, n_states=8, n_actions=4, n_observations=4, discount=0.99)
    exact = pomdptool.solve(hard, "fib").bounds
    for options in ({"time_limit": 0.3}, {"max_vectors": 20}):
        solution = pomdptool.solve(hard, "exact", precision=1e-12, **options)
        assert solution.stop_reason in ("time-limit", "max-vectors")
        assert not solution.converged
        assert solution.bounds.lower <= solution.bounds.upper
        assert solution.bounds.lower <= exact.upper
        finite = pomdptool.solve(hard, "exact", horizon=50, **options)
        value = pomdptool.solve(hard, "fib", horizon=50).bounds
        assert not finite.converged
        assert finite.bounds.lower <= value.upper
        assert finite.bounds.upper >= value.lower


def test_interrupts_return_the_best_result_so_far() -> None:
    asked: list[bool] = []

    def interrupted() -> bool:
        asked.append(True)
        return len(asked) > 20

    solution = pomdptool.solve(
        random_model(2, n_states=6, n_observations=4), "exact", interrupted=interrupted
    )
    assert solution.stop_reason == "interrupted"
    assert solution.bounds.lower <= solution.bounds.upper


def test_progress_is_reported_and_kept() -> None:
    reports: list[pomdptool.Progress] = []
    solution = pomdptool.solve(tiger(), "exact", on_step=reports.append)
    assert set(solution.trace) <= set(reports)
    assert [p.iteration for p in solution.trace] == list(range(1, len(solution.trace) + 1))
    assert all(p.lower <= p.upper for p in reports)


@pytest.mark.parametrize("path", PROBLEMS, ids=lambda path: path.stem)
def test_every_problem_has_bounds_that_do_not_cross(path: Any) -> None:
    model = pomdptool.load(path)
    if model.discount == 1.0:
        model = replace(model, discount=0.95)
    bounds = [pomdptool.solve(model, m, time_limit=2.0).bounds for m in BOUNDS]
    assert max(b.lower for b in bounds) <= min(b.upper for b in bounds) + 1e-9


# ------------------------------------------------- reference solver


def reference() -> Iterator[Any]:
    file = SHARED / "reference" / "exact.json"
    if file.exists():
        for result in json.loads(file.read_text())["results"]:
            yield pytest.param(result, id=f"{result['problem']}-{result['horizon']}")


ROUNDED = {"1d.POMDP": 2e-6, "aloha-10max.POMDP": 5e-6}
"""Tolerances for files with six-digit rows, which the reference solver does not renormalise."""


@pytest.mark.filterwarnings("ignore::pomdptool.PomdpWarning")
@pytest.mark.parametrize("result", list(reference()))
def test_values_agree_with_the_reference(result: dict[str, Any]) -> None:
    model: Model = pomdptool.load(SHARED / "problems" / result["problem"])
    horizon = result["horizon"] or None
    solution = pomdptool.solve(model, "exact", horizon=horizon, precision=1e-6)
    assert solution.converged
    tolerance = ROUNDED.get(result["problem"], 1e-6 if horizon else 3e-6)
    for point in result["points"]:
        value = solution.policy.value(np.array(point["belief"]))
        assert_allclose(value, point["value"], rtol=tolerance, atol=tolerance)
