"""The anytime solver at its limits: rounding, discounts near 1, time; the same in each run."""

from __future__ import annotations

import contextlib
import json
import time
from fractions import Fraction
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

import pomdptool
from models import ROOT, random_model, tiger
from pomdptool.formats.policy.write import encode_policy
from pomdptool.kernels import jit
from pomdptool.kernels.sarsop import layout
from pomdptool.kernels.sarsop.policy_evaluation import dot
from pomdptool.model import Model, make_model
from pomdptool.policy import SolvedPolicy
from pomdptool.solving.bounds import fixed_point
from pomdptool.solving.graph_evaluation import evaluate
from pomdptool.solving.sarsop import search, solver, upper_iteration
from pomdptool.solving.sarsop.initial_bounds import round_down
from pomdptool.solving.sarsop.lower_evaluation import evaluate_controller
from pomdptool.solving.sarsop.solver import solve_sarsop
from pomdptool.solving.solution import LimitReached, Monitor

CASES = ROOT / "tests" / "cases"


def after_backups(n: int) -> Monitor:
    """Monitor that interrupts a search after a number of checks."""
    asked = [0]

    def interrupted() -> bool:
        asked[0] += 1
        return asked[0] > n

    return Monitor(interrupted=interrupted)


# ---------------------------------------------------------------- rounding


@pytest.mark.parametrize("precision", [1e-8, 1e-9, 1e-11])
def test_small_models_are_certified_closely(precision: float) -> None:
    exact = pomdptool.solve(tiger(), "exact", precision=1e-6).bounds
    solution = solve_sarsop(tiger(), precision=precision)
    assert solution.stop_reason == "precision"
    assert solution.bounds.gap <= precision * solution.bounds.lower
    assert solution.bounds.lower <= exact.upper
    assert solution.bounds.upper >= exact.lower


@pytest.mark.parametrize("name", ["tiger", "frozen-bounds"])
def test_a_gap_below_rounding_stops_the_search(name: str) -> None:
    model = tiger() if name == "tiger" else pomdptool.load(CASES / f"{name}.pomdp")
    solution = solve_sarsop(model, precision=1e-15)
    largest = abs(solution.bounds.lower)
    assert solution.stop_reason == "rounding"
    assert not solution.converged
    assert 0.0 < solution.bounds.gap < 1e-11 * largest


def test_frozen_bounds_close() -> None:
    solution = solve_sarsop(pomdptool.load(CASES / "frozen-bounds.pomdp"), precision=1e-10)
    assert solution.stop_reason == "precision"
    assert 556.86698 < solution.bounds.lower <= solution.bounds.upper < 556.86699


def test_a_stalled_search_stops() -> None:
    """Here thresholds, not rounding, keep the gap from closing."""
    with mock.patch.object(search, "MIN_GAIN", 1e6):
        solution = solve_sarsop(tiger(), precision=1e-4)
    assert solution.stop_reason == "rounding"
    assert not solution.converged


def test_vectors_never_exceed_their_backup() -> None:
    """In exact arithmetic, for every vector and state."""
    model = random_model(3, n_states=3, n_actions=2, n_observations=2, discount=0.9)
    run = solver.SarsopSearch(model, 1e-6, Monitor())
    run.initialise()
    run.monitor.interrupted = after_backups(40).interrupted
    with pytest.raises(LimitReached):
        run.run_to_convergence()
    values = run.solution("interrupted").policy.values
    T, Z, R = (np.vectorize(Fraction)(x) for x in (model.T, model.Z, model.expected_rewards))
    for k, vector in enumerate(values.values):  # type: ignore[attr-defined]
        a = values.actions[k]  # type: ignore[attr-defined]
        for s in range(3):
            continuation = sum(
                T[a, s, t] * Z[a, t, o] * Fraction(values.values[values.next[k, o]][t])  # type: ignore[attr-defined]
                for t in range(3)
                for o in range(2)
            )
            assert Fraction(vector[s]) <= R[a, s] + Fraction(model.discount) * continuation


def test_blind_values_are_rounded_down() -> None:
    model = random_model(5, n_states=4, n_actions=3, discount=0.999)
    Q = fixed_point(model, "blind", precision=1e-9, horizon=None, monitor=Monitor()).Q
    lowered = round_down(model, Q + 1e-7)
    assert (lowered <= Q + 1e-7).all()
    exact = [np.linalg.solve(np.eye(4) - 0.999 * T, r) for T, r in
             zip(model.T, model.expected_rewards, strict=True)]  # fmt: skip
    assert (lowered <= np.array(exact)).all()
    assert np.abs(lowered - exact).max() < 1e-3


def test_only_states_that_reach_an_excess_are_lowered() -> None:
    T = np.array([[[1.0, 0.0, 0.0], [0.5, 0.0, 0.5], [0.0, 0.0, 1.0]]])
    model = make_model(T, np.ones((1, 3, 1)), [[0.0, 0.0, 1.0]], discount=0.5)
    lowered = round_down(model, np.array([[0.0, 0.5, 2.1]]))
    assert lowered[0, 0] == 0.0
    assert lowered[0, 1] <= 0.4
    assert 1.9 < lowered[0, 2] <= 2.0


# ---------------------------------------------------------------- discounts near 1


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


def stopped(model: Model, calls: int) -> solver.SarsopSearch:
    """Stopped search that has not solved any linear system."""
    run = solver.SarsopSearch(model, 1e-9, Monitor())
    run.initialise()
    run.monitor.interrupted = after_backups(calls).interrupted
    run.upper.next = run.lower.next = search.UNLIMITED
    with pytest.raises(LimitReached):
        run.run_to_convergence()
    return run


@pytest.mark.parametrize("seed", [0, 1, 3])
def test_policy_iteration_agrees_with_many_sweeps(seed: int) -> None:
    """And stays above the optimum."""
    model = random_model(seed, n_states=3, n_actions=2, n_observations=2, discount=0.99)
    run, swept = stopped(model, 60), stopped(model, 60)
    before = run.search.bounds[0, layout.UPPER]
    assert upper_iteration.solve_upper_bound(run.blocks, run.search, 0) > 10
    solved = run.search.bounds[0, layout.UPPER]
    expanded = np.flatnonzero(swept.search.nodes[:, layout.EXPANSION] >= 0)
    swept.monitor.interrupted = None
    for _ in range(300):
        swept.back_up(expanded[::-1])
    limit = swept.search.bounds[0, layout.UPPER]
    optimum = pomdptool.solve(model, "exact", precision=1e-6).bounds
    assert solved < before
    assert solved >= optimum.lower - 1e-9
    assert before - solved > 0.5 * (before - limit)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_evaluated_controllers_attain_their_vectors(seed: int) -> None:
    model = random_model(seed, n_states=4, n_actions=3, n_observations=2, discount=0.999)
    run = stopped(model, 40)
    before = run.bounds.lower
    since = run.count(layout.N_RISES)
    assert evaluate_controller(run.blocks, run.search, 0) >= 4
    run.monitor.interrupted = None
    run.propagate(since)
    policy = run.solution("interrupted").policy
    assert policy.graph is not None
    value = evaluate(model, policy.graph)[0] @ model.start
    assert before < run.bounds.lower <= value + 1e-9
    assert run.bounds.lower == pytest.approx(value, rel=1e-6)


def test_large_graphs_are_left_to_sweeps() -> None:
    model = random_model(0, n_states=3, n_actions=2, n_observations=2, discount=0.99)
    run = stopped(model, 60)
    with mock.patch.object(upper_iteration, "MAX_NODES", 2):
        assert upper_iteration.solve_upper_bound(run.blocks, run.search, 0) == 0
    some = upper_iteration._reachable_nodes(run.blocks, run.search, 0)
    assert some[0] == 0
    assert 10 < len(np.unique(some)) == len(some)


def test_systems_that_gain_little_are_solved_less_often() -> None:
    schedule = solver.Schedule()
    times = []
    for gained in (False, False, True, True):
        schedule.reschedule(1000, 400, gained)
        times.append(schedule.next)
    assert times == [1512, 2024, 1400, 1400]


# ---------------------------------------------------------------- limits


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


def test_initial_bounds_are_available_before_slow_steps() -> None:
    model = random_model(1, n_states=40, n_actions=4, n_observations=5, discount=0.99)
    with mock.patch.object(search, "block_model", side_effect=MemoryError):
        solution = solve_sarsop(model)
    assert solution.stop_reason == "memory"
    assert np.isfinite([solution.bounds.lower, solution.bounds.upper]).all()
    assert solution.trace[0].lower <= solution.bounds.lower


def test_calls_of_interpreted_kernels_end_within_a_limit() -> None:
    """With more than a hundred states and interpreted kernels."""
    model = pomdptool.load(CASES / "dialog-5.pomdp")
    with (
        mock.patch.object(jit, "PATIENCE", np.inf),
        mock.patch.object(search, "request_compilation", return_value=None),
        mock.patch.object(jit.runtime, "compiled", new=False),
    ):
        began = time.process_time()
        solution = solve_sarsop(model, monitor=Monitor(time_limit=1.0))
    assert solution.stop_reason == "time-limit"
    assert time.process_time() - began < 2.5


# ---------------------------------------------------------------- reproducibility


def written(policy: SolvedPolicy) -> dict[str, Any]:
    """Policy document without times."""
    content: dict[str, Any] = json.loads(encode_policy(policy, "json", None))
    del content["stats"]["seconds"]
    content.pop("trace", None)
    return content


def test_results_do_not_depend_on_the_clock() -> None:
    """Nor on whether kernels are compiled, nor on the chunk size."""
    model = pomdptool.load(ROOT / "problems" / "maze-4x3.pomdp")

    def solved(compiled: bool, seconds: float, precision: float = 0.02) -> dict[str, Any]:
        with (
            mock.patch.object(jit, "PATIENCE", np.inf),
            mock.patch.object(jit.runtime, "compiled", new=compiled),
            mock.patch.object(search, "CHUNK_SECONDS", seconds),
        ):
            return written(solve_sarsop(model, precision=precision).policy)

    first = solved(True, 0.05)
    assert first["stats"]["backups"] > 200
    assert solved(False, 0.05) == first
    for precision in (0.1, 0.05, 0.03, 0.02, 0.01, 0.005, 0.002, 0.001):
        assert solved(True, 0.0, precision) == solved(True, 100.0, precision)


def test_trials_stop_at_the_same_backup_for_any_chunk_size() -> None:
    model = random_model(11, n_states=4, n_actions=3, n_observations=3, discount=0.97)
    made = set()
    for precision in np.geomspace(0.5, 0.02, 20):
        runs = [solver.SarsopSearch(model, float(precision), Monitor()) for _ in range(2)]
        for run, seconds in zip(runs, (0.0, 100.0), strict=True):
            with mock.patch.object(search, "CHUNK_SECONDS", seconds):
                run.backups_per_call = 1 if seconds == 0.0 else 10_000
                run.initialise()
                run.run_trials(5000)
        backups = [run.count(layout.N_BACKUPS) for run in runs]
        assert backups[0] == backups[1]
        assert runs[0].bounds == runs[1].bounds
        made.add(backups[0])
    assert len(made) > 5


def test_inner_products_agree_compiled_and_interpreted() -> None:
    options = {k: v for k, v in dot.targetoptions.items() if not k.startswith("no_")}
    compiled = jit._numba().njit(**options)(dot.py_func)
    x = np.random.default_rng(1).normal(size=1000)
    for n in (1, 2, 3, 4, 7, 60, 255):
        plain = dot.py_func(x, 3, 400, n)
        assert plain == pytest.approx(x[3 : 3 + n] @ x[400 : 400 + n], abs=1e-12)
        assert compiled(x, 3, 400, n) == plain


def test_a_limit_on_vectors_is_met_at_the_same_backup() -> None:
    model = pomdptool.load(ROOT / "problems" / "maze-4x3.pomdp")
    made = []
    for seconds in (0.0, 100.0):
        with mock.patch.object(search, "CHUNK_SECONDS", seconds):
            solution = solve_sarsop(model, precision=1e-9, monitor=Monitor(max_vectors=200))
        assert solution.stop_reason == "max-vectors"
        made.append(written(solution.policy))
    assert made[0] == made[1]


# ---------------------------------------------------------------- warm start


def test_the_default_method_resumes_its_own_result(tmp_path: Path) -> None:
    for name in ("resume-observed", "ejs6-0.99999"):
        model = pomdptool.load(CASES / f"{name}.pomdp")
        first = pomdptool.solve(model)
        pomdptool.dump(first.policy, tmp_path / "p.json")
        again = pomdptool.solve(model, resume=pomdptool.load_policy(tmp_path / "p.json", model))
        assert again.converged
        assert again.bounds.lower == pytest.approx(first.bounds.lower, abs=1e-6)


def test_results_of_other_methods_or_models_are_rejected() -> None:
    with pytest.raises(pomdptool.PomdpError, match="'qmdp' cannot be resumed"):
        pomdptool.solve(tiger(), resume=pomdptool.solve(tiger(), "qmdp").policy)
    observed = pomdptool.load(CASES / "resume-observed.pomdp")
    with pytest.raises(pomdptool.PomdpError):
        pomdptool.solve(observed, resume=pomdptool.solve(tiger()).policy)
