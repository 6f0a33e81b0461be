"""Models learned from sampled data predict as well as the true model."""

from __future__ import annotations

import numpy as np
import pytest

import pomdptool
from models import ROOT, random_model, tiger
from pomdptool.acting.sample import sample
from pomdptool.analysis.transfer import transfer
from pomdptool.learning.fit import fit
from pomdptool.learning.likelihood import loglik
from pomdptool.model import Model

MODELS = {
    "tiger": tiger(),
    "random": random_model(17, n_states=4, n_actions=3, n_observations=3),
    "maze-4x3": pomdptool.load(ROOT / "problems" / "maze-4x3.pomdp"),
}


def shortfall(model: Model, episodes: int, restarts: int, *, seed: int) -> float:
    """By how much data held out are less likely per step, relative to the true model."""
    rng = np.random.default_rng(seed)
    data = sample(model, episodes=episodes, steps=50, rng=rng)
    others = sample(model, episodes=400, steps=50, rng=rng)
    result = fit(data, model.n_states, rng=rng, restarts=restarts)
    true = loglik(model, others).loglik_per_step
    return (true - loglik(result.model, others).loglik_per_step) / abs(true)


@pytest.mark.parametrize("name", ["tiger", "random"])
def test_recovery_from_few_data(name: str) -> None:
    assert shortfall(MODELS[name], 400, 4, seed=1) < 0.02


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_recovery_from_many_data_within_half_a_percent(name: str) -> None:
    assert shortfall(MODELS[name], 4000, 10, seed=2) < 0.005


@pytest.mark.parametrize("seed", range(6))
def test_the_policy_learned_from_the_tiger_is_nearly_optimal(seed: int) -> None:
    rng = np.random.default_rng(seed)
    data = sample(tiger(), episodes=2000, steps=50, rng=rng)
    result = transfer(tiger(), fit(data, 2, rng=rng, discount=0.95, restarts=3).model, rng=rng)
    assert result.learned_in_true.value >= 0.95 * result.true_optimum.upper
