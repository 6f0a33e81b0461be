"""Expected counts, maximisation, and that the log-posterior never falls."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import naive_learning as naive
from episode_data import NO_PRIORS, em_run, episodes_of, random_parameters, random_steps, rows
from naive_learning import Steps
from pomdptool.episodes import NONE, Episodes
from pomdptool.errors import DataError
from pomdptool.kernels import jit
from pomdptool.learning import e_step
from pomdptool.learning.e_step import ExpectedCounts, Threads, expected_counts
from pomdptool.learning.em import EM, EMRun
from pomdptool.learning.encoding import encode
from pomdptool.learning.m_step import MStepSettings, log_prior, maximise
from pomdptool.learning.parameters import Parameters
from pomdptool.learning.progress import LearningMonitor


def counted(parameters: Parameters, episodes: list[Steps], threads: int = 1) -> ExpectedCounts:
    A, Z = len(parameters.T), parameters.Z.shape[2]
    with Threads(threads) as pool:
        return expected_counts(parameters, encode(episodes_of(episodes, A, Z)), pool)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("S", [1, 2, 3, 4, 5])
def test_counts_are_those_of_all_paths(S: int, shared: bool) -> None:
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
def test_rewards_count_as_all_paths_say(S: int, full: bool) -> None:
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
def test_blocks_and_threads_change_no_bit(S: int, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_equal_episodes_are_counted_once_with_their_weight() -> None:
    episodes: list[Steps] = [[(0, 0), (1, 1)], [(0, 0)], [(0, 0), (1, 1)], [(0, 1)], [(0, 0)]]
    sequences = encode(episodes_of(episodes))
    assert sequences.distinct.tolist() == [0, 1, 0, 2, 1]
    assert sequences.steps.weights.tolist() == [2.0, 2.0, 1.0]
    assert sequences.steps.first.tolist() == [0, 2, 3, 4]


def test_a_million_steps_do_not_underflow_and_extinct_states_do_no_harm() -> None:
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


def test_what_is_impossible_has_no_likelihood() -> None:
    parameters = Parameters(np.eye(2)[np.newaxis], np.eye(2)[np.newaxis], np.array([1.0, 0.0]))
    assert counted(parameters, [[(0, 0)], [(0, 0), (0, 1)]]).loglik == -np.inf


def test_observations_before_an_action_need_shared_ones() -> None:
    with pytest.raises(DataError, match="shared observation model"):
        counted(random_parameters(0), [[(NONE, 0), (0, 1)]])
    with pytest.raises(DataError, match=r"episode 1, step 1: the action is missing"):
        counted(random_parameters(0, shared=True), [[(0, 0)], [(0, 0), (NONE, 1)]])
    with pytest.raises(DataError, match="contain no steps"):
        counted(random_parameters(0), [])


# ------------------------------------------------------------ maximisation and climbing


def test_one_action_follows_a_plain_baum_welch() -> None:
    rng = np.random.default_rng(7)
    parameters = random_parameters(7, 3, 1, 4, shared=True)
    symbols = rng.integers(4, size=60).tolist()
    episodes = [[(NONE, symbols[0]), *((0, o) for o in symbols[1:])]]
    T, Z, start = parameters.T[0], parameters.Z[0], parameters.start
    for n in range(1, 6):
        run = em_run(parameters, episodes, NO_PRIORS, accelerate=False, iterations=n)
        np.testing.assert_allclose(run.parameters.T[0], T, atol=1e-10)
        np.testing.assert_allclose(run.parameters.Z[0], Z, atol=1e-10)
        np.testing.assert_allclose(run.parameters.start, start, atol=1e-10)
        T, Z, start = naive.baum_welch(T, Z, start, symbols)


@given(
    seed=st.integers(0, 2**32 - 1),
    S=st.integers(1, 5),
    pseudo=st.sampled_from([0.0, 0.01, 1.0]),
    damping=st.sampled_from([0.0, 0.4]),
    accelerate=st.booleans(),
    shared=st.booleans(),
)
@settings(max_examples=60)
def test_the_log_posterior_never_falls(
    seed: int, S: int, pseudo: float, damping: float, accelerate: bool, shared: bool
) -> None:
    rng = np.random.default_rng(seed)
    parameters = random_parameters(seed, S, shared=shared, zeros=0.2)
    episodes = [random_steps(rng, int(n), early=shared) for n in rng.integers(1, 15, size=4)]
    chosen = MStepSettings(pseudo, pseudo, pseudo, frozenset(), damping)
    run = em_run(parameters, episodes, chosen, accelerate=accelerate, iterations=12)
    if run.log_posterior == -np.inf:  # a zero that the data contradict
        assert run.stop_reason == "impossible"
        return
    assert min(np.diff(run.log_posteriors), default=0.0) >= 0.0
    for table, old in zip(run.parameters.arrays, parameters.arrays, strict=True):
        np.testing.assert_allclose(table.sum(axis=-1), 1.0, rtol=1e-12)
        assert not table[old == 0.0].any()
    plain = run.log_posteriors[1] - run.log_posteriors[0] if len(run.log_posteriors) > 1 else 0.0
    assert plain >= 0.0


@given(seed=st.integers(0, 2**32 - 1), full=st.booleans(), accelerate=st.booleans())
@settings(max_examples=40)
def test_the_log_posterior_never_falls_with_rewards(
    seed: int, full: bool, accelerate: bool
) -> None:
    rng = np.random.default_rng(seed)
    plain = random_parameters(seed, 3)
    W = rows(rng, 2, 3, *((3, 2) if full else (1, 1)), 4, zeros=0.2)
    episodes = [random_steps(rng, int(n)) for n in rng.integers(1, 15, size=4)]
    data = episodes_of(episodes)
    r = np.where(rng.random(data.n_steps) < 0.2, np.nan, rng.integers(4, size=data.n_steps))
    run = EMRun(0, None, replace(plain, W=W))
    with Threads(1) as threads:
        sequences = encode(replace(data, rewards=r), np.array([0.5, 1.5, 2.5]))
        EM(sequences, MStepSettings(), threads, LearningMonitor(), 0.0, 12, accelerate).improve(run)
    if run.log_posterior == -np.inf:  # a zero that the data contradict
        assert run.stop_reason == "impossible"
        return
    assert min(np.diff(run.log_posteriors), default=0.0) >= 0.0
    for table, old in zip(run.parameters.arrays, (*plain.arrays[:3], W), strict=True):
        np.testing.assert_allclose(table.sum(axis=-1), 1.0, rtol=1e-12)
        assert not table[old == 0.0].any()


@given(seed=st.integers(0, 2**32 - 1), damping=st.sampled_from([0.0, 0.7]))
@settings(max_examples=30)
def test_one_step_of_em_never_lowers_the_log_posterior(seed: int, damping: float) -> None:
    rng = np.random.default_rng(seed)
    chosen = MStepSettings(0.1, 0.2, 0.3, frozenset(), damping)
    parameters = random_parameters(seed, 3)
    episodes = [random_steps(rng, 10), random_steps(rng, 3)]
    before = -np.inf
    for _ in range(5):
        counts = counted(parameters, episodes)
        posterior = counts.loglik + log_prior(parameters, chosen)
        assert posterior >= before - 1e-10
        before, parameters = posterior, maximise(counts, parameters, chosen)


def test_what_is_fixed_or_untried_stays() -> None:
    rng = np.random.default_rng(5)
    parameters = random_parameters(5, 3, 3)
    episodes = [[(int(rng.integers(2)), o) for _, o in random_steps(rng, 40)]]
    fixed = MStepSettings(fix=frozenset({"O", "start"}))
    run = em_run(parameters, episodes, fixed, accelerate=True)
    assert np.array_equal(run.parameters.Z, parameters.Z)
    assert np.array_equal(run.parameters.start, parameters.start)
    assert np.array_equal(run.parameters.T[2], parameters.T[2])
    assert not np.allclose(run.parameters.T[0], parameters.T[0])


def test_pseudo_counts_and_damping_enter_as_written() -> None:
    parameters = random_parameters(6, 2)
    counts = counted(parameters, [[(0, 0), (1, 1), (0, 1)]])
    new = maximise(counts, parameters, MStepSettings(2.0, 0.0, 0.0, frozenset(), 0.25))
    row = counts.T[0, 1] + 2.0
    np.testing.assert_allclose(new.T[0, 1], 0.75 * row / row.sum() + 0.25 * parameters.T[0, 1])
    row = counts.Z[1, 0]
    np.testing.assert_allclose(new.Z[1, 0], 0.75 * row / row.sum() + 0.25 * parameters.Z[1, 0])


def test_longer_steps_need_fewer_iterations() -> None:
    rng = np.random.default_rng(8)
    true = random_parameters(8, 3, 2, 3)
    episodes = [sampled(true, 40, rng) for _ in range(50)]
    data = encode(episodes_of(episodes, 2, 3))
    runs = []
    for accelerate in (False, True):
        run = EMRun(0, None, random_parameters(9, 3, 2, 3))
        with Threads(1) as threads:
            EM(data, MStepSettings(), threads, LearningMonitor(), 1e-7, 4000, accelerate).improve(
                run
            )
        assert run.converged
        runs.append(run)
    assert runs[1].iterations * 2 < runs[0].iterations
    assert runs[1].log_posterior > runs[0].log_posterior - 0.05


def sampled(parameters: Parameters, n: int, rng: np.random.Generator) -> Steps:
    """Draw steps from tables, actions uniformly."""
    A, S, _ = parameters.T.shape
    Z = np.broadcast_to(parameters.Z, (A, *parameters.Z.shape[1:]))
    s = int(rng.choice(S, p=parameters.start))
    steps = []
    for _ in range(n):
        a = int(rng.integers(A))
        s = int(rng.choice(S, p=parameters.T[a, s]))
        steps.append((a, int(rng.choice(Z.shape[2], p=Z[a, s]))))
    return steps
