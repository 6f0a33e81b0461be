"""Transfer of policies between models."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models import random_model, tiger
from pomdptool.analysis import transfer as module
from pomdptool.analysis.transfer import carried, policy_return, transfer
from pomdptool.errors import PolicyError
from pomdptool.model import make_model
from pomdptool.solving.solve import solve

OPTIMUM = 19.371368374890


def turned() -> tuple[list[int], list[int]]:
    return [2, 0, 1], [1, 0]


def test_policies_transfer_by_name_in_any_order() -> None:
    actions, observations = turned()
    other = make_model(
        tiger().T[actions], tiger().Z[actions][:, :, observations],
        tiger().expected_rewards[actions], discount=0.95, states=["here", "there"],
        actions=[tiger().actions[a] for a in actions],
        observations=[tiger().observations[o] for o in observations],
    )  # fmt: skip
    policy = carried(solve(other, precision=1e-4).policy, tiger())
    assert policy.graph is not None
    assert tiger().actions[policy.graph.actions[policy.graph.start]] == "listen"
    assert policy.values.value(tiger().start) == pytest.approx(OPTIMUM, abs=2e-3)
    result = transfer(tiger(), other, rng=np.random.default_rng(0), precision=1e-4)
    assert result.learned_in_true.value == pytest.approx(OPTIMUM, abs=2e-3)
    assert result.true_in_learned.value == pytest.approx(OPTIMUM, abs=2e-3)
    assert result.true_optimum.lower - 1e-9 <= OPTIMUM <= result.learned_optimum.upper + 1e-9


def test_a_wrong_model_loses_return() -> None:
    deaf = make_model(
        tiger().T, np.full((3, 2, 2), 0.5), tiger().expected_rewards, discount=0.95,
        actions=tiger().actions, observations=tiger().observations,
    )  # fmt: skip
    result = transfer(tiger(), deaf, rng=np.random.default_rng(0))
    assert result.learned_in_true.value == pytest.approx(-20.0, abs=1e-6)
    assert result.learned_in_true.value < result.true_optimum.lower - 30.0
    assert result.true_in_learned.value <= result.learned_optimum.upper + 1e-9


def test_the_graph_restarts_after_impossible_observations() -> None:
    sure = make_model(
        tiger().T, np.array([np.eye(2), np.full((2, 2), 0.5), np.full((2, 2), 0.5)]),
        tiger().expected_rewards, discount=0.95, start=[1.0, 0.0],
        actions=tiger().actions, observations=tiger().observations,
    )  # fmt: skip
    policy = carried(solve(sure).policy, tiger())
    assert policy.graph is not None
    assert (policy.graph.next >= 0).all()


def test_a_return_too_large_to_compute_is_simulated(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = solve(tiger()).policy
    assert policy.graph is not None
    monkeypatch.setattr(module, "initial_value", lambda model, graph, check: None)
    monkeypatch.setattr(module, "EPISODES", 300)
    result = policy_return(tiger(), policy.graph, rng=np.random.default_rng(1))
    assert result.standard_error > 0.0
    assert result.reason is not None
    assert "simulated: the linear system of a graph of 5 nodes" in result.reason
    assert abs(result.value - OPTIMUM) < 4.0 * result.standard_error


def test_a_time_limit_is_shared_by_all_parts() -> None:
    parts: list[str] = []
    result = transfer(
        tiger(), tiger(0.99), rng=np.random.default_rng(0), precision=1e-12, time_limit=0.0,
        on_part=lambda part, *_: parts.append(part),
    )  # fmt: skip
    assert parts == [
        "solving the true model", "solving the learned model", "learned in true", "true in learned"
    ]  # fmt: skip
    assert result.reasons["true_optimum"] == "time limit reached before the precision"
    assert result.reasons["learned_in_true"] == "time limit reached"
    assert np.isnan(result.learned_in_true.value)
    assert result.true_optimum.lower <= OPTIMUM <= result.true_optimum.upper
    whole = transfer(tiger(), tiger(), rng=np.random.default_rng(0))
    assert whole.reasons == {}
    stopped = transfer(tiger(), tiger(), rng=np.random.default_rng(0), interrupted=lambda: True)
    assert set(stopped.reasons.values()) == {"interrupted before the precision", "interrupted"}


def test_policies_of_other_actions_or_without_a_graph_are_refused() -> None:
    with pytest.raises(PolicyError, match="is only in the model"):
        carried(solve(tiger()).policy, random_model(0))
    bound = solve(tiger(), "qmdp").policy
    with pytest.raises(PolicyError, match="no policy graph"):
        carried(replace(bound, graph=None), tiger())
