"""The EM algorithm: the log-posterior never falls, and acceleration."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import naive_learning as naive
from episode_data import (
    NO_PRIORS,
    counted,
    em_run,
    episodes_of,
    random_parameters,
    random_steps,
    rows,
)
from naive_learning import Steps
from pomdptool.episodes import NONE
from pomdptool.learning.e_step import Threads
from pomdptool.learning.em import EM, EMRun
from pomdptool.learning.encoding import encode
from pomdptool.learning.m_step import MStepSettings, log_prior, maximise
from pomdptool.learning.parameters import Parameters
from pomdptool.learning.progress import LearningMonitor


def test_one_action_matches_plain_baum_welch() -> None:
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
def test_an_em_iteration_never_lowers_the_log_posterior(seed: int, damping: float) -> None:
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


def test_fixed_and_unvisited_rows_do_not_change() -> None:
    rng = np.random.default_rng(5)
    parameters = random_parameters(5, 3, 3)
    episodes = [[(int(rng.integers(2)), o) for _, o in random_steps(rng, 40)]]
    fixed = MStepSettings(fix=frozenset({"O", "start"}))
    run = em_run(parameters, episodes, fixed, accelerate=True)
    assert np.array_equal(run.parameters.Z, parameters.Z)
    assert np.array_equal(run.parameters.start, parameters.start)
    assert np.array_equal(run.parameters.T[2], parameters.T[2])
    assert not np.allclose(run.parameters.T[0], parameters.T[0])


def test_acceleration_needs_fewer_iterations() -> None:
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
