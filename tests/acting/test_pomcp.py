"""Online planners against expectimax."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import naive_planning as naive
from models import random_model, tiger
from pomdptool.acting.pomcp import Pomcp
from pomdptool.acting.search_settings import Prior
from pomdptool.acting.simulate import simulate
from pomdptool.errors import PolicyError, PomdpError
from pomdptool.model import Model, make_model


def uninformative_prior(model: Model) -> Prior:
    return Prior(np.zeros(model.n_actions, np.int64), np.zeros(model.n_actions))


@pytest.mark.parametrize(
    "model",
    [tiger(), *(random_model(seed, n_states=2 + seed % 2, n_actions=2) for seed in range(3))],
    ids=["tiger", "random-0", "random-1", "random-2"],
)
@pytest.mark.parametrize("exact", [True, False])
def test_root_values_agree_with_expectimax(model: Model, exact: bool) -> None:
    value = naive.expectimax(model, model.start, 3)
    span = float(np.ptp(model.expected_rewards))
    planner = Pomcp(
        model,
        sims=300_000,
        depth=3,
        exploration=2.0 * span,
        rollout="random",
        exact=exact,
        prior=uninformative_prior(model),
        particles=5000,
        rng=np.random.default_rng(1),
    )
    action = planner.act()
    assert planner.decision is not None
    assert planner.decision.values[action] == pytest.approx(value, abs=0.04 * span)
    assert planner.decision.visits.sum() == 300_000


def test_particles_are_not_depleted() -> None:
    """An observation that almost never comes is believed all the same."""
    T = np.broadcast_to(np.eye(2), (1, 2, 2))
    Z = np.array([[[1.0 - 1e-9, 1e-9], [1.0, 0.0]]])
    model = make_model(T, Z, [[1.0, 0.0]], discount=0.9, start=[1e-6, 1.0 - 1e-6])
    planner = Pomcp(model, sims=10, particles=50)
    planner.act()
    planner.observe(0, 1)
    assert set(planner.states.tolist()) == {0}


def test_impossible_observation_is_an_error() -> None:
    T = np.broadcast_to(np.eye(2), (1, 2, 2))
    model = make_model(T, np.array([[[1.0, 0.0], [1.0, 0.0]]]), [[1.0, 0.0]], discount=0.9)
    for exact in (True, False):
        planner = Pomcp(model, sims=10, exact=exact)
        with pytest.raises(PolicyError, match="impossible"):
            planner.observe(0, 1)


def test_subtree_of_the_observed_history_is_kept() -> None:
    model = tiger()
    planner = Pomcp(model, sims=2000, exact=True, rng=np.random.default_rng(3))
    action = planner.act()
    planner.observe(action, 0)
    nodes = planner.tree.i[0]
    assert 1 < nodes < 2000
    kept = planner.tree.f[0]
    planner.act()
    assert planner.decision is not None
    assert planner.decision.visits.sum() == kept + 2000


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"sims": 0}, "sims"),
        ({"sims": None}, "number of simulations or a time"),
        ({"depth": 0}, "depth"),
        ({"rollout": "best"}, "rollout"),
    ],
)
def test_invalid_settings_are_errors(wrong: dict[str, Any], text: str) -> None:
    with pytest.raises(PomdpError, match=text):
        Pomcp(tiger(), **wrong)


def test_seed_is_a_deprecated_alias_of_rng() -> None:
    model = tiger()
    of_rng = Pomcp(model, sims=50, rng=np.random.default_rng(4))
    with pytest.warns(DeprecationWarning, match="rng=np.random.default_rng"):
        of_seed = Pomcp(model, sims=50, seed=4)
    assert (of_rng.rng_state == of_seed.rng_state).all()
    assert of_rng.act() == of_seed.act()
    with pytest.warns(DeprecationWarning, match="seed"), pytest.raises(PomdpError, match="and"):
        Pomcp(model, rng=np.random.default_rng(4), seed=4)


def test_undiscounted_planner_has_a_finite_depth() -> None:
    model = tiger(discount=1.0)
    planner = Pomcp(model, sims=200)
    assert planner.depth == 100
    result = simulate(model, planner, episodes=2, steps=3, rng=np.random.default_rng(1))
    assert len(result.returns) == 2
