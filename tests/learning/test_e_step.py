"""The E-step: expected counts against sums over all paths."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import naive_learning as naive
from episode_data import (
    counted,
    episodes_of,
    random_parameters,
    random_steps,
    rows,
)
from naive_learning import Steps
from pomdptool.episodes import NONE, Episodes
from pomdptool.errors import DataError
from pomdptool.kernels import jit
from pomdptool.learning import e_step
from pomdptool.learning.e_step import Threads, expected_counts
from pomdptool.learning.encoding import encode
from pomdptool.learning.parameters import Parameters


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("S", [1, 2, 3, 4, 5])
def test_counts_match_sums_over_paths(S: int, shared: bool) -> None:
    rng = np.random.default_rng(S)
    parameters = random_parameters(S, S, shared=shared, zeros=0.3)
    Z = np.broadcast_to(parameters.Z, (2, S, 2))
    episodes = [random_steps(rng, n, early=shared and n % 2 == 0) for n in (4, 1, 0, 3, 4, 2)]
    episodes += [episodes[0], episodes[3]]
    result = counted(parameters, episodes)
    parts = [naive.counts(parameters.T, Z, parameters.start, steps) for steps in episodes]
    nT, nZ, n0 = (sum(part) for part in zip(*parts, strict=True))
    if shared:
        nZ = np.asarray(nZ).sum(axis=0, keepdims=True)
    loglik = sum(
        np.log(naive.paths(parameters.T, Z, parameters.start, s).likelihood) for s in episodes
    )
    np.testing.assert_allclose(result.T, nT, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(result.Z, nZ, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(result.start, n0, rtol=1e-10, atol=1e-12)
    assert result.loglik == pytest.approx(loglik, rel=1e-10)


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("S", [2, 3])
def test_reward_counts_match_sums_over_paths(S: int, full: bool) -> None:
    rng = np.random.default_rng(S)
    parameters = random_parameters(S, S)
    W = rows(rng, 2, S, *((S, 2) if full else (1, 1)), 3)
    parameters = Parameters(parameters.T, parameters.Z, parameters.start, W)
    steps: Steps = [(0, 1), (1, 0), (1, NONE), (0, 0)]
    r = np.array([7.0, 5.0, 9.0, np.nan])  # levels 1, 0, 2 and none
    data = replace(episodes_of([steps]), rewards=r)
    with Threads(1) as pool:
        result = expected_counts(parameters, encode(data, np.array([6.0, 8.0])), pool)
    outcome = naive.paths(parameters.T, parameters.Z, parameters.start, steps)
    wide = np.broadcast_to(W, (2, S, S, 2, 3))
    weights, told = outcome.probability.copy(), [(0, 1), (1, 0), (2, 2)]
    if full:
        told.pop()  # an observation that is missing leaves the reward's distribution open
    for t, k in told:
        a, o = steps[t]
        weights *= wide[a, outcome.states[:, t], outcome.states[:, t + 1], o, k]
    assert result.loglik == pytest.approx(np.log(weights.sum()), rel=1e-10)
    posterior = weights / weights.sum()
    nW, nT = np.zeros(W.shape), np.zeros(parameters.T.shape)
    for path, p in zip(outcome.states, posterior, strict=True):
        for t, (a, _) in enumerate(steps):
            nT[a, path[t], path[t + 1]] += p
        for t, k in told:
            a, o = steps[t]
            nW[(a, path[t], path[t + 1], o, k) if full else (a, path[t], 0, 0, k)] += p
    np.testing.assert_allclose(result.T, nT, rtol=1e-10)
    np.testing.assert_allclose(result.W, nW, rtol=1e-10)


@pytest.mark.parametrize("S", [3, 4, 6, 25])
def test_results_do_not_depend_on_blocks_and_threads(
    S: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    parameters = random_parameters(1, S, 3, 4)
    episodes = [random_steps(rng, n, 3, 4) for n in (300, 2, 101, 50, 7, 300)]
    monkeypatch.setattr("pomdptool.learning.encoding.CHUNK_STEPS", 60)
    one = counted(parameters, episodes)
    three = counted(parameters, episodes, threads=3)
    monkeypatch.setattr(e_step, "ALPHA_BYTES", 8 * max(S, 4) * 13)
    blocks = counted(parameters, episodes)
    for part in ("T", "Z", "start"):
        assert np.array_equal(getattr(one, part), getattr(three, part))
        assert np.array_equal(getattr(one, part), getattr(blocks, part))
    assert one.loglik == three.loglik
    assert one.loglik == pytest.approx(blocks.loglik, rel=1e-14)
    assert one.T.sum() == pytest.approx(760)


@pytest.mark.parametrize("S", [4, 5, 24])
def test_compiled_and_interpreted_agree(S: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    parameters = random_parameters(2, S, zeros=0.2)
    episodes = [random_steps(rng, n) for n in (9, 4)]
    monkeypatch.setattr("pomdptool.learning.e_step.request_compilation", lambda n: None)
    results = []
    for compiled in (False, True):
        monkeypatch.setattr(jit.runtime, "compiled", compiled)
        results.append(counted(parameters, episodes))
    np.testing.assert_allclose(results[0].T, results[1].T, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(results[0].Z, results[1].Z, rtol=1e-12, atol=1e-14)
    assert results[0].loglik == pytest.approx(results[1].loglik, rel=1e-13)


def test_a_million_steps_do_not_underflow() -> None:
    rng = np.random.default_rng(3)
    symbols = (rng.random(1_000_000) < 0.9).astype(int)
    T = np.eye(2)[np.newaxis]
    Z = np.array([[[0.1, 0.9], [0.9, 0.1]]])
    parameters = Parameters(T, Z, np.array([0.5, 0.5]))
    steps = Episodes(("a",), ("0", "1"), 0 * symbols, symbols, np.array([0, 1_000_000]))
    with Threads(1) as pool:
        result = expected_counts(parameters, encode(steps), pool)
        none = expected_counts(Parameters(T, Z, np.array([0.0, 1.0])), encode(steps), pool)
    k = symbols.sum()
    likely = k * np.log(0.9) + (1_000_000 - k) * np.log(0.1)
    assert result.loglik == pytest.approx(likely + np.log(0.5), rel=1e-12)
    np.testing.assert_allclose(result.T[0], [[1e6, 0.0], [0.0, 0.0]], atol=1e-4)
    assert np.isfinite(none.T).all()
    np.testing.assert_allclose(none.T[0], [[0.0, 0.0], [0.0, 1e6]], atol=1e-4)


def test_impossible_episodes_have_likelihood_zero() -> None:
    parameters = Parameters(np.eye(2)[np.newaxis], np.eye(2)[np.newaxis], np.array([1.0, 0.0]))
    assert counted(parameters, [[(0, 0)], [(0, 0), (0, 1)]]).loglik == -np.inf


def test_observations_before_an_action_require_a_shared_model() -> None:
    with pytest.raises(DataError, match="shared observation model"):
        counted(random_parameters(0), [[(NONE, 0), (0, 1)]])
    with pytest.raises(DataError, match=r"episode 1, step 1: the action is missing"):
        counted(random_parameters(0, shared=True), [[(0, 0)], [(0, 0), (NONE, 1)]])
    with pytest.raises(DataError, match="contain no steps"):
        counted(random_parameters(0), [])


@pytest.mark.parametrize("S", [2, 5, 25])
def test_counts_do_not_depend_on_pauses(S: int, monkeypatch: pytest.MonkeyPatch) -> None:
    parameters = random_parameters(3, S, 3, 4)
    rng = np.random.default_rng(0)
    data = encode(episodes_of([random_steps(rng, n, 3, 4) for n in (90, 2, 0, 31)], 3, 4))
    calls = []
    results = []
    for work, remembered in ((1 << 25, 1 << 29), (7 * max(S, 4) ** 2, 8 * max(S, 4) * 13)):
        monkeypatch.setattr(e_step, "CALL_WORK", work)
        monkeypatch.setattr(e_step, "ALPHA_BYTES", remembered)
        calls.append(0)

        def check() -> None:
            calls[-1] += 1

        with Threads(1) as threads:
            results.append(expected_counts(parameters, data, threads, check))
    one, paused = results
    assert calls[0] == 1
    assert calls[1] > 20
    for part in ("T", "Z", "start"):
        assert np.array_equal(getattr(one, part), getattr(paused, part))
    assert paused.loglik == pytest.approx(one.loglik, rel=1e-14)
