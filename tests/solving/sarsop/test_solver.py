"""SARSOP: bounds and policies against exact solutions, discounts near 1, and limits."""

from __future__ import annotations

import contextlib
from typing import Any
from unittest import mock

import numpy as np
import pytest

import pomdptool
from models import PROBLEMS, ROOT, random_beliefs, random_model, tiger
from pomdptool.kernels.sarsop import layout
from pomdptool.linked import LinkedVectors
from pomdptool.model import Model, make_model
from pomdptool.solving.graph_evaluation import evaluate
from pomdptool.solving.sarsop import search, solver
from pomdptool.solving.sarsop.solver import solve_sarsop
from pomdptool.solving.solution import LimitReached, Monitor
from sarsop_searches import after_backups, models

CASES = ROOT / "tests" / "cases"


SMALL = [p for p in PROBLEMS if p.stem in ("tiger", "maze-4x3", "cheese-maze", "shuttle", "parr95")]


@pytest.mark.parametrize("model", models(), ids=lambda m: m.name)
def test_bounds_bracket_the_exact_value(model: Model) -> None:
    exact = pomdptool.solve(model, "exact", precision=1e-6)
    solution = solve_sarsop(model, precision=1e-2)
    assert solution.converged
    assert solution.bounds.gap <= 1e-2 * max(1.0, abs(solution.bounds.lower))
    assert solution.bounds.lower <= exact.bounds.upper
    assert exact.bounds.lower <= solution.bounds.upper
    for progress in solution.trace:
        assert progress.lower <= exact.bounds.upper
        assert exact.bounds.lower <= progress.upper


@pytest.mark.parametrize("path", SMALL, ids=lambda path: path.stem)
def test_small_problems_converge_to_the_exact_value(path: Any) -> None:
    model = pomdptool.load(path)
    exact = pomdptool.solve(model, "exact", precision=1e-5).bounds
    solution = solve_sarsop(model, precision=1e-3)
    assert solution.converged
    assert solution.stop_reason == "precision"
    assert solution.bounds.lower <= exact.upper
    assert exact.lower <= solution.bounds.upper


@pytest.mark.parametrize("path", PROBLEMS, ids=lambda path: path.stem)
def test_simulated_returns_lie_between_the_bounds(path: Any) -> None:
    """Mean return of simulated episodes of the controller."""
    model = pomdptool.load(path)
    if model.discount == 1.0:
        pytest.skip("discount 1")
    solution = solve_sarsop(model, monitor=Monitor(time_limit=1.0))
    policy = solution.policy
    assert solution.bounds.lower <= solution.bounds.upper
    assert isinstance(policy.values, LinkedVectors)
    mean, error = simulated(model, policy.values, 2000)
    assert solution.bounds.lower - error <= mean <= solution.bounds.upper + error


def simulated(model: Model, values: LinkedVectors, runs: int) -> tuple[float, float]:
    """Mean discounted return of a controller, over vectorised episodes, with its error margin.

    The margin is four standard errors plus the truncation error.
    """
    rng = np.random.default_rng(1)
    S, T, Z = model.n_states, model.sparse_T, model.sparse_Z
    g, r = model.discount, model.expected_rewards
    s = rng.choice(S, size=runs, p=model.start)
    node, total, weight = np.zeros(runs, np.int64), np.zeros(runs), 1.0

    def drawn(table: Any, rows: np.ndarray) -> np.ndarray:
        below = np.concatenate([[0.0], np.cumsum(table.data)])
        first = table.indptr[rows]
        aim = below[first] + rng.random(len(rows)) * (below[table.indptr[rows + 1]] - below[first])
        at = np.searchsorted(below, aim, side="right") - 1
        return np.asarray(table.indices[np.clip(at, first, table.indptr[rows + 1] - 1)])

    largest = float(np.abs(r).max()) / (1.0 - g) if g < 1.0 else 0.0
    while weight * largest > 1e-4 * max(1.0, largest):
        a = values.actions[node]
        total += weight * r[a, s]
        s = drawn(T, a * S + s)
        node = values.next[node, drawn(Z, a * S + s)]
        assert (node >= 0).all()
        weight *= g
    return float(total.mean()), float(4.0 * total.std() / np.sqrt(runs)) + weight * largest + 1e-9


def test_values_at_other_beliefs_are_lower_bounds() -> None:
    model = random_model(2, n_states=4, n_actions=3)
    exact = pomdptool.solve(model, "exact", precision=1e-6)
    solution = solve_sarsop(model)
    for b in random_beliefs(50, 4, 3):
        assert solution.policy.value(b) <= exact.policy.value(b) + 1e-5
        assert 0 <= solution.policy.act(b) < 3


def test_limits_return_the_best_result_so_far() -> None:
    hard = random_model(1, n_states=12, n_actions=4, n_observations=5, discount=0.99)
    fib = pomdptool.solve(hard, "fib").bounds
    for monitor, reason in (
        (Monitor(time_limit=0.0), "time-limit"),
        (Monitor(time_limit=0.5), "time-limit"),
        (Monitor(max_vectors=100), "max-vectors"),
        (Monitor(interrupted=lambda: True), "interrupted"),
    ):
        solution = solve_sarsop(hard, precision=1e-9, monitor=monitor)
        assert solution.stop_reason == reason
        assert not solution.converged
        assert solution.bounds.lower <= fib.upper
        assert solution.bounds.upper >= fib.lower


def test_discount_one_is_rejected() -> None:
    with pytest.raises(pomdptool.PomdpError, match="horizon"):
        solve_sarsop(tiger(discount=1.0))


def test_costs_are_minimised() -> None:
    costly = make_model(
        np.ones((2, 1, 1)), np.ones((2, 1, 1)), [[-3.0], [-2.0]], discount=0.5, costs=True
    )
    solution = solve_sarsop(costly)
    assert solution.bounds.lower == pytest.approx(-4.0, abs=1e-2)
    assert solution.policy.act(np.ones(1)) == 1


def test_a_stalled_search_stops() -> None:
    """Here thresholds, not rounding, keep the gap from closing."""
    with mock.patch.object(search, "MIN_GAIN", 1e6):
        solution = solve_sarsop(tiger(), precision=1e-4)
    assert solution.stop_reason == "rounding"
    assert not solution.converged


def test_hanks_closes() -> None:
    model = pomdptool.load(CASES / "hanks-0.999.pomdp")
    solution = solve_sarsop(model, monitor=Monitor(time_limit=60.0))
    assert solution.converged
    assert solution.bounds.lower <= 169.897
    assert solution.bounds.upper >= 169.895


def test_delivery_converges_quickly() -> None:
    """SARSOP: -7.0 to 17.5."""
    model = pomdptool.load(CASES / "delivery-0.999999.pomdp")
    run = solver.SarsopSearch(model, 1e-3, Monitor())
    run.initialise()
    with contextlib.suppress(LimitReached):
        run.monitor.interrupted = lambda: run.count(layout.N_BACKUPS) > 1000
        run.run_to_convergence()
    assert -7.0 <= run.bounds.lower <= run.bounds.upper <= 17.5


def test_ejs6_converges_at_once() -> None:
    model = pomdptool.load(CASES / "ejs6-0.99999.pomdp")
    solution = solve_sarsop(model)
    assert solution.converged
    assert -1e-6 <= solution.bounds.lower <= 0.0 <= solution.bounds.upper <= 1e-6
    assert solution.policy.stats["backups"] < 100


@pytest.mark.parametrize("name", ["tiger", "cheese-maze", "shuttle", "parr95", "maze-4x3"])
def test_small_problems_converge_near_discount_one(name: str) -> None:
    model = pomdptool.load(ROOT / "problems" / f"{name}.pomdp")
    discount = 0.99 if name == "maze-4x3" else 0.9999
    solution = pomdptool.solve(model, discount=discount, time_limit=60.0)
    assert solution.converged
    assert solution.policy.stats["backups"] < 40_000


def test_systems_that_gain_little_are_solved_less_often() -> None:
    schedule = solver.Schedule()
    times = []
    for gained in (False, False, True, True):
        schedule.reschedule(1000, 400, gained)
        times.append(schedule.next)
    assert times == [1512, 2024, 1400, 1400]


@pytest.mark.parametrize("calls", [*range(12), 15, 20, 40])
def test_an_interrupt_at_any_check_gives_certified_bounds(calls: int) -> None:
    model = pomdptool.load(ROOT / "problems" / "maze-4x3.pomdp")
    solution = solve_sarsop(model, monitor=after_backups(calls))
    assert solution.stop_reason == "interrupted"
    assert solution.bounds.lower <= 1.903852
    assert solution.bounds.upper >= 1.903850
    assert solution.policy.graph is not None
    assert evaluate(model, solution.policy.graph).max() > -np.inf
    again = pomdptool.solve(model, resume=solution.policy, precision=1e-2)
    assert again.converged


def test_a_larger_vector_replaces_a_smaller_one() -> None:
    model = pomdptool.load(next(p for p in PROBLEMS if p.stem == "tiger"))
    solution = solve_sarsop(model, precision=1e-3)
    assert solution.policy.stats["vectors"] < 20
    graph = solution.policy.graph
    assert graph is not None
    assert max(evaluate(model, graph)[0] @ model.start, -np.inf) >= solution.bounds.lower - 1e-9
