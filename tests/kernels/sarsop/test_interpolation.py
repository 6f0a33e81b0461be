"""Interpolation between points against a linear program."""

from __future__ import annotations

import numpy as np
import pytest

from models import random_model
from pomdptool.kernels.sarsop import interpolation, layout
from sarsop_searches import belief_of, corners_of, points_of, searched


def test_interpolation_agrees_with_a_linear_program() -> None:
    from scipy.optimize import linprog

    run = searched(random_model(5, n_states=3, n_actions=3, n_observations=3), 120)
    search = run.search
    below = 0
    for n in range(search.i[layout.N_NODES]):
        block = search.nodes[n, layout.BLOCK]
        states = run.blocks.states(block)
        others = [p for p in points_of(search, block) if p != n]
        columns = [*np.eye(len(states)), *(belief_of(run, p)[states] for p in others)]
        costs = [*corners_of(run, block), *(search.bounds[p, layout.UPPER] for p in others)]
        best = linprog(costs, A_eq=np.array(columns).T, b_eq=belief_of(run, n)[states]).fun
        value = interpolation.solve_lp(run.tables, search, n, 1e-8)
        assert value >= best - 1e-5
        if search.nodes[n, layout.N_SUPPORT] > 1 and others:
            assert value == pytest.approx(best, abs=1e-5)
            below += value < search.bounds[n, layout.BASE] - 1e-6
    assert below > 10
