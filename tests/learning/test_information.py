"""Standard errors of rewards, with hidden states allowed for."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from episode_data import logged, written
from models import random_model, tiger
from pomdptool.episodes import Episodes
from pomdptool.learning import information
from pomdptool.learning.e_step import ExpectedCounts, Threads, expected_counts
from pomdptool.learning.encoding import encode
from pomdptool.learning.fit import fit
from pomdptool.learning.information import standard_errors
from pomdptool.learning.parameters import Parameters
from pomdptool.learning.rewards import reward_bin_edges
from pomdptool.limits import Limits
from pomdptool.model import make_model
from processes import run


def noisy_tiger(n: int, length: int, rng: np.random.Generator) -> tuple[Episodes, np.ndarray]:
    """Tiger data in which doors swap their rewards with probability 0.1; and R[a, s]."""
    data = logged(tiger(), n, length, rng)
    assert data.rewards is not None
    other = (rng.random(data.n_steps) < 0.1) & (data.actions > 0)
    R = tiger().expected_rewards.copy()
    R[1:] = 0.9 * R[1:] + 0.1 * (-90.0 - R[1:])
    return replace(data, rewards=np.where(other, -90.0 - data.rewards, data.rewards)), R


def scores(data: Episodes, n: int, seed: int) -> tuple[list[float], list[str]]:
    """Errors of the rewards in units of their standard errors, and reasons of those without."""
    result = fit(data, n, rng=np.random.default_rng(seed), restarts=3, threads=1)
    errors = standard_errors(result, data, threads=1)
    assert result.rewards is not None
    order = [0, 1] if result.model.Z[0, 0, 0] > 0.5 else [1, 0]
    R, error = result.rewards.R[:, order], errors.errors[:, order]
    return list(((R - TRUTH[0]) / error).ravel()), list(errors.reasons.ravel())


TRUTH = [np.zeros((3, 2))]


@pytest.mark.slow
def test_intervals_cover_the_truth() -> None:
    result = []
    for seed in range(60):
        data, TRUTH[0] = noisy_tiger(200, 50, np.random.default_rng(seed))
        z, reasons = scores(data, 2, seed)
        assert reasons == ["the observed rewards do not vary"] * 2 + [""] * 4
        result.extend(z[2:])
    assert 0.89 < np.mean(np.abs(result) < 1.96) < 0.985  # of 240; over 200 tigers 93%


def test_information_is_minus_the_second_derivative() -> None:
    rng = np.random.default_rng(0)
    data, _ = noisy_tiger(20, 20, rng)
    result = fit(data, 2, rng=rng, restarts=2, max_iter=4)
    sequences = encode(data, reward_bin_edges(data))
    with Threads(1) as pool:

        def count(parameters: Parameters) -> ExpectedCounts:
            return expected_counts(parameters, sequences, pool)

        parameters = result.estimate
        free = information._free_entries(parameters, count(parameters), result.settings)
        I = information._information(free, parameters, count)  # noqa: E741 - the field's name
        h = 1e-4
        inner = [j for j in range(len(I)) if free.value(parameters, j) > 2 * h]
        assert len(inner) > 10
        for i in inner[::3]:
            for j in inner[::2]:
                second = 0.0
                for a, b in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
                    moved = free.moved(free.moved(parameters, i, a * h), j, b * h)
                    second += a * b * count(moved).loglik / (4.0 * h * h)
                size = np.sqrt(abs(I[i, i] * I[j, j]))
                assert I[i, j] == pytest.approx(-second, abs=2e-3 * size + 0.05)


def test_hidden_states_increase_errors() -> None:
    rng = np.random.default_rng(1)
    data, _ = noisy_tiger(200, 50, rng)
    result = fit(data, 2, rng=rng, restarts=3)
    assert result.rewards is not None
    errors = standard_errors(result, data).errors[1:]
    R, n = result.rewards.R[1:], result.rewards.visits[1:]
    as_if_seen = np.sqrt((10.0 - R) * (R + 100.0) / n)  # two values: -100 and 10
    assert (errors > 1.2 * as_if_seen).all()


def test_unknown_errors_have_a_reason() -> None:
    rng = np.random.default_rng(2)
    data = logged(tiger(), 60, 20, rng, actions=2)  # the third action never occurs
    result = fit(data, 2, rng=rng, restarts=3)
    errors = standard_errors(result, data)
    assert set(errors.reasons[0]) == {"the observed rewards do not vary"}
    assert set(errors.reasons[2]) == {"no reward was observed"}
    assert np.isnan(errors.errors[[0, 2]]).all()
    one = replace(data, first=data.first, rewards=np.where(data.actions == 1, np.nan, -1.0))
    assert one.rewards is not None
    one.rewards[np.flatnonzero(data.actions == 1)[0]] = 5.0
    single = standard_errors(fit(one, 1, rng=rng, restarts=1), one)
    assert single.reasons.ravel()[1] == "the observed rewards do not vary"
    flat = make_model(np.full((3, 2, 2), 0.5), np.full((3, 2, 2), 0.5), discount=0.9,
                      actions=data.action_names, observations=data.observation_names)  # fmt: skip
    twins = standard_errors(fit(data, init=flat, rng=rng), data)
    assert set(twins.reasons[1]) == {"the data do not identify the parameters that it depends on"}


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(0.0), "the time limit was reached"),
        (Limits(interrupted=lambda: True), "the computation was interrupted"),
    ],
)
def test_limits_leave_no_errors(limits: Limits, reason: str) -> None:
    data = logged(tiger(), 5, 10, np.random.default_rng(0))
    result = fit(data, 2, rng=np.random.default_rng(0), restarts=1, max_iter=3)
    errors = standard_errors(result, data, limits=limits)
    assert all(r.startswith(reason) for r in errors.reasons.ravel())
    assert np.isnan(errors.errors).all()


def test_too_many_parameters_leave_no_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(information, "MAX_PARAMETERS", 5)
    data = logged(tiger(), 50, 10, np.random.default_rng(0))
    result = fit(data, 2, rng=np.random.default_rng(0), restarts=1, max_iter=3)
    errors = standard_errors(result, data)
    assert "500 steps are too many for the information matrix" in errors.reasons[0, 0]


def test_errors_of_rewards_by_transition_scale_with_the_rewards() -> None:
    model = random_model(3, n_states=2)
    data = logged(model, 60, 30, np.random.default_rng(1))
    assert data.rewards is not None
    result = []
    for scale in (1.0, 2.0**-1000):
        scaled = replace(data, rewards=np.round(data.rewards, 1) * scale)
        learned = fit(
            scaled, 2, rng=np.random.default_rng(0), restarts=1, reward_model="transition"
        )
        assert learned.rewards is not None
        errors = standard_errors(learned, scaled)
        assert errors.errors.shape == learned.rewards.R.shape
        result.append(errors.errors / scale)
    assert np.isfinite(result[0]).any()
    np.testing.assert_allclose(result[0], result[1], rtol=1e-6)


def test_the_report_has_null_where_there_is_no_error(tmp_path: Path) -> None:
    data, _ = noisy_tiger(100, 20, np.random.default_rng(5))
    log, report = written(data, tmp_path / "log.csv"), tmp_path / "report.json"
    result = run("fit", log, "--states", "2", "--seed", "1", "-q", "--report", report)
    assert result.returncode == 0, result.stderr
    document = json.loads(report.read_text())
    rewards = document["rewards"]
    assert rewards["standard_errors"][0] == [None, None]
    assert all(1.0 < e < 20.0 for row in rewards["standard_errors"][1:] for e in row)
    assert rewards["without_standard_error"] == [
        {
            "reason": "the observed rewards do not vary",
            "entries": [["listen", "0"], ["listen", "1"]],
        }
    ]
    assert document["observed_steps"] == document["steps"] == 2000
