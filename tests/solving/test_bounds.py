"""Bounds of MDP, QMDP, FIB and blind policies: rounding, slowly mixing chains, limits, reports."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import pomdptool
from models import ROOT, SHARED, random_model, tiger
from pomdptool.commands.main import cli
from pomdptool.commands.report import show_solution
from pomdptool.model import Model, make_model
from pomdptool.policy import Bounds
from pomdptool.solving.bounds import OPERATORS, Method, fixed_point
from pomdptool.solving.graph_evaluation import evaluate
from pomdptool.solving.observed import policy_iteration
from pomdptool.solving.solution import Monitor, Solution
from pomdptool.solving.solve import METHODS

CASES = ROOT / "tests" / "cases"
BOUNDS: tuple[Method, ...] = ("mdp", "qmdp", "fib", "blind")

every_bound = pytest.mark.parametrize("method", BOUNDS)


def case(name: str) -> Model:
    return pomdptool.load(CASES / f"{name}.pomdp")


def graph_value(model: Model, solution: Solution) -> float:
    """Value of the policy graph at the initial belief."""
    graph = solution.policy.graph
    assert graph is not None
    return graph.initial_value(evaluate(model, graph), model.start)


def table(*args: str | Path) -> str:
    """Report of `pomdptool solve`."""
    result = CliRunner().invoke(cli, ["solve", *map(str, args)], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stderr


# ---------------------------------------------------------------- rounding


@every_bound
def test_precision_below_rounding_stops_with_reason_rounding(method: Method) -> None:
    solution = pomdptool.solve(case("float-cycle"), method, precision=1e-13)
    assert solution.stop_reason == "rounding"
    assert not solution.converged
    coarse = pomdptool.solve(case("float-cycle"), method, precision=1e-6)
    assert coarse.bounds.lower - 1e-9 <= solution.bounds.lower
    assert solution.bounds.upper <= coarse.bounds.upper + 1e-9


def test_exact_iterates_even_if_its_initial_bounds_stop_by_rounding() -> None:
    solution = pomdptool.solve(case("float-cycle"), "exact", precision=1e-13, time_limit=0.5)
    assert solution.policy.stats["iterations"] > 0
    assert solution.bounds.lower <= 21.4787168 <= solution.bounds.upper


@every_bound
@pytest.mark.parametrize("seed", range(10))
def test_bounds_never_cross(method: Method, seed: int) -> None:
    """Not even by one unit in the last place, if both are the optimum."""
    rng = np.random.default_rng(seed)
    T = rng.dirichlet(np.ones(4), size=(1, 4))
    for g in (0.0, 0.3, 0.9, 0.9999):
        model = make_model(T, None, rng.normal(size=(1, 4)), discount=g)
        for options in ({"precision": 1e-15}, {"horizon": 3}):
            bounds = pomdptool.solve(model, method, **options).bounds
            assert bounds.lower <= bounds.upper


@every_bound
@pytest.mark.parametrize("discount", [0.0, 0.7, 0.999])
def test_enclosures_hold_to_the_last_bit(method: Method, discount: float) -> None:
    """Compared with one application of H in exact rational arithmetic."""
    from fractions import Fraction

    model = random_model(3, n_states=3, discount=discount)
    Q = fixed_point(model, method, precision=1e-15, horizon=None, monitor=Monitor()).Q
    exact = [[Fraction(x) for x in row] for row in Q.tolist()]
    side = -1 if method == "blind" else 1
    for a in range(2):
        for s in range(3):
            after = Fraction(float(model.expected_rewards[a, s]))
            for branch in rational_branches(model, method, exact, a, s):
                after += Fraction(discount) * branch
            assert side * (exact[a][s] - after) >= 0


def rational_branches(model: Model, method: Method, Q: Any, a: int, s: int) -> Any:
    """Terms of the sum over branches in the equations of `bounds`."""
    from fractions import Fraction

    S, A = range(model.n_states), range(model.n_actions)
    T = [Fraction(float(model.T[a, s, s2])) for s2 in S]
    if method == "blind":
        return [sum(T[s2] * Q[a][s2] for s2 in S)]
    if method in ("mdp", "qmdp"):
        return [sum(T[s2] * max(Q[k][s2] for k in A) for s2 in S)]
    Z = [[Fraction(float(model.Z[a, s2, o])) for s2 in S] for o in range(model.n_observations)]
    return [max(sum(T[s2] * z[s2] * Q[k][s2] for s2 in S) for k in A) for z in Z]


# ---------------------------------------------------------------- slowly mixing chains


@every_bound
def test_absorbing_states_need_few_sweeps(method: Method) -> None:
    model = case("slow-chain")
    table = fixed_point(model, method, precision=1e-3, horizon=None, monitor=Monitor())
    assert table.sweeps <= 5
    best = 10_000.0 * np.array([[1.0, 0.0], [0.0, 0.7]])
    if method != "blind":
        best = model.expected_rewards + 0.9999 * best.max(axis=0)
        if method == "fib":  # the observation tells nothing: one action serves both states
            best = np.minimum(best, table.Q + 0.1)
    assert np.abs(table.Q - best).max() <= 0.1


@pytest.mark.parametrize("discount", [0.9999, 0.999999])
def test_slow_chains_are_solved_exactly(discount: float) -> None:
    for name in ("slow-chain", "ejs6-0.99999"):
        began = time.process_time()
        solution = pomdptool.solve(case(name), "exact", discount=discount)
        assert solution.converged
        assert time.process_time() - began < 5.0
    assert solution.bounds.lower == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize("discount", [0.9999, 0.99999])
def test_tiger_at_a_discount_near_one(discount: float) -> None:
    solution = pomdptool.solve(tiger(discount), "exact", time_limit=20.0)
    assert solution.stop_reason == "precision"
    assert solution.bounds.lower == pytest.approx(1.0837 / (1.0 - discount), rel=1e-3)
    assert graph_value(tiger(discount), solution) >= solution.bounds.lower


def test_large_systems_are_solved_without_lu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = replace(random_model(1, n_states=6), discount=0.9999)
    expected = fixed_point(model, "fib", precision=1e-6, horizon=None, monitor=Monitor()).Q
    monkeypatch.setattr(policy_iteration, "MAX_FACTORING", 0)
    Q = fixed_point(model, "fib", precision=1e-6, horizon=None, monitor=Monitor()).Q
    np.testing.assert_allclose(Q, expected, rtol=1e-8)


@every_bound
def test_greedy_policy_attains_the_backup(method: Method) -> None:
    """H x = r + M x for the policy that is greedy for x."""
    model = random_model(2, n_states=4, n_actions=3)
    operator = OPERATORS[method](model)
    x = np.random.default_rng(0).normal(size=operator.shape)
    applied = operator.apply(x)
    matrix, r = applied.policy()
    np.testing.assert_allclose(r + matrix @ x.ravel(), applied.value.ravel(), atol=1e-12)


@every_bound
@pytest.mark.parametrize("checks", [0, 1, 3, 10])
def test_stopped_iterations_return_valid_bounds(method: Method, checks: int) -> None:
    model = replace(random_model(4), discount=0.99)
    count = iter(range(10**6))
    monitor = Monitor(interrupted=lambda: next(count) >= checks)
    expected = fixed_point(model, method, precision=1e-9, horizon=None, monitor=Monitor()).Q
    stopped = fixed_point(model, method, precision=1e-9, horizon=None, monitor=monitor)
    side = -1.0 if method == "blind" else 1.0
    assert (side * (stopped.Q - expected)).min() >= -1e-6


@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared")
def test_delivery_is_fast() -> None:
    model = pomdptool.load(SHARED / "cases" / "delivery-0.999999.pomdp")
    for method in ("mdp", "qmdp", "fib", "blind"):
        bounds = pomdptool.solve(model, method, time_limit=10.0).bounds
        assert -12.0 <= bounds.lower <= -7.0
        assert 17.5 <= bounds.upper <= 19.0


# ---------------------------------------------------------------- reports of the gap


@pytest.mark.parametrize("name", ["frozen-bounds", "four-doors"])
def test_a_closed_gap_is_reported(name: str) -> None:
    """The run continues for other beliefs until it is stopped."""
    model = case(name)
    if name == "four-doors":
        model = replace(model, start=np.eye(5)[2])
    closed: list[bool] = [False]

    def on_step(p: pomdptool.Progress) -> None:
        closed[0] |= Bounds(p.lower, p.upper).closed(1e-3)

    solution = pomdptool.solve(
        model, "exact", on_step=on_step, interrupted=lambda: closed[0], time_limit=60.0
    )
    assert solution.stop_reason == "interrupted"
    assert solution.converged
    shown = io.StringIO()
    show_solution(solution, shown)
    assert "interrupted (gap closed at the initial belief; error elsewhere" in shown.getvalue()


def test_an_open_gap_is_reported(tmp_path: Path) -> None:
    shown = table(CASES / "float-cycle.pomdp", "--method", "blind", "-o", tmp_path / "p.json")
    assert "stopped by      fixed-point (remaining gap 9.18)" in shown
    shown = table(
        *(CASES / "float-cycle.pomdp", "--method", "blind", "--precision", "1e-13"),
        *("-o", tmp_path / "p.json"),
    )
    assert "rounding (remaining gap 9.18: the limit of this method)" in shown


def test_a_coarse_precision_is_not_reported_as_rounding() -> None:
    solution = pomdptool.solve(
        pomdptool.load(ROOT / "problems/network.pomdp"), precision=0.01, method="exact"
    )
    assert solution.stop_reason == "precision"


# ---------------------------------------------------------------- policy files


LIMITS: dict[str, dict[str, Any]] = {
    "time": {"time_limit": 0.0},
    "some time": {"time_limit": 0.3},
    "vectors": {"max_vectors": 5},
    "memory": {"memory": 1},
    "interrupt": {"interrupted": lambda: True},
}


@pytest.mark.parametrize("method", ["exact", "perseus", "blind", "qmdp", "fib", "mdp"])
@pytest.mark.parametrize("limit", LIMITS.values(), ids=LIMITS)
def test_the_policy_of_a_stopped_run_attains_its_lower_bound(
    method: str, limit: dict[str, Any]
) -> None:
    model = case("early-graph")
    rng = np.random.default_rng(1)
    solution = pomdptool.solve(model, method, rng=rng, precision=1e-9, **limit)
    slack = 1e-9 * abs(solution.bounds.lower)
    assert graph_value(model, solution) >= solution.bounds.lower - slack


@pytest.mark.parametrize("method", ["exact", "blind", "fib"])
@pytest.mark.parametrize("checks", [0, 3, 10, 25, 60, 200])
@pytest.mark.parametrize("make", [tiger, lambda: case("mdp-start"), lambda: case("four-doors")])
def test_a_policy_stopped_before_the_horizon_covers_all_steps(
    method: str, checks: int, make: Callable[[], Model]
) -> None:
    """The remaining steps repeat an action that attains the bound on their return."""
    model, count = make(), iter(range(10**6))
    solution = pomdptool.solve(model, method, horizon=12, interrupted=lambda: next(count) >= checks)
    if solution.policy.stats["iterations"] == 0:
        return
    assert graph_value(model, solution) >= solution.bounds.lower - 1e-9


# ---------------------------------------------------------------- scale of rewards


def test_tiny_rewards_have_tiny_errors() -> None:
    bounds = pomdptool.solve(case("horizon-tiny"), horizon=2).bounds
    assert 0.0 <= bounds.gap <= 1e-18
    for pruning in ("incremental", "witness", "linear-support", "enumerate"):
        same = pomdptool.solve(case("horizon-tiny"), horizon=2, algorithm=pruning).bounds
        assert same.lower == pytest.approx(bounds.lower, rel=1e-9)
        assert same.gap <= 1e-16


def test_one_huge_reward_leaves_a_reported_error() -> None:
    solution = pomdptool.solve(case("horizon-wide"), horizon=4)
    assert solution.bounds.lower <= 0.241056 <= solution.bounds.upper
    assert solution.converged == solution.bounds.closed(1e-3)
    assert solution.stop_reason == ("horizon" if solution.converged else "rounding")
    assert pomdptool.solve(case("horizon-wide"), horizon=4, precision=0.1).converged


def test_the_graph_starts_with_the_vector_of_the_lower_bound() -> None:
    """At a coarse precision one-step look-ahead may be worse than the best vector."""
    T = [
        [
            [0.99, 0.009, 0.001, 0.0],
            [0.0, 0.99, 0.01, 0.0],
            [0.0, 0.0, 0.99, 0.01],
            [0, 0.01, 0, 0.99],
        ],
        np.eye(4),
    ]
    Z = [
        [[1.0, 0.0], [1.0, 0.0], [0.4, 0.6], [0.001, 0.999]],
        [[0.003, 0.997], [1.0, 0.0], [0.001, 0.999], [0.3, 0.7]],
    ]
    R = [[1640.0, 507.0, 964.0, -1028.0], [785.0, -1715.0, 636.0, 1237.0]]
    start = [0.38, 0.07, 0.29, 0.26]
    for precision in (1.0, 0.3, 0.1, 0.03):
        model = make_model(np.array(T), Z, R, discount=0.3, start=start)
        solution = pomdptool.solve(model, "exact", precision=precision)
        assert graph_value(model, solution) >= solution.bounds.lower - 1e-9


@pytest.mark.parametrize("scale", [1e-160, 1e-250])
@pytest.mark.parametrize("method", METHODS)
def test_rewards_whose_squares_are_zero(method: str, scale: float) -> None:
    model = tiger()
    small = make_model(
        model.T, model.Z, scale * model.expected_rewards, discount=model.discount, start=model.start
    )
    rng = np.random.default_rng(1)
    solution = pomdptool.solve(small, method, rng=rng, time_limit=2.0)
    assert solution.bounds.lower <= 19.3714 * scale <= solution.bounds.upper
