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

from episode_data import NO_PRIORS, episodes_of, logged, random_parameters, random_steps
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


@pytest.mark.parametrize("S", [2, 5, 25])
def test_pauses_of_a_pass_change_no_count(S: int, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_a_pass_stops_where_a_limit_is_met(monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_k_means_and_utile_distinction_look_at_limits() -> None:
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
def test_a_tolerance_out_of_reach_ends_by_rounding(
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


def test_a_guess_stays_finite_where_the_way_hardly_bends() -> None:
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


def test_no_priors_and_a_state_that_dies_out_do_not_loop() -> None:
    T = np.array([[[0.5, 0.5], [0.5, 0.5]]])
    Z = np.array([[[1.0, 0.0], [1e-200, 1.0]]])
    data = encode(episodes_of([[(0, 0)] * 30], 1, 2))
    run = EMRun(0, None, Parameters(T, Z, np.array([0.5, 0.5])))
    with Threads(1) as threads:
        EM(data, NO_PRIORS, threads, LearningMonitor(), 0.0, 10**6).improve(run)
    assert run.stop_reason == "rounding"
    assert run.loglik == pytest.approx(0.0, abs=1e-12)


# ------------------------------------------------------------ memory


def numbered(n: int, *, actions: bool) -> Episodes:
    """Steps of n different actions, or observations."""
    many, few = np.arange(n), np.arange(n) % 2
    names, two = tuple(map(str, range(n))), ("x", "y")
    first = np.array([0, n])
    if actions:
        return Episodes(names, two, many, few, first)
    return Episodes(two, names, few, many, first)


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


def test_a_million_times_a_million_codes_are_numbered() -> None:
    n = 1 << 22
    names = tuple(map(str, range(n)))
    a = np.array([n - 1, 0, n - 1, 5])
    o = np.array([0, NONE, 0, n - 1])
    rewards = np.array([1.0, 2.0, 1.0, np.nan])
    data = Episodes(names, names, a, o, np.array([0, 4]), rewards)
    result = encode(data, np.array([1.5]))
    symbols = result.steps.symbols
    assert result.actions[symbols].tolist() == a.tolist()
    assert result.observations[symbols].tolist() == o.tolist()
    assert result.reward_bins[symbols].tolist() == [0, 1, 0, NONE]


def test_contexts_say_what_happened_around_a_step() -> None:
    rng = np.random.default_rng(0)
    data = episodes_of([random_steps(rng, n) for n in (9, 1, 20)])
    chosen = np.arange(3, 25)
    happened = ((data.actions, 2), (data.observations, 2))
    result = initialisation._context_features(data, chosen, happened, 0.5).toarray()
    plain = np.zeros((len(chosen), 8))
    for row, t in enumerate(chosen):
        for u in range(data.n_steps):
            lag = u - t
            together = np.searchsorted(data.first, np.array([t, u]), "right")
            if abs(lag) > initialisation.CONTEXT or together[0] != together[1]:
                continue
            weight, side = 0.5 ** (abs(lag) - (lag > 0)), 4 * (lag > 0)
            plain[row, side + data.actions[u]] += weight
            if data.observations[u] != NONE:
                plain[row, side + 2 + data.observations[u]] += weight
    np.testing.assert_allclose(result, plain[:, plain.any(axis=0)], rtol=1e-12)


def test_k_means_ends_at_means() -> None:
    from scipy.sparse import csr_matrix

    rng = np.random.default_rng(2)
    centres = rng.normal(size=(4, 6)) * 10.0
    points = centres[np.arange(200) % 4] + rng.normal(size=(200, 6))
    label = initialisation._k_means(csr_matrix(points), 4, np.random.default_rng(0), lambda: None)
    means = np.array([points[label == c].mean(axis=0) for c in range(4)])
    nearest = ((points[:, np.newaxis] - means) ** 2).sum(axis=2).argmin(axis=1)
    assert np.array_equal(label, nearest)
    same = initialisation._k_means(
        csr_matrix(np.ones((9, 2))), 3, np.random.default_rng(0), lambda: None
    )
    assert len(set(same.tolist())) == 1


def test_what_cannot_be_held_is_refused_with_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_few_of_many_warnings_are_shown() -> None:
    data = numbered(2, actions=False)
    names = tuple(map(str, range(1000)))
    result = fit(replace(data, action_names=names), 1, rng=np.random.default_rng(0), restarts=1)
    assert len(result.warnings) < 15
    assert "... and 988 more like this" in result.warnings


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
