"""Comparison of models: alignment of states, distances and divergence rates."""

from __future__ import annotations

import numpy as np
import pytest

from models import random_model
from pomdptool.analysis.compare import compare
from pomdptool.errors import DataError
from pomdptool.model import Model, make_model


def turned(model: Model, order: list[int], actions: list[int]) -> Model:
    """The same model, states and actions in another order."""
    T = model.T[np.ix_(actions, order, order)]
    return make_model(
        T, model.Z[np.ix_(actions, order)], model.expected_rewards[np.ix_(actions, order)],
        discount=model.discount, start=model.start[order],
        actions=[model.actions[a] for a in actions], observations=model.observations,
    )  # fmt: skip


def test_permuted_models_have_distance_zero() -> None:
    model = random_model(3, n_states=4)
    other = turned(model, [2, 0, 3, 1], [1, 0])
    result = compare(model, other, rng=np.random.default_rng(0))
    assert result.states.tolist() == [1, 3, 0, 2]
    for distance in (result.T, result.O, result.start, result.R):
        assert distance.worst == pytest.approx(0.0, abs=1e-12)
    assert result.rate_true == pytest.approx(0.0, abs=1e-12)
    assert result.rate_learned == pytest.approx(0.0, abs=1e-12)


def test_rates_and_distances_of_different_models() -> None:
    one = make_model(np.full((1, 2, 2), 0.5), [[0.9, 0.1], [0.2, 0.8]], discount=0.9)
    two = make_model(np.full((1, 2, 2), 0.5), [[0.3, 0.7], [0.9, 0.1]], discount=0.9)
    result = compare(one, two, rng=np.random.default_rng(0), episodes=400)
    p, q = np.array([0.55, 0.45]), np.array([0.6, 0.4])
    assert result.rate_true == pytest.approx(float(p @ np.log(p / q)), abs=2e-3)
    assert result.rate_learned == pytest.approx(float(q @ np.log(q / p)), abs=2e-3)
    assert result.states.tolist() == [1, 0]
    assert result.O.worst == pytest.approx(0.1)


def test_impossible_data_have_an_infinite_rate() -> None:
    one = make_model(np.full((1, 2, 2), 0.5), np.eye(2), discount=0.9)
    two = make_model(np.eye(2)[np.newaxis], np.eye(2), discount=0.9)
    result = compare(one, two, rng=np.random.default_rng(0))
    assert result.rate_true == np.inf
    assert result.states.tolist() == [0, 1]
    fewer = compare(one, make_model([[[1.0]]], [[0.5, 0.5]], discount=0.9),
                    rng=np.random.default_rng(0))  # fmt: skip
    assert sorted(fewer.states.tolist()) == [-1, 0]
    with pytest.raises(DataError, match="differ"):
        compare(one, random_model(0, n_observations=3), rng=np.random.default_rng(0))
