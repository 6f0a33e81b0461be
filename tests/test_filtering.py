"""Belief updates of a model, against Bayes' rule on dense tables."""

from __future__ import annotations

import numpy as np
import pytest

from models import random_beliefs, random_model, tiger
from pomdptool.errors import ModelError
from pomdptool.model import make_model


@pytest.mark.parametrize("seed", range(5))
def test_updates_follow_bayes_rule(seed: int) -> None:
    model = random_model(seed, n_states=4, n_actions=3, n_observations=3)
    for b in random_beliefs(5, 4, seed):
        for a in range(3):
            arrived = b @ model.T[a]
            joint = arrived[:, np.newaxis] * model.Z[a]
            chances = joint.sum(axis=0)
            assert model.observation_probabilities(b, a) == pytest.approx(chances, abs=1e-15)
            for o in np.flatnonzero(chances):
                expected = joint[:, o] / chances[o]
                assert model.update(b, a, int(o)) == pytest.approx(expected, abs=1e-14)


def test_names_and_indices() -> None:
    model = tiger()
    expected = [0.85, 0.15]
    assert model.update(model.start, "listen", "hear-left") == pytest.approx(expected)
    assert model.update([0.5, 0.5], 0, 0) == pytest.approx(expected)
    named = {"tiger-left": 0.5, "tiger-right": 0.5}
    assert model.update(named, "listen", 0) == pytest.approx(expected)
    assert model.observation_probabilities({"tiger-left": 1.0}, "listen") == pytest.approx(expected)


def test_an_unlikely_observation_is_not_impossible() -> None:
    table = [[[1.0, 0.0], [0.0, 1.0]]]
    model = make_model(table, [[1.0, 0.0], [1.0 - 1e-300, 1e-300]], discount=0.9)
    assert model.update([0.5, 0.5], 0, 1).tolist() == [0.0, 1.0]
    with pytest.raises(ModelError, match="observation '1' is impossible after action '0'"):
        model.update([1.0, 0.0], 0, 1)


def test_wrong_names() -> None:
    model = tiger()
    with pytest.raises(ModelError, match="no action 'lissen'; did you mean 'listen'"):
        model.update(model.start, "lissen", "hear-left")
    with pytest.raises(ModelError, match="no observation 'hear-lef'"):
        model.update(model.start, "listen", "hear-lef")
    with pytest.raises(ModelError, match="no observation 2: the indices are 0 to 1"):
        model.update(model.start, "listen", 2)
    with pytest.raises(ModelError, match="no action 3"):
        model.observation_probabilities(model.start, 3)
