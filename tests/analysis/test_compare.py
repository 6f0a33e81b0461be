"""Comparison of models: alignment of states, distances and divergence rates."""

from __future__ import annotations

import numpy as np
import pytest

from models import random_model
from pomdptool.analysis import compare as module
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


def test_parts_that_were_cut_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    model = random_model(3, n_states=4)
    whole = compare(model, model, rng=np.random.default_rng(0), episodes=20)
    assert (whole.episodes, whole.reasons) == (20, {})
    none = compare(model, model, rng=np.random.default_rng(0), time_limit=0.0)
    assert none.reasons["rate_true"] == "time limit reached after 0 of 200 trajectories"
    assert np.isnan(none.rate_true)
    assert none.T.worst == pytest.approx(0.0)  # aligned by observations
    monkeypatch.setattr(module, "CHUNK", 1)
    seen: list[str] = []

    def interrupted() -> bool:
        seen.append("asked")
        return len(seen) > 3

    some = compare(model, model, rng=np.random.default_rng(0), episodes=20, interrupted=interrupted)
    assert some.reasons == {
        "rate_true": "interrupted after 3 of 20 trajectories",
        "rate_learned": "interrupted after 0 of 20 trajectories",
        "states": "interrupted after 0 of 20 trajectories",
    }
    assert some.rate_true == 0.0


def test_rates_do_not_depend_on_the_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = random_model(3, n_states=4), random_model(4, n_states=4)
    two = make_model(two.T, two.Z * 0.9 + 0.05, two.expected_rewards, discount=0.9)
    one = make_model(one.T, one.Z * 0.9 + 0.05, one.expected_rewards, discount=0.9)
    whole = compare(one, two, rng=np.random.default_rng(0), episodes=30, steps=20)
    monkeypatch.setattr(module, "CHUNK", 5000)
    parts = compare(one, two, rng=np.random.default_rng(0), episodes=30, steps=20)
    assert parts.rate_true == pytest.approx(whole.rate_true, rel=1e-10)
    assert parts.rate_learned == pytest.approx(whole.rate_learned, rel=1e-10)
    assert parts.states.tolist() == whole.states.tolist()
    assert whole.rate_true > 0.0


def test_large_models_have_fewer_episodes(monkeypatch: pytest.MonkeyPatch) -> None:
    model = random_model(3, n_states=4)
    monkeypatch.setattr(module, "WORK", 4 * 100 * 2 * 16 * 12)
    result = compare(model, model, rng=np.random.default_rng(0))
    assert result.episodes == 12
    assert result.reasons == {"states": "12 trajectories by default, because each takes long"}
    monkeypatch.setattr(module, "WORK", 0)
    assert compare(model, model, rng=np.random.default_rng(0)).episodes == 5
