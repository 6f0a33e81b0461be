"""Error of the bounds from rounding and dropped probabilities."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

import pomdptool
from models import ROOT, random_model, tiger
from pomdptool import belief
from pomdptool.kernels.sarsop import layout
from pomdptool.model import make_model
from pomdptool.solving.sarsop import solver
from pomdptool.solving.sarsop.solver import solve_sarsop
from pomdptool.solving.solution import LimitReached, Monitor
from sarsop_searches import after_backups, belief_of, searched

CASES = ROOT / "tests" / "cases"


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


def test_dropping_unlikely_states_counts_as_drift() -> None:
    slip = 1e-13
    Z = np.array([[1.0 - slip, slip], [slip, 1.0 - slip]])
    half = np.full((2, 2), 0.5)
    model = make_model([np.eye(2), half, half], [Z, half, half], [[-1, -1], [-9, 5], [5, -9]],
                       discount=0.9)  # fmt: skip
    run = searched(model, 60)
    size = run.search.nodes[:, layout.N_SUPPORT]
    assert belief.update_belief(model, model.start, 0, 0)[0].min() > 0.0
    assert size.min() == 1
    for n in range(run.count(layout.N_NODES)):
        assert belief_of(run, n).sum() == pytest.approx(1.0, abs=1e-14)
    drift = run.search.f[layout.DRIFT]
    assert 1e-14 < drift < 1e-11
    assert run.error.upper_with(drift) > 10.0 * run.error.upper_with(0.0)
    exact = pomdptool.solve(model, "exact", precision=1e-6)
    assert run.bounds.lower <= exact.bounds.upper
    assert run.bounds.upper >= exact.bounds.lower
