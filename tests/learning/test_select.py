"""Selection of the number of states."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import pomdptool
from episode_data import episodes_of, logged
from models import ROOT, random_model, tiger
from pomdptool.acting.sample import sample
from pomdptool.errors import DataError
from pomdptool.learning.e_step import Threads, expected_counts
from pomdptool.learning.encoding import encode
from pomdptool.learning.rewards import reward_bin_edges
from pomdptool.learning.select import Criterion, select
from pomdptool.learning.subsets import first_steps

CRITERIA: list[Criterion] = ["bic", "aic", "heldout"]


@pytest.mark.parametrize("by", CRITERIA)
def test_two_states_are_selected(by: Criterion) -> None:
    data = logged(tiger(), 600, 40, np.random.default_rng(1))
    rng = np.random.default_rng(0)
    result = select(data, [1, 2], rng=rng, by=by, restarts=4, tol=1e-5)
    assert result.fit.model.n_states == 2
    assert [c.states for c in result.candidates] == [1, 2]
    assert (result.candidates[0].heldout is None) == (by != "heldout")
    assert not any("hardly" in w for w in result.fit.warnings)


def test_data_held_out_are_observations_and_rewards() -> None:
    """Rewards alone tell the states of this model apart."""
    model = pomdptool.load(ROOT / "tests" / "cases" / "rewards-only.pomdp")
    data = sample(model, episodes=200, steps=40, rng=np.random.default_rng(3))
    result = select(
        data, [1, 2, 3], rng=np.random.default_rng(1), by="heldout", restarts=2, tol=1e-4
    )
    assert result.fit.model.n_states == 2
    held = [c.heldout for c in result.candidates]
    assert held[0] is not None
    assert held[1] is not None
    assert held[1] - held[0] > 0.3
    assert held[1] == pytest.approx(result.candidates[1].fit.joint_per_step, abs=0.05)


def test_weak_evidence_gives_a_warning() -> None:
    data = replace(logged(tiger(), 150, 40, np.random.default_rng(4)), rewards=None)
    result = select(data, [2, 3], rng=np.random.default_rng(0), by="heldout", restarts=2)
    assert any("hardly distinguish" in w for w in result.fit.warnings)


def test_the_end_of_a_single_episode_is_held_out() -> None:
    data = logged(tiger(), 1, 400, np.random.default_rng(2))
    result = select(data, [1, 2], rng=np.random.default_rng(0), by="heldout", restarts=2)
    one = result.candidates[0]
    assert one.fit.n_steps == 320
    assert one.heldout is not None
    train = first_steps(data, 320)
    sequences = [encode(part, reward_bin_edges(train)) for part in (data, train)]
    with Threads(1) as threads:
        whole, early = (
            expected_counts(one.fit.estimate, part, threads).loglik for part in sequences
        )
    assert one.heldout == pytest.approx((whole - early) / 80)
    assert early == pytest.approx(one.fit.joint)


def test_the_time_limit_is_one_for_all_sizes() -> None:
    data = logged(tiger(), 50, 40, np.random.default_rng(1))
    result = select(data, [1, 2, 3], rng=np.random.default_rng(0), time_limit=0.0)
    assert [c.states for c in result.candidates] == [1]
    assert result.fit.stop_reason == "time-limit"


@pytest.mark.parametrize("by", CRITERIA)
@pytest.mark.parametrize("asks", [0, 30, 300])
def test_an_interrupt_selects_among_the_models_so_far(by: Criterion, asks: int) -> None:
    data = logged(tiger(), 50, 40, np.random.default_rng(1))
    asked = [0]

    def interrupted() -> bool:
        asked[0] += 1
        return asked[0] > asks

    rng = np.random.default_rng(0)
    result = select(data, [1, 2, 3], rng=rng, by=by, restarts=2, interrupted=interrupted)
    assert result.fit.stop_reason == "interrupted"
    assert not result.fit.converged
    assert asked[0] < asks + 40


def test_impossible_selections_are_refused() -> None:
    one_step = episodes_of([[(0, 0)]])
    rng = np.random.default_rng(0)
    with pytest.raises(DataError, match="too few steps"):
        select(one_step, [1, 2], rng=rng, by="heldout")
    with pytest.raises(DataError, match="no numbers of states"):
        select(one_step, [], rng=rng)


def test_samples_follow_the_model() -> None:
    model = random_model(2)
    rng = np.random.default_rng(1)
    data = sample(model, episodes=5000, steps=1, rng=rng, ends="continue")
    for a in range(2):
        p = model.start @ model.T[a] @ model.Z[a]
        observed = np.bincount(data.observations[data.actions == a], minlength=2)
        np.testing.assert_allclose(observed / observed.sum(), p, atol=0.04)
