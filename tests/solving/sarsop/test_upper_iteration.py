"""Policy iteration for the upper bounds of the belief graph."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pytest

import pomdptool
from models import random_model
from pomdptool.kernels.sarsop import layout
from pomdptool.solving.sarsop import upper_iteration
from sarsop_searches import stopped


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


def test_large_graphs_are_left_to_sweeps() -> None:
    model = random_model(0, n_states=3, n_actions=2, n_observations=2, discount=0.99)
    run = stopped(model, 60)
    with mock.patch.object(upper_iteration, "MAX_NODES", 2):
        assert upper_iteration.solve_upper_bound(run.blocks, run.search, 0) == 0
    some = upper_iteration._reachable_nodes(run.blocks, run.search, 0)
    assert some[0] == 0
    assert 10 < len(np.unique(some)) == len(some)
