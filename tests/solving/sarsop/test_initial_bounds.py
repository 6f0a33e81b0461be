"""Initial bounds: rounding of blind policies, and limits before the search."""

from __future__ import annotations

from unittest import mock

import numpy as np

from models import random_model
from pomdptool.model import make_model
from pomdptool.solving.bounds import fixed_point
from pomdptool.solving.sarsop import search
from pomdptool.solving.sarsop.initial_bounds import round_down
from pomdptool.solving.sarsop.solver import solve_sarsop
from pomdptool.solving.solution import Monitor


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


def test_initial_bounds_are_available_before_slow_steps() -> None:
    model = random_model(1, n_states=40, n_actions=4, n_observations=5, discount=0.99)
    with mock.patch.object(search, "block_model", side_effect=MemoryError):
        solution = solve_sarsop(model)
    assert solution.stop_reason == "memory"
    assert np.isfinite([solution.bounds.lower, solution.bounds.upper]).all()
    assert solution.trace[0].lower <= solution.bounds.lower
