"""MDPs and models whose observations reveal the state, against exhaustive oracles."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import mdps
import naive_planning as naive
import pomdptool
from models import random_beliefs, random_model, tiger
from pomdptool.formats.dump import write_file
from pomdptool.formats.models import encode_model
from pomdptool.model import Model, make_model
from pomdptool.solving.exact import run, value_iteration
from pomdptool.solving.graph_evaluation import evaluate
from pomdptool.solving.observed.solver import observes_state, solve_observed
from pomdptool.solving.solution import Monitor, Solution
from revealed_states import MAKERS, at_start, every_make, mdp_with_terminal_state, vectors_of


def value_iteration_on_faces(
    model: Model, monkeypatch: pytest.MonkeyPatch, **options: Any
) -> Solution:
    """Solution by value iteration on faces."""
    with monkeypatch.context() as patch:
        patch.setattr(value_iteration, "observes_state", lambda model: False)
        return pomdptool.solve(model, "exact", **options)


def policy_value(model: Model, policy: np.ndarray) -> np.ndarray:
    """V[s] of a stationary policy."""
    s, r, g = np.arange(model.n_states), model.expected_rewards, model.discount
    return np.linalg.solve(np.eye(len(s)) - g * model.T[policy, s], r[policy, s])


def earned(model: Model, Q: np.ndarray) -> np.ndarray:
    """Q[a, s] of action a followed by the greedy policy of another Q."""
    continuation = model.discount * model.T @ policy_value(model, Q.argmax(axis=0))
    return np.asarray(model.expected_rewards + continuation)


def optimum(model: Model) -> np.ndarray:
    """Optimal Q[a, s], by enumeration of policies."""
    policies = itertools.product(range(model.n_actions), repeat=model.n_states)
    V = np.max([policy_value(model, np.array(policy)) for policy in policies], axis=0)
    return np.asarray(model.expected_rewards + model.discount * model.T @ V)


def naive_observes(model: Model) -> bool:
    """Oracle: by the definition."""
    for a in range(model.n_actions):
        for o in range(model.n_observations):
            told = [
                s2
                for s2 in range(model.n_states)
                if model.T[a, :, s2].any() and model.Z[a, s2, o] > 0
            ]
            if len(told) > 1:
                return False
    return True


@every_make
def test_models_that_reveal_their_state(make: Callable[[int], Model]) -> None:
    for seed in range(10):
        assert observes_state(make(seed))
        assert naive_observes(make(seed))


@pytest.mark.parametrize("seed", range(60))
def test_observes_state_agrees_with_its_definition(seed: int) -> None:
    """For sparse random models, only some of which reveal the state."""
    rng = np.random.default_rng(seed)
    T = np.eye(3)[rng.integers(3, size=(2, 3))]
    Z = np.eye(3)[rng.integers(3, size=(2, 3))]
    model = make_model(T, Z, discount=0.9)
    assert observes_state(model) == naive_observes(model)


def test_both_kinds_occur_in_that_test() -> None:
    rngs = map(np.random.default_rng, range(60))
    models = [
        make_model(
            np.eye(3)[rng.integers(3, size=(2, 3))],
            np.eye(3)[rng.integers(3, size=(2, 3))],
            discount=0.9,
        )
        for rng in rngs
    ]
    assert 10 < sum(map(observes_state, models)) < 50


def test_any_noise_hides_the_state() -> None:
    clear = mdps.random_mdp(0)
    noise = np.eye(4)
    noise[1, 1:3] = [1.0 - 1e-12, 1e-12]
    noisy = make_model(clear.T, noise, clear.R[..., 0], discount=0.9)
    assert not observes_state(noisy)
    assert not observes_state(tiger())
    assert not observes_state(random_model(0))


@every_make
@pytest.mark.parametrize("discount", [0.0, 0.9, 1.0])
def test_horizons_agree_with_the_oracles(make: Callable[[int], Model], discount: float) -> None:
    for seed in range(3):
        model = replace(make(seed), discount=discount)
        for horizon in range(1, 6):
            solution = pomdptool.solve(model, "exact", horizon=horizon)
            assert solution.converged
            assert solution.stop_reason == "horizon"
            oracle = naive.bound(model, "qmdp", horizon)
            assert_allclose(vectors_of(solution), oracle, rtol=1e-12, atol=1e-12)
            value = at_start(model, oracle)
            assert_allclose([solution.bounds.lower, solution.bounds.upper], value, atol=1e-12)


@pytest.mark.parametrize("make", [MAKERS["mdp"], MAKERS["renamed"]], ids=["mdp", "renamed"])
@pytest.mark.parametrize("seed", range(3))
def test_uncertain_beliefs_agree_with_expectimax(make: Callable[[int], Model], seed: int) -> None:
    model = make(seed)
    for horizon in (1, 2):
        value = pomdptool.solve(model, "exact", horizon=horizon).policy.value
        for b in (model.start, *random_beliefs(3, model.n_states, seed)):
            assert_allclose(value(b), naive.expectimax(model, b, horizon), atol=1e-12)


@every_make
@pytest.mark.parametrize("seed", range(3))
def test_value_iteration_on_faces_agrees(
    make: Callable[[int], Model], seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make(seed)
    for options in ({"horizon": 3}, {"precision": 1e-6}):
        ours = pomdptool.solve(model, "exact", **options)
        theirs = value_iteration_on_faces(model, monkeypatch, **options)
        if not model.mdp:  # the general way takes the initial state for hidden
            assert ours.bounds.lower <= theirs.bounds.upper + 1e-9
            assert theirs.bounds.lower <= ours.bounds.upper + 1e-9
        for b in random_beliefs(20, model.n_states, seed):
            assert_allclose(ours.policy.value(b), theirs.policy.value(b), atol=1e-5)


@every_make
@pytest.mark.parametrize("precision", [1.0, 1e-3, 1e-9])
def test_certified_bounds_hold(make: Callable[[int], Model], precision: float) -> None:
    """Vectors are at most the greedy policy's value, and within the gap of the optimum."""
    for seed in range(5):
        model = make(seed)
        solution = pomdptool.solve(model, "exact", precision=precision)
        assert solution.converged
        assert solution.stop_reason == "precision"
        lower, upper = solution.bounds.lower, solution.bounds.upper
        assert upper - lower <= precision * max(1.0, abs(lower))
        best, Q = optimum(model), vectors_of(solution)
        assert lower - 1e-12 <= at_start(model, best) <= upper + 1e-12
        assert (Q - earned(model, Q)).max() <= 1e-12
        assert (best - Q).max() <= upper - lower + 1e-12
        assert lower == pytest.approx(at_start(model, Q), abs=1e-12)


def test_discount_zero_takes_one_sweep() -> None:
    model = mdps.random_mdp(1, discount=0.0)
    solution = pomdptool.solve(model, "exact")
    assert solution.bounds.gap <= 1e-15
    assert solution.policy.stats["iterations"] == 1
    assert_allclose(vectors_of(solution), model.expected_rewards)


@pytest.mark.parametrize("discount", [0.999, 0.999999])
@pytest.mark.parametrize("make", [mdps.random_mdp, mdp_with_terminal_state])
def test_discounts_near_one(make: Callable[[int], Model], discount: float) -> None:
    model = replace(make(2), discount=discount)
    solution = pomdptool.solve(model, "exact", precision=1e-6)
    assert solution.converged
    Q = vectors_of(solution)
    best = optimum(model)
    rounding = 1e-9 * np.abs(best).max()
    assert (Q - earned(model, Q)).max() <= rounding
    assert (best - Q).max() <= solution.bounds.gap + rounding


def test_discount_one_requires_a_horizon() -> None:
    model = mdps.random_mdp(0, discount=1.0)
    with pytest.raises(pomdptool.PomdpError, match="horizon"):
        pomdptool.solve(model, "exact")
    with pytest.raises(pomdptool.PomdpError, match="horizon"):
        solve_observed(model)


def test_costs_are_minimised() -> None:
    model = make_model(
        np.ones((2, 1, 1)), None, [[-3.0], [-2.0]], discount=0.5, start=[1.0], costs=True
    )
    solution = pomdptool.solve(model, "exact", precision=1e-9)
    assert solution.policy.act(model.start) == 1
    assert solution.bounds.lower == pytest.approx(-4.0, abs=1e-8)


def test_rounding_is_reported() -> None:
    model = mdps.random_mdp(3)
    solution = pomdptool.solve(model, "exact", precision=1e-300)
    assert solution.stop_reason == "rounding"
    assert not solution.converged
    assert 0.0 < solution.bounds.gap < 1e-11


def interrupt_at(n: int) -> Monitor:
    """Monitor that interrupts at the nth check."""
    count = iter(range(10**9))
    return Monitor(interrupted=lambda: next(count) >= n - 1)


def test_limits_return_valid_bounds() -> None:
    model = mdps.random_mdp(5, discount=0.99)
    best = at_start(model, optimum(model))
    monitors = {"interrupted": [interrupt_at(n) for n in (1, 2, 5, 9)]}
    monitors["time-limit"] = [Monitor(time_limit=0.0)]
    monitors["max-vectors"] = [Monitor(max_vectors=2)]
    for reason, some in monitors.items():
        for monitor in some:
            solution = solve_observed(model, precision=1e-12, monitor=monitor)
            assert solution.stop_reason == reason
            assert not solution.converged
            assert solution.bounds.lower - 1e-9 <= best <= solution.bounds.upper + 1e-9
            Q = vectors_of(solution)
            assert (Q - earned(model, Q)).max() <= 1e-9
    assert solve_observed(model, monitor=Monitor(max_vectors=3)).converged


def test_bounds_hold_at_every_step() -> None:
    model = mdps.random_mdp(6, discount=0.99)
    best = at_start(model, optimum(model))
    trace = pomdptool.solve(model, "exact", precision=1e-9).trace
    assert len(trace) > 2
    assert [p.iteration for p in trace] == list(range(1, len(trace) + 1))
    assert all(p.lower - 1e-9 <= best <= p.upper + 1e-9 for p in trace)


def test_the_narrowest_bounds_are_kept() -> None:
    """In this model the residual grows between two iterations."""
    trace = solve_observed(mdps.grid_world(10, discount=0.999), precision=1e-9).trace
    gaps = [p.upper - p.lower for p in trace]
    assert gaps == sorted(gaps, reverse=True)
    assert len(set(gaps)) < len(gaps)


@pytest.mark.parametrize("n", [1, 2, 4])
def test_stopping_before_the_horizon(n: int) -> None:
    model = mdps.random_mdp(7)
    best = at_start(model, naive.bound(model, "qmdp", 6))
    solution = solve_observed(model, horizon=6, monitor=interrupt_at(n))
    assert solution.stop_reason == "interrupted"
    assert not solution.converged
    assert solution.policy.stats["iterations"] == n
    assert_allclose(vectors_of(solution), naive.bound(model, "qmdp", n))
    assert solution.bounds.lower <= best <= solution.bounds.upper
    graph = solution.policy.graph
    assert graph is not None
    assert graph.initial_value(evaluate(model, graph), model.start) >= solution.bounds.lower - 1e-12
    bounds = [(p.lower, p.upper) for p in solve_observed(model, horizon=6).trace]
    assert all(low - 1e-12 <= best <= high + 1e-12 for low, high in bounds)


@pytest.mark.parametrize("discount", [0.95, 0.999])
@pytest.mark.parametrize("make", [mdps.grid_world, mdps.random_sparse])
def test_ten_thousand_states(
    make: Callable[..., Model], discount: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(model: Model) -> None:
        raise AssertionError("faces of an MDP were n for")

    monkeypatch.setattr(run, "find_faces", refuse)
    model = make(discount=discount)
    assert model.n_states == 10_000
    solution = pomdptool.solve(model, "exact", time_limit=60.0)
    assert solution.converged
    Q, g = vectors_of(solution), discount
    T = model.sparse_T
    continuation = T.sum_rows(T.data * Q.max(axis=0)[T.indices]).reshape(Q.shape)
    residual = (model.expected_rewards + g * continuation - Q).max()
    assert -1e-9 <= residual <= solution.bounds.gap * (1.0 - g) / g + 1e-9
    assert pomdptool.solve(model, "exact", horizon=50, time_limit=60.0).converged


def test_an_mdp_file_from_text_to_policy(tmp_path: Path) -> None:
    model = mdps.grid_world(side=20)
    text, _ = encode_model(model, "pomdp")
    write_file(tmp_path / "grid.mdp", text)
    read = pomdptool.load(tmp_path / "grid.mdp")
    assert read.mdp
    assert read.equals(model)
    solution = pomdptool.solve(read, "exact", full_simplex=True)
    assert_allclose(vectors_of(solution), vectors_of(pomdptool.solve(model, "exact")))
    for name in ("p.json", "p.alpha", "p.pg"):
        pomdptool.dump(solution.policy, tmp_path / name)
    assert (tmp_path / "p.alpha").read_text().count("\n\n") == model.n_actions
