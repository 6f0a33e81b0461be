"""The compiled model against the model's tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chisquare

import pomdptool
from models import PROBLEMS, random_model
from pomdptool.acting import compile_model as compiler
from pomdptool.acting.compile_model import compile_model
from pomdptool.kernels.simulation.simulator import step
from pomdptool.model import Model, make_model


def stepping(reward_axes: str) -> Model:
    """A random model whose rewards depend on these of s, s' and o."""
    plain = random_model(5, n_states=4, n_actions=2, n_observations=3)
    rng = np.random.default_rng(1)
    shape = (2, 4, 4 if "n" in reward_axes else 1, 3 if "o" in reward_axes else 1)
    return make_model(plain.T, plain.Z, rng.normal(size=shape), discount=0.9)


@pytest.mark.parametrize("listed", [True, False])
@pytest.mark.parametrize("axes", ["", "n", "o", "no"])
def test_sampled_steps_have_the_models_distribution(
    monkeypatch: pytest.MonkeyPatch, axes: str, listed: bool
) -> None:
    """Frequencies pass a chi-squared test; rewards are those of the sampled steps."""
    if not listed:
        monkeypatch.setattr(compiler, "MAX_OUTCOMES", 0)
    model = stepping(axes)
    simulator, rng, n = compile_model(model), np.random.default_rng(2), 4000
    R = np.broadcast_to(model.R, (2, 4, 4, 3))
    for s, a in ((0, 0), (3, 1)):
        counts = np.zeros((4, 3))
        for u in rng.random(n):
            arrived, o, reward = step(simulator, s, a, u)
            counts[arrived, o] += 1
            assert reward == R[a, s, arrived, o]
        expected = model.T[a, s][:, None] * model.Z[a] * n
        possible = expected > 0
        assert counts[~possible].sum() == 0
        assert chisquare(counts[possible], expected[possible]).pvalue > 1e-3


@pytest.mark.parametrize("path", PROBLEMS, ids=lambda path: path.stem)
def test_mean_reward_is_the_expected_reward(path: Path) -> None:
    model = pomdptool.load(path)
    simulator, rng = compile_model(model), np.random.default_rng(0)
    expected = np.zeros(20)
    rewards = np.zeros((20, 200))
    for k in range(20):
        s, a = int(rng.integers(model.n_states)), int(rng.integers(model.n_actions))
        expected[k] = model.expected_rewards[a, s]
        # Evenly over the numbers drawn from, the mean is nearly exact.
        for j in range(200):
            rewards[k, j] = step(simulator, s, a, (j + 0.5) / 200)[2]
    spread = np.ptp(rewards, axis=1)
    assert (np.abs(rewards.mean(axis=1) - expected) <= 0.3 * spread + 1e-9).all()
