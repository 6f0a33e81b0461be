"""Sawtooth interpolation against a plain loop."""

from __future__ import annotations

import pytest

from models import random_model
from pomdptool.kernels.sarsop import layout, upper_bound
from sarsop_searches import as_listed, belief_of, corners_of, points_of, searched


def test_sawtooth_agrees_with_a_plain_loop() -> None:
    run = searched(random_model(3, n_states=4, n_actions=3, n_observations=3), 60)
    search = run.search
    as_listed(run)
    tried = 0
    for n in range(search.i[layout.N_NODES]):
        block = search.nodes[n, layout.BLOCK]
        b, corner = belief_of(run, n), corners_of(run, block)
        states = run.blocks.states(block)
        base = expected = float(b[states] @ corner)
        for point in points_of(search, block):
            if point == n:
                continue
            u = belief_of(run, point)
            inside = u > 0.0
            ratio = (b[inside] / u[inside]).min()
            drop = search.bounds[point, layout.UPPER] - u[states] @ corner
            expected = min(expected, base + ratio * min(drop, 0.0))
            tried += 1
        search.nodes[n, [layout.CHECKED_POINTS, layout.N_MIX]] = 0
        search.bounds[n, layout.SLACK] = 0.0
        before = search.bounds[n, layout.UPPER]
        search.bounds[n, layout.UPPER] = base
        assert upper_bound.update_upper(run.tables, search, n) == pytest.approx(expected)
        search.bounds[n, layout.UPPER] = before
    assert tried > 100
