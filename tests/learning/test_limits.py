"""Limits of learning: time, interrupts, rounding, memory, and the size of rewards."""

from __future__ import annotations

import os
import subprocess
import time
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from episode_data import NO_PRIORS, episodes_of, logged, numbered, random_parameters, random_steps
from models import tiger
from pomdptool.episodes import NONE, Episodes
from pomdptool.errors import DataError, ModelError
from pomdptool.kernels import jit
from pomdptool.learning import e_step, initialisation, progress
from pomdptool.learning.e_step import Threads, expected_counts
from pomdptool.learning.em import EM, EMRun, _extrapolate, _Iterate
from pomdptool.learning.encoding import encode
from pomdptool.learning.fit import fit
from pomdptool.learning.likelihood import loglik
from pomdptool.learning.m_step import MStepSettings
from pomdptool.learning.parameters import Parameters
from pomdptool.learning.progress import LearningMonitor
from pomdptool.learning.sizes import check_memory
from pomdptool.learning.utile_distinction import distinguish
from pomdptool.limits import Clock, LimitReached, Limits
from pomdptool.model import make_model
from pomdptool.solving.solution import Monitor
from processes import COMMAND

# ------------------------------------------------------------ time and interrupts


class Compiling:
    """Stands for numba's clock."""

    seconds = 0.0


def test_compiling_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Compiling()
    monkeypatch.setattr(jit.runtime, "compiling", clock)
    bare = Clock()
    limits: list[Limits] = [Limits(1.0), LearningMonitor(1.0), Monitor(1.0)]
    clock.seconds = 3600.0
    assert bare.seconds < -3000.0
    assert max(limit.seconds for limit in limits) < -3000.0
    clock.seconds = -3600.0
    for limit in limits:
        with pytest.raises(LimitReached, match="time-limit"):
            limit.check()


def test_compiling_under_way_does_not_count_either() -> None:
    listener = jit._compile_clock(pytest.importorskip("numba.core.event"))
    listener.on_start(None)
    listener.on_start(None)  # one kernel compiles another, or a second thread waits
    time.sleep(0.02)
    assert listener.seconds >= 0.02
    listener.on_end(None)
    listener.on_end(None)
    done = listener.seconds
    time.sleep(0.01)
    assert listener.seconds == done >= 0.02


@pytest.mark.slow
def test_a_limit_with_an_empty_cache_leaves_time_to_learn(tmp_path: Path) -> None:
    data = logged(tiger(), 200, 50, np.random.default_rng(1))
    log = tmp_path / "log.csv"
    rows = zip(data.actions, data.observations, strict=True)
    log.write_text("action,observation\n" + "".join(f"a{a},o{o}\n" for a, o in rows))
    done = subprocess.run(
        [*COMMAND, "fit", log, "--states", "3", "--tol", "0", "--max-iter", "1000000",
         "--restarts", "2", "--time-limit", "4", "--seed", "1", "-o", tmp_path / "out.pomdp"],
        env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stderr.startswith("compiling")
    iterations = next(x for x in done.stderr.splitlines() if x.startswith("iterations"))
    assert int(iterations.split()[1]) > 20


def test_an_e_step_stops_at_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(e_step, "CALL_WORK", 16)
    data = encode(episodes_of([random_steps(np.random.default_rng(0), 50)]))
    asked = [0]

    def interrupted() -> bool:
        asked[0] += 1
        return asked[0] > 20

    run = EMRun(0, None, random_parameters(1))
    with Threads(1) as threads:
        limits = LearningMonitor(interrupted=interrupted)
        EM(data, MStepSettings(), threads, limits, 0.0, 99).improve(run)
    assert run.stop_reason == "interrupted"
    assert run.iterations == 0
    assert asked[0] < 25


def test_a_limit_before_the_first_pass_leaves_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "GRACE", -1.0)
    data = logged(tiger(), 30, 20, np.random.default_rng(1))
    for model in ("state", "transition"):
        result = fit(data, 2, rng=np.random.default_rng(0), time_limit=0.0, reward_model=model)
        assert result.stop_reason == "time-limit"
        assert (result.iterations, result.restarts, result.converged) == (0, (), False)
        assert np.isnan([result.loglik, result.joint, result.bic]).all()
        assert any("before a pass over all data" in w for w in result.warnings)
        assert result.model.n_states == 2
        r = result.model.expected_rewards
        np.testing.assert_allclose(r[0], -1.0, atol=20.0)
        assert (r[1:] < 0.0).all()


def test_k_means_and_utile_distinction_check_limits() -> None:
    data = logged(tiger(), 100, 20, np.random.default_rng(1))
    happened = ((data.actions, 3), (data.observations, 2))
    points = initialisation._context_features(data, np.arange(data.n_steps), happened, 0.5)
    calls = [0]

    def check() -> None:
        calls[0] += 1

    initialisation._k_means(points, 5, np.random.default_rng(0), check)
    assert 5 + 2 <= calls[0] <= 5 + initialisation.KMEANS_ITERATIONS
    asked = [0]

    def interrupted() -> bool:
        asked[0] += 1
        return asked[0] > 60

    result = distinguish(data, rng=np.random.default_rng(0), interrupted=interrupted, max_iter=3)
    assert result.fit.stop_reason == "interrupted"
    assert asked[0] < 70


# ------------------------------------------------------------ rounding


@pytest.mark.parametrize("tolerance", [0.0, 1e-300])
@pytest.mark.parametrize("accelerate", [False, True])
@pytest.mark.parametrize("pseudo", [0.0, 0.01])
def test_an_unreachable_tolerance_ends_by_rounding(
    tolerance: float, accelerate: bool, pseudo: float
) -> None:
    rng = np.random.default_rng(4)
    data = encode(episodes_of([random_steps(rng, 30), random_steps(rng, 20)]))
    run = EMRun(0, None, random_parameters(4, 2))
    chosen = MStepSettings(pseudo, pseudo, pseudo)
    with Threads(1) as threads:
        EM(data, chosen, threads, LearningMonitor(), tolerance, 10**7, accelerate).improve(run)
    assert (run.stop_reason, run.converged) == ("rounding", False)
    assert run.log_posteriors[-1] > run.log_posteriors[0]


def test_extrapolation_stays_finite_for_almost_straight_paths() -> None:
    one = random_parameters(0)
    data = encode(episodes_of([[(0, 0), (1, 1)]]))
    with Threads(1) as threads:
        counts = expected_counts(one, data, threads)
    tiny = 1e-155  # its square is the least that is not zero
    two, three = (
        Parameters(one.T, one.Z, np.array([0.5 - d, 0.5 + d, 0.0])) for d in (0.1, 0.2 + tiny)
    )
    first = Parameters(one.T, one.Z, np.array([0.5, 0.5, tiny]))
    guess = _extrapolate(_Iterate(first, counts, 0.0), two, three)
    assert guess is not None
    for part in guess.arrays:
        assert np.isfinite(part).all()
        np.testing.assert_allclose(part.sum(axis=-1), 1.0)


def test_em_ends_without_priors_when_a_state_vanishes() -> None:
    T = np.array([[[0.5, 0.5], [0.5, 0.5]]])
    Z = np.array([[[1.0, 0.0], [1e-200, 1.0]]])
    data = encode(episodes_of([[(0, 0)] * 30], 1, 2))
    run = EMRun(0, None, Parameters(T, Z, np.array([0.5, 0.5])))
    with Threads(1) as threads:
        EM(data, NO_PRIORS, threads, LearningMonitor(), 0.0, 10**6).improve(run)
    assert run.stop_reason == "rounding"
    assert run.loglik == pytest.approx(0.0, abs=1e-12)


# ------------------------------------------------------------ memory


@pytest.mark.parametrize("actions", [False, True])
def test_memory_grows_with_names_and_not_their_square(actions: bool) -> None:
    data = numbered(20_000, actions=actions)
    tracemalloc.start()
    result = fit(
        data, 2, rng=np.random.default_rng(0), restarts=1, max_iter=2, time_limit=20.0, threads=1
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert result.iterations == 2
    assert peak < 200e6


def test_models_too_large_for_memory_are_refused_with_their_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(
        ModelError, match=r"20000 states, .* the table of distinct steps would take 8.9 GiB"
    ):
        check_memory((1, 20_000, 3), 3, 1, shared=False, restarts=1)
    with pytest.raises(ModelError, match=r"the table of O would take 14901.2 GiB"):
        check_memory((10**6, 2, 10**6), 9, 1, shared=False, restarts=1)
    with pytest.raises(ModelError, match=r"the table of O would take 6.0 GiB"):
        check_memory(
            (20_000, 2, 20_000), 9, 1, shared=True, restarts=1
        )  # a model has it per action
    check_memory((10**6, 2, 10), 9, 1, shared=False, restarts=1)
    monkeypatch.setattr("pomdptool.learning.sizes.available", lambda: 1 << 30)
    with pytest.raises(
        ModelError, match=r"10 restarts would take .* GiB, but only 1.0 GiB are free"
    ):
        check_memory((10**6, 2, 10), 9, 1, shared=False, restarts=10)
    with pytest.raises(ModelError, match="a state for each of 20000 observations"):
        distinguish(
            replace(numbered(20_000, actions=False), rewards=np.arange(2e4)),
            rng=np.random.default_rng(0),
        )


# ------------------------------------------------------------ rewards and missing observations


def paid(*rewards: float) -> Episodes:
    """Actions a and b in turn."""
    steps = [(t % 2, t % 2) for t in range(len(rewards))]
    return replace(episodes_of([steps]), rewards=np.array(rewards))


@pytest.mark.parametrize("value", [1e300, 1e100, -np.inf])
def test_rewards_too_large_are_refused(value: float) -> None:
    place = r"row 3 \(episode 0, step 2\): the reward .* too large"
    with pytest.raises(DataError, match=place):
        fit(paid(1.0, 2.0, value, np.nan), 1, rng=np.random.default_rng(0))
    with pytest.raises(DataError, match=place):
        distinguish(paid(1.0, 2.0, value, np.nan), 1, rng=np.random.default_rng(0))


@pytest.mark.parametrize("value", [9e99, 1e-300, 5e-324, 0.0])
@pytest.mark.parametrize("other", [1.0, -1.0])
def test_rewards_of_any_other_size_are_learned(value: float, other: float) -> None:
    data = paid(*[value, other * value] * 4)
    for model in ("state", "transition"):
        result = fit(data, 1, rng=np.random.default_rng(0), restarts=1, reward_model=model)
        assert result.model.expected_rewards.ravel() == pytest.approx([value, other * value])
    assert distinguish(data, 1, rng=np.random.default_rng(0)).splits == ()


def test_steps_without_an_observation_are_not_counted() -> None:
    model = make_model([[[1.0]]], [[0.76866, 0.23134]], discount=0.9)
    data = episodes_of([[(0, 0), (0, NONE), (0, 1)]], 1, 2)
    result = loglik(model, data)
    assert float(result) == pytest.approx(-1.7269, abs=1e-4)
    assert (result.n_steps, result.n_observed) == (3, 2)
    assert result.perplexity == pytest.approx(2.371, abs=1e-3)
    assert result.bic == pytest.approx(np.log(2.0) + 2 * 1.7269, abs=1e-3)
    learned = fit(data, init=model, fix=("O",), rng=np.random.default_rng(0))
    assert learned.loglik_per_step == pytest.approx(result.loglik_per_step)
    assert learned.bic == pytest.approx(2 * 1.7269, abs=1e-3)
    rewarded = fit(replace(data, rewards=np.array([np.nan, 1.0, 2.0])), 1, restarts=1,
                   rng=np.random.default_rng(0))  # fmt: skip
    assert (rewarded.n_observed, rewarded.n_informative) == (2, 3)
    assert rewarded.bic == pytest.approx(2 * np.log(3.0) - 2 * rewarded.joint)
    none = loglik(model, episodes_of([[(0, NONE)]], 1, 2))
    assert (none.perplexity, none.bic) == (1.0, 0.0)
