"""Learning models: initialisation, restarts, rewards, warnings and interrupts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from episode_data import episodes_of, logged, random_steps
from models import random_model, tiger
from pomdptool.acting.sample import sample
from pomdptool.errors import DataError
from pomdptool.learning.fit import fit
from pomdptool.learning.information import standard_errors
from pomdptool.learning.result import Fit
from pomdptool.model import make_model


@pytest.fixture(scope="module")
def tiger_fit() -> Fit:
    data = logged(tiger(), 1000, 50, np.random.default_rng(1))
    return fit(data, 2, rng=np.random.default_rng(0))


def test_the_tiger_is_recovered(tiger_fit: Fit) -> None:
    model = tiger_fit.model
    assert tiger_fit.converged
    assert tiger_fit.stop_reason == "tolerance"
    assert len(tiger_fit.restarts) == 10
    assert tiger_fit.joint == max(r.loglik for r in tiger_fit.restarts)
    assert tiger_fit.history[-1] == tiger_fit.joint < tiger_fit.loglik < 0.0
    order = [0, 1] if model.Z[0, 0, 0] > 0.5 else [1, 0]
    np.testing.assert_allclose(model.Z[0][order], tiger().Z[0], atol=0.02)
    np.testing.assert_allclose(model.T[0][order][:, order], np.eye(2), atol=0.02)


def test_rewards_identify_states_without_bias(tiger_fit: Fit) -> None:
    order = [0, 1] if tiger_fit.model.Z[0, 0, 0] > 0.5 else [1, 0]
    assert tiger_fit.rewards is not None
    R = tiger_fit.rewards.R[:, order]
    np.testing.assert_allclose(R[0], [-1.0, -1.0])
    np.testing.assert_allclose(R[1:], tiger().expected_rewards[1:], atol=2.0)
    np.testing.assert_array_equal(tiger_fit.model.expected_rewards[:, order], R)


def test_transition_rewards_are_learned() -> None:
    T = np.array([[[0.5, 0.5], [0.3, 0.7]]])
    R = np.array([[1.0, 5.0], [-2.0, 3.0]])[np.newaxis, :, :, np.newaxis]
    model = make_model(T, np.eye(2), R, discount=0.9, start=[1.0, 0.0])
    data = logged(model, 200, 20, np.random.default_rng(6))
    s2 = data.observations
    s = np.concatenate([[0], s2[:-1]])
    s[data.first[:-1]] = 0
    paid = replace(data, rewards=R[0, s, s2, 0])
    result = fit(paid, 2, rng=np.random.default_rng(0), restarts=4, reward_model="transition")
    order = result.model.Z[0].argmax(axis=0)
    assert result.rewards is not None
    assert result.rewards.R.shape == (1, 2, 2, 2)
    for x in range(2):
        learned = result.rewards.R[0][np.ix_(order, order)][:, x, x]
        np.testing.assert_allclose(learned, R[0, :, x, 0], atol=1e-2)
    np.testing.assert_allclose(
        result.model.expected_rewards[0][order], (T[0] * R[0, :, :, 0]).sum(axis=1), atol=0.1
    )


def test_the_reward_model_is_selected(tiger_fit: Fit) -> None:
    assert tiger_fit.rewards is not None
    assert tiger_fit.rewards.R.shape == (3, 2)
    assert tiger_fit.rewards.excess < 5.0
    model = random_model(17)  # rewards over all four axes
    data = sample(model, episodes=400, steps=50, rng=np.random.default_rng(2))
    result = fit(data, 3, rng=np.random.default_rng(0), restarts=3)
    assert result.rewards is not None
    assert result.rewards.R.shape == (2, 3, 3, 2)
    blind = fit(data, 3, rng=np.random.default_rng(0), restarts=3, reward_model="state")
    assert blind.rewards is not None
    assert blind.rewards.excess > 100.0
    assert result.bic < blind.bic
    assert result.loglik > blind.loglik


def test_equal_rewards_are_not_informative() -> None:
    data = logged(tiger(), 60, 30, np.random.default_rng(1))
    same = replace(data, rewards=np.full(data.n_steps, 3.0))
    result = fit(same, 2, rng=np.random.default_rng(0), restarts=2)
    assert result.joint == pytest.approx(result.loglik, rel=1e-12)
    np.testing.assert_allclose(result.model.expected_rewards, 3.0)


def test_missing_rewards_and_observations_are_marginalised() -> None:
    data = logged(tiger(), 1500, 30, np.random.default_rng(4))
    assert data.rewards is not None
    gone = np.random.default_rng(5).random((2, data.n_steps)) < 0.3
    thin = replace(
        data,
        rewards=np.where(gone[0], np.nan, data.rewards),
        observations=np.where(gone[1], -1, data.observations),
    )
    for model in ("state", "transition"):
        result = fit(thin, 2, rng=np.random.default_rng(0), restarts=4, reward_model=model)
        order = [0, 1] if result.model.Z[0, 0, 0] > 0.5 else [1, 0]
        np.testing.assert_allclose(result.model.Z[0][order], tiger().Z[0], atol=0.04)
        r = result.model.expected_rewards[:, order]
        np.testing.assert_allclose(r, tiger().expected_rewards, atol=6.0)
        assert any("steps have no reward" in w for w in result.warnings)


def test_rewards_of_observed_states_are_means() -> None:
    model = make_model(
        np.full((1, 2, 2), 0.5), np.eye(2), np.array([[1.0, 3.0]]), discount=0.9, start=[1.0, 0.0]
    )
    data = logged(model, 20, 30, np.random.default_rng(2))
    assert data.rewards is not None
    noisy = replace(data, rewards=data.rewards + np.random.default_rng(3).normal(size=600))
    assert noisy.rewards is not None
    result = fit(noisy, init=model, rng=np.random.default_rng(0))
    before = np.concatenate([[0], data.observations[:-1]])
    before[data.first[:-1]] = 0
    assert result.rewards is not None
    outcome = standard_errors(result, noisy)
    for s in range(2):
        r = noisy.rewards[before == s]
        assert result.rewards.R[0, s] == pytest.approx(r.mean(), abs=0.03)  # by 32 levels
        assert outcome.errors[0, s] == pytest.approx(r.std() / np.sqrt(len(r)), rel=0.02)


@pytest.mark.parametrize("observation_model", ["shared", "per-action"])
def test_the_same_seed_gives_the_same_model(observation_model: str) -> None:
    data = logged(random_model(1), 60, 100, np.random.default_rng(2))
    results = [
        fit(data, 3, rng=np.random.default_rng(5), restarts=3, threads=threads, max_iter=40,
            observation_model=observation_model)  # type: ignore[arg-type]
        for threads in (1, 3)
    ]  # fmt: skip
    assert results[0].model.equals(results[1].model)
    assert results[0].history == results[1].history
    assert results[0].restarts == results[1].restarts


def test_zeros_of_the_initial_model_stay() -> None:
    model = random_model(4)
    data = logged(model, 50, 20, np.random.default_rng(3))
    result = fit(data, init=model, rng=np.random.default_rng(0))
    assert not result.model.T[model.T == 0].any()
    assert not result.model.Z[model.Z == 0].any()
    assert len(result.restarts) == 1
    observed = replace(data, rewards=None)
    same = fit(observed, init=model, rng=np.random.default_rng(0), fix=("T", "O", "start"))
    assert np.array_equal(same.model.T, model.T)
    assert same.parameters == 0


def test_an_initial_model_with_equal_states_gives_a_warning() -> None:
    flat = make_model(np.full((2, 2, 2), 0.5), np.full((2, 2, 2), 0.5), discount=0.9)
    data = logged(random_model(1, n_states=2), 20, 20, np.random.default_rng(1))
    result = fit(data, init=flat, rng=np.random.default_rng(0))
    assert "same observation probabilities" in result.warnings[0]
    assert np.ptp(result.model.Z, axis=1).max() < 1e-9


def test_an_unused_action_keeps_its_rows_and_gives_a_warning() -> None:
    model = random_model(5, n_actions=3)
    data = logged(model, 30, 20, np.random.default_rng(1), actions=2)
    result = fit(data, 3, rng=np.random.default_rng(0), restarts=2, max_iter=20)
    assert any("action '2' never occurs" in w for w in result.warnings)
    np.testing.assert_allclose(result.model.T[2], 1 / 3)
    initial = fit(data, init=model, rng=np.random.default_rng(0), max_iter=20)
    np.testing.assert_array_equal(initial.model.T[2], model.T[2])
    assert result.rewards is not None
    assert not result.rewards.visits[2].any()
    assert np.isfinite(result.rewards.R).all()


def test_an_unused_state_keeps_its_rows_and_gives_a_warning() -> None:
    T = np.array([[[0.5, 0.5, 0.0], [0.4, 0.6, 0.0], [0.1, 0.2, 0.7]]])
    model = make_model(T, [[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]], discount=0.9, start=[1.0, 0.0, 0.0])
    data = logged(model, 20, 20, np.random.default_rng(3))
    result = fit(data, init=model, rng=np.random.default_rng(0))
    assert "state '2' is unused: 0 expected visits" in result.warnings
    np.testing.assert_array_equal(result.model.T[0, 2], T[0, 2])
    assert np.isfinite(result.model.T).all()
    assert np.isfinite(result.model.expected_rewards).all()


def test_degenerate_data_give_models_without_nan() -> None:
    one_symbol = episodes_of([[(0, 0)] * 10], 1, 1)
    for data, states in ((one_symbol, 3), (episodes_of([[(0, 1)]]), 4), (one_symbol, 1)):
        result = fit(data, states, rng=np.random.default_rng(0), restarts=2)
        assert np.isfinite(result.model.T).all()
        assert np.isfinite(result.loglik)
    missing = episodes_of([[(0, -1)] * 5])
    assert fit(missing, 2, rng=np.random.default_rng(0)).loglik == pytest.approx(0.0)


def test_an_interrupt_returns_the_best_so_far() -> None:
    data = logged(random_model(1), 50, 20, np.random.default_rng(2))
    calls = [0]

    def interrupted() -> bool:
        calls[0] += 1
        return calls[0] > 5

    result = fit(data, 3, rng=np.random.default_rng(0), interrupted=interrupted)
    assert result.stop_reason == "interrupted"
    assert not result.converged
    assert np.isfinite(result.loglik)
    limited = fit(data, 3, rng=np.random.default_rng(0), time_limit=0.0)
    assert limited.stop_reason == "time-limit"
    assert len(limited.restarts) == 1
    initial = fit(data, init=random_model(1), rng=np.random.default_rng(0), time_limit=0.0)
    assert initial.stop_reason == "time-limit"
    assert initial.iterations == 1


def test_wrong_options_are_refused() -> None:
    data = episodes_of([random_steps(np.random.default_rng(0), 20)])
    rng = np.random.default_rng(0)
    with pytest.raises(DataError, match="number of states"):
        fit(data, rng=rng)
    with pytest.raises(DataError, match="fixing O requires an initial model"):
        fit(data, 2, rng=rng, fix=("O",))
    with pytest.raises(DataError, match="'Z' cannot be fixed"):
        fit(data, 2, rng=rng, fix=("Z",))
    with pytest.raises(DataError, match="damping"):
        fit(data, 2, rng=rng, damping=1.0)
    with pytest.raises(DataError, match="has 3 states, not 2"):
        fit(data, 2, rng=rng, init=random_model(0))
    with pytest.raises(DataError, match="depend on the action"):
        fit(data, rng=rng, init=random_model(0), observation_model="shared")
    with pytest.raises(DataError, match="no observation '1'"):
        fit(data, rng=rng, init=random_model(0, n_observations=1))


def test_former_names_are_accepted(tiger_fit: Fit) -> None:
    with pytest.warns(DeprecationWarning, match=r"Fit\.tables is now Fit\.estimate"):
        assert tiger_fit.tables is tiger_fit.estimate
    data = logged(tiger(), 5, 10, np.random.default_rng(0))
    with pytest.warns(DeprecationWarning, match="found= is now result="):
        standard_errors(found=tiger_fit, episodes=data)  # type: ignore[call-arg]
