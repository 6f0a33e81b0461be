"""Sampled trajectories."""

from __future__ import annotations

import numpy as np
import pytest

import pomdptool
from models import tiger
from pomdptool.acting.sample import sample
from pomdptool.acting.simulate import simulate
from pomdptool.model import make_model


def test_terminal_states_end_episodes() -> None:
    T = np.array([[[0.5, 0.5], [0.0, 1.0]]])
    model = make_model(T, np.ones((1, 2, 1)), [[1.0, 0.0]], discount=0.9, start=[1.0, 0.0])
    data = sample(model, episodes=500, steps=50, rng=np.random.default_rng(1), states=True)
    assert data.n_episodes == 500
    assert data.lengths.mean() == pytest.approx(2.0, abs=0.3)
    assert data.states is not None
    assert (data.states == 0).all()
    result = simulate(model, None, episodes=200, rng=np.random.default_rng(1))
    assert result.terminated == 200
    assert result.truncation_bound == 0.0


def test_sample_follows_action_sequences_and_policies() -> None:
    model = tiger()
    data = sample(
        model, episodes=4, steps=9, rng=np.random.default_rng(1), actions=[[0, 0, 1], [2]]
    )
    assert data.actions.tolist() == [0, 0, 1, 2, 0, 0, 1, 2]
    policy = pomdptool.solve(model, "exact").policy
    data = sample(model, episodes=50, steps=4, rng=np.random.default_rng(1), policy=policy)
    assert (data.actions[data.first[:-1]] == 0).all()  # the tiger's first action is to listen
