"""Belief updates of the simulator."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

import naive_planning as naive
from models import random_model
from pomdptool.acting.compile_model import compile_model
from pomdptool.kernels.simulation.simulator import filter_belief


@pytest.mark.parametrize("seed", range(4))
def test_belief_update_agrees_with_the_oracle(seed: int) -> None:
    model = random_model(seed, n_states=5, n_actions=2, n_observations=4)
    simulator, rng = compile_model(model), np.random.default_rng(seed)
    for _ in range(20):
        b = rng.dirichlet(np.ones(5))
        a, o = int(rng.integers(2)), int(rng.integers(4))
        after = np.zeros(5)
        p = filter_belief(simulator, b, a, o, after)
        expected, chance = naive.update(model, b, a, o)
        assert p == pytest.approx(chance, abs=1e-14)
        if chance > 0:
            assert_allclose(after, expected, rtol=1e-12, atol=1e-15)
