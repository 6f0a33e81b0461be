"""Mean returns by incoming transition, and Welch's test."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from episode_data import logged
from mazes import maze
from models import random_model
from pomdptool.acting.sample import sample
from pomdptool.learning.encoding import encode
from pomdptool.learning.parameters import Parameters
from pomdptool.learning.returns import (
    discounted_returns,
    return_length,
    returns_by_transition,
    welch_p_value,
)
from pomdptool.learning.rewards import reward_bin_edges


def test_returns_are_discounted_and_complete() -> None:
    data = logged(random_model(0), 2, 5, np.random.default_rng(0))
    r = np.array([1.0, 2.0, 4.0, np.nan, 8.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    G = discounted_returns(replace(data, rewards=r), 0.5, 2)
    nan = np.nan
    np.testing.assert_array_equal(G, [2.0, 4.0, nan, nan, nan, 1.5, 1.5, 1.5, 1.5, nan])
    assert return_length(data, 0.0) == 1
    assert return_length(logged(random_model(0), 1, 400, np.random.default_rng(0)), 0.9) == 22
    assert return_length(data, 1.0) == 1


def test_mean_returns_match_those_of_observed_states() -> None:
    """Where states are observed the posterior is sure, and means are counted by hand."""
    model = replace(maze(aliased=False), start=np.eye(11)[0])
    data = sample(model, episodes=30, steps=80, rng=np.random.default_rng(5), states=True)
    assert data.states is not None
    assert data.next_states is not None
    Z = model.Z[:1]
    result = returns_by_transition(
        Parameters(model.T, Z, model.start),
        encode(data, reward_bin_edges(data), merge=False),
        data,
        0.9,
    )
    G = discounted_returns(data, 0.9, return_length(data, 0.9))
    sums, n = np.zeros(result.mean.shape), np.zeros(result.mean.shape)
    for t in range(data.n_steps - 1):
        if (t + 1) % 80 and np.isfinite(G[t + 1]):
            at = (data.actions[t], data.actions[t + 1], data.states[t], data.next_states[t])
            sums[at] += G[t + 1]
            n[at] += 1.0
    np.testing.assert_allclose(result.weight, n, atol=1e-9)
    met = n > 0
    np.testing.assert_allclose(result.unit * result.mean[met], sums[met] / n[met], atol=1e-9)


def test_welch_test_keeps_its_significance_level_and_has_power() -> None:
    rng = np.random.default_rng(0)
    p = []
    for _ in range(2000):
        x = rng.exponential(size=(3, 40))
        p.append(welch_p_value(x.mean(axis=1), x.var(axis=1, ddof=1) / 40, np.full(3, 40.0)))
    assert 0.02 < np.mean(np.array(p) < 0.05) < 0.07
    x[2] += 2.0
    assert welch_p_value(x.mean(axis=1), x.var(axis=1, ddof=1) / 40, np.full(3, 40.0)) < 1e-4
    assert welch_p_value(x[:1, 0], x[:1, 0], np.array([40.0])) == 1.0
