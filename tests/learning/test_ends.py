"""Ends of episodes in sampling and learning: terminal states."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import naive_learning as naive
import pomdptool as pt
from episode_data import episodes_of, random_steps, rows, terminated_episodes
from models import ROOT, random_model
from pomdptool.episodes import CUT, NONE, TERMINATED, TRUNCATED, Episodes
from pomdptool.errors import DataError
from pomdptool.learning.e_step import Threads, expected_counts
from pomdptool.learning.em import EM, EMRun
from pomdptool.learning.encoding import encode
from pomdptool.learning.m_step import MStepSettings
from pomdptool.learning.parameters import Parameters
from pomdptool.learning.progress import LearningMonitor
from pomdptool.learning.returns import discounted_returns
from pomdptool.learning.subsets import select_episodes
from pomdptool.model import make_model

CASES = ROOT / "tests" / "cases"


def ending_tables(seed: int, S: int, A: int = 2, Z: int = 2, *, shared: bool = False) -> Parameters:
    """The last state is terminal: absorbing, and reached from the others."""
    rng = np.random.default_rng(seed)
    T = rows(rng, A, S, S)
    T[:, -1] = np.eye(S)[-1]
    start = rows(rng, S)
    return Parameters(T, rows(rng, 1 if shared else A, S, Z), start, terminal=np.arange(S) == S - 1)


def allowed(path: NDArray[np.int64], end: int, last: int) -> bool:
    """Whether a path of states, from the first to the last, ends as the episode did."""
    before, after = path[:-1], path[-1]
    if end == CUT:
        return True
    return last not in before and (after == last) == (end == TERMINATED)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("S", [2, 3, 4, 5])
def test_counts_match_sums_over_paths_with_these_ends(S: int, shared: bool) -> None:
    parameters = ending_tables(S, S, shared=shared)
    Z = np.broadcast_to(parameters.Z, (2, S, 2))
    rng = np.random.default_rng(S)
    episodes = [random_steps(rng, n, early=shared and n % 2 == 0) for n in (3, 1, 2, 4, 1, 3, 2)]
    episodes += [episodes[0]] * 3
    ends = np.array([2, 1, 1, 2, 2, 1, 0, 2, 1, 0])
    loglik, nT, nZ, n0 = 0.0, np.zeros((2, S, S)), np.zeros((2, S, 2)), np.zeros(S)
    for steps, end in zip(episodes, ends.tolist(), strict=True):
        outcome = naive.paths(parameters.T, Z, parameters.start, steps)
        keep = np.array([allowed(path, end, S - 1) for path in outcome.states])
        weights = outcome.probability * keep
        loglik += np.log(weights.sum())
        acted = [step for step in steps if step[0] != NONE]
        for path, p in zip(outcome.states, weights / weights.sum(), strict=True):
            n0[path[0]] += p
            if steps[0][0] == NONE and steps[0][1] != NONE:
                nZ[0, path[0], steps[0][1]] += p
            for t, (a, o) in enumerate(acted):
                nT[a, path[t], path[t + 1]] += p
                if o != NONE:
                    nZ[a, path[t + 1], o] += p
    data = replace(episodes_of(episodes), ends=ends)
    with Threads(1) as pool:
        result = expected_counts(parameters, encode(data), pool)
    assert result.loglik == pytest.approx(loglik, rel=1e-10)
    np.testing.assert_allclose(result.T, nT, rtol=1e-10, atol=1e-12)
    wanted = nZ.sum(axis=0, keepdims=True) if shared else nZ
    np.testing.assert_allclose(result.Z, wanted, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(result.start, n0, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("accelerate", [False, True])
def test_the_log_posterior_never_falls(accelerate: bool) -> None:
    rng = np.random.default_rng(1)
    episodes = [random_steps(rng, int(n)) for n in rng.integers(1, 9, size=60)]
    data = replace(episodes_of(episodes), ends=rng.integers(3, size=60))
    run = EMRun(0, None, ending_tables(7, 3))
    with Threads(1) as threads:
        em = EM(encode(data), MStepSettings(), threads, LearningMonitor(), 0.0, 60, accelerate)
        em.improve(run)
    assert len(run.log_posteriors) == 60
    assert (np.diff(run.log_posteriors) >= -1e-9).all()
    assert run.log_posteriors[-1] > run.log_posteriors[0] + 1.0
    assert (run.parameters.T[:, 2] == [0.0, 0.0, 1.0]).all()
    assert run.parameters.start[2] < 0.02


def test_likelihood_and_decoding_know_how_episodes_ended() -> None:
    model, data = terminated_episodes()
    each = [0.75**2 * 0.25, 0.75**2, 0.25]
    np.testing.assert_allclose(np.exp(pt.loglik(model, data).per_episode), each)
    cut = replace(data, ends=None)
    np.testing.assert_allclose(np.exp(pt.loglik(model, cut).per_episode), 1.0)
    for method in ("posterior", "viterbi"):
        paths = [one.path.tolist() for one in pt.decode(model, data, method)]
        assert paths == [[0, 0, 1], [0, 0], [1]]
    filtered = [one.states[:, 1].tolist() for one in pt.decode(model, data, "filter")]
    assert filtered == [[0, 0, 1], [0, 0], [1]]
    smoothed = [one.states[:, 1].tolist() for one in pt.decode(model, cut)]
    np.testing.assert_allclose(smoothed[0], [0.25, 1 - 0.75**2, 1 - 0.75**3])


def test_impossible_ends_are_reported() -> None:
    model, data = terminated_episodes()
    paid = make_model(model.T, model.Z, [[1.0, 1.0]], discount=0.9)
    with pytest.raises(DataError, match="episode 0 terminated, but the model has no terminal st"):
        pt.loglik(paid, data)
    assert float(pt.loglik(paid, replace(data, ends=None))) == pytest.approx(0.0)
    far = make_model(
        [[[0.0, 1.0, 0.0], [0.0, 0.5, 0.5], [0.0, 0.0, 1.0]]], np.ones((1, 3, 1)),
        [[1.0, 1.0, 0.0]], discount=0.9, start=[1, 0, 0],
    )  # fmt: skip
    reported = pt.loglik(far, data).impossible
    assert reported == (
        "episode 2, step 0: observation '0' in a terminal state after action '0' is impossible "
        "(--ends cut ignores how episodes ended)"
    )


def test_truncated_episodes_never_were_in_a_terminal_state() -> None:
    model, data = terminated_episodes()
    one = select_episodes(data, np.array([False, True, False]))
    assert float(pt.loglik(model, one)) == pytest.approx(2.0 * np.log(0.75))
    whole = pt.loglik(model, data).per_episode
    parts = [float(pt.loglik(model, select_episodes(data, np.arange(3) == e))) for e in range(3)]
    np.testing.assert_allclose(whole, parts)
    plain = make_model(model.T, model.Z, discount=0.9, start=[1, 0])
    assert float(pt.loglik(plain, one)) == pytest.approx(0.0)
    assert float(pt.loglik(plain, data)) == pytest.approx(np.log(0.75**4 * 0.25**2))
    sure = make_model(
        [[[0.0, 1.0], [0.0, 1.0]]], np.ones((1, 2, 1)), [[1.0, 0.0]], discount=0.9, start=[1, 0]
    )
    assert pt.loglik(sure, one).impossible == (
        "episode 0, step 0: observation '0' in a non-terminal state after action '0' is "
        "impossible (--ends cut ignores how episodes ended)"
    )


def test_returns_are_complete_where_an_episode_terminated() -> None:
    _, data = terminated_episodes()
    paid = replace(data, rewards=np.arange(1.0, 7.0))
    G = discounted_returns(paid, 0.5, 2)
    np.testing.assert_allclose(G, [2.0, 3.5, 3.0, 6.5, np.nan, 6.0])


# ---------------------------------------------------------------- sampling


def test_samples_stop_in_terminal_states_only_with_rewards() -> None:
    rng = np.random.default_rng(1)
    hmm = pt.loads(
        (CASES / "absorbing-hmm.pomdp").read_text().replace("T: go", "R: * : * : * : * 0\nT: go")
    )
    data = pt.sample(hmm, episodes=2000, steps=20, rng=rng)
    assert data.n_steps == 40_000
    assert data.ends is not None
    assert (data.ends == CUT).all()
    assert pt.sample(hmm, episodes=2000, steps=20, rng=rng, ends="stop").n_steps < 11_000
    tiger = pt.load(CASES / "ending-tiger.pomdp")
    stopped = pt.sample(tiger, episodes=500, steps=2, rng=rng, states=True)
    assert stopped.ends is not None
    assert stopped.next_states is not None
    arrived = stopped.next_states[stopped.first[1:] - 1] == 2
    assert np.array_equal(stopped.ends, np.where(arrived, TERMINATED, TRUNCATED))
    assert 0.05 < (stopped.ends == TRUNCATED).mean() < 0.2
    on = pt.sample(tiger, episodes=500, steps=2, rng=rng, ends="continue")
    assert on.ends is not None
    assert on.n_steps == 1000
    assert (on.ends == CUT).all()


def test_policies_that_are_asked_in_python_end_alike() -> None:
    tiger = pt.load(CASES / "ending-tiger.pomdp")
    policy = pt.solve(tiger, "qmdp").policy
    rng = np.random.default_rng(1)
    data = pt.sample(tiger, episodes=50, steps=30, rng=rng, policy=policy)
    assert data.terminated.all()
    on = pt.sample(tiger, episodes=5, steps=30, rng=rng, policy=policy, ends="continue")
    assert on.n_steps == 150


def test_learning_from_episodes_that_continue_in_an_absorbing_state() -> None:
    text = (CASES / "absorbing-hmm.pomdp").read_text() + "R: * : * : * : * 0\n"
    hmm = pt.loads(text)
    data = pt.sample(hmm, episodes=2000, steps=20, rng=np.random.default_rng(1))
    result = pt.fit(data, 2, init=hmm, prior_transition=0.0, rng=np.random.default_rng(1))
    assert result.model.T[0, 0, 0] == pytest.approx(0.8, abs=0.02)


# ---------------------------------------------------------------- learning


@pytest.fixture(scope="module")
def ending(tmp_path_factory: pytest.TempPathFactory) -> tuple[pt.Model, Episodes, Path]:
    tiger = pt.load(CASES / "ending-tiger.pomdp")
    data = pt.sample(tiger, episodes=4000, steps=50, rng=np.random.default_rng(1))
    path = tmp_path_factory.mktemp("ends") / "log.csv"
    pt.dump(data, path)
    return tiger, data, path


def test_a_terminating_model_is_learned_and_solved(
    ending: tuple[pt.Model, Episodes, Path],
) -> None:
    tiger, data, path = ending
    assert path.read_text().startswith("episode,step,action,observation,reward,terminated,trunc")
    read = pt.load_data(path)
    assert np.array_equal(read.ends, data.ends)  # type: ignore[arg-type]
    result = pt.fit(read, 3, restarts=4, rng=np.random.default_rng(1))
    learned = result.model
    assert learned.terminal_states.tolist() == [2]
    assert result.rewards is not None
    assert (result.rewards.R[:, 2] == 0.0).all()
    assert not any("is not known" in reported for reported in result.warnings)
    bounds = pt.solve(learned, precision=1e-3).bounds
    assert bounds.lower == pytest.approx(5.14, abs=0.4)
    policy_return = pt.transfer(tiger, learned, rng=np.random.default_rng(1)).learned_in_true
    assert policy_return.value == pytest.approx(5.143, abs=0.05)
    assert float(pt.loglik(learned, read)) == pytest.approx(result.loglik, rel=1e-9)
    assert float(pt.loglik(tiger, read)) < result.loglik
    # T of two states and three actions, Z on the way and on arriving where an action ends, W, start
    assert result.parameters <= 3 * 2 * 2 + 3 * 2 * 2 + 2 * 2 + 2 * 2 + 1


def test_ends_can_be_ignored(ending: tuple[pt.Model, Episodes, Path]) -> None:
    _, data, _ = ending
    some = select_episodes(data, np.arange(data.n_episodes) < 500)
    cut = pt.fit(replace(some, ends=None), 2, restarts=2, rng=np.random.default_rng(1))
    assert cut.model.terminal_states.tolist() == []
    never = pt.fit(
        replace(some, ends=np.full(500, TRUNCATED)), 2, restarts=2, rng=np.random.default_rng(1)
    )
    assert np.array_equal(never.model.T, cut.model.T)
    with pytest.raises(DataError, match="at least two states"):
        pt.fit(some, 1, rng=np.random.default_rng(1))


@pytest.mark.parametrize("reward_model", ["state", "transition"])
@pytest.mark.parametrize("observation_model", ["per-action", "shared"])
def test_one_state_beside_the_terminal_one(reward_model: str, observation_model: str) -> None:
    model, _ = terminated_episodes()
    data = pt.sample(model, episodes=2000, steps=50, rng=np.random.default_rng(1))
    result = pt.fit(
        data, 2, restarts=2, rng=np.random.default_rng(1), reward_model=reward_model,  # type: ignore[arg-type]
        observation_model=observation_model,  # type: ignore[arg-type]
    )  # fmt: skip
    np.testing.assert_allclose(result.model.T[0], [[0.75, 0.25], [0.0, 1.0]], atol=0.02)
    assert result.model.expected_rewards.tolist() == [[1.0, 0.0]]
    assert result.parameters == 1


def test_sizes_are_chosen_where_episodes_terminate(
    ending: tuple[pt.Model, Episodes, Path],
) -> None:
    _, data, _ = ending
    some = select_episodes(data, np.arange(data.n_episodes) < 1500)
    for by in ("bic", "heldout"):
        result = pt.select(
            some,
            [2, 3, 4],
            by=by,
            restarts=2,
            max_iter=60,
            rng=np.random.default_rng(1),
        )
        assert [c.states for c in result.candidates] == [2, 3, 4]
        assert all(np.isfinite(c.fit.loglik) for c in result.candidates)
        if by == "bic":
            assert result.fit.model.n_states == 3
    one = Episodes(
        ("a",), ("x", "y"), np.zeros(40, dtype=np.int64), np.arange(40) % 2,
        np.array([0, 40]), ends=np.array([TERMINATED]),
    )  # fmt: skip
    with pytest.raises(DataError, match="too few episodes terminated to hold some out"):
        pt.select(one, [2, 3], by="heldout", restarts=1, rng=np.random.default_rng(1))


def test_utile_distinction_has_a_terminal_state(
    ending: tuple[pt.Model, Episodes, Path],
) -> None:
    _, data, _ = ending
    some = select_episodes(data, np.arange(data.n_episodes) < 1000)
    result = pt.distinguish(some, rng=np.random.default_rng(1), max_states=4).fit
    assert result.model.states[:3] == ("hL", "hR", "end")
    assert result.model.terminal_states.tolist() == [2]


def test_an_init_model_gives_its_own_terminal_states() -> None:
    tiger = pt.load(CASES / "ending-tiger.pomdp")
    data = pt.sample(tiger, episodes=1000, steps=50, rng=np.random.default_rng(3))
    result = pt.fit(data, init=tiger, rng=np.random.default_rng(1))
    assert result.model.states == ("Lf", "Rt", "end")
    assert result.model.terminal_states.tolist() == [2]
    assert result.loglik >= float(pt.loglik(tiger, data)) - 1e-6


def test_models_without_terminal_states_learn_as_before() -> None:
    model = random_model(3)
    data = pt.sample(model, episodes=60, steps=20, rng=np.random.default_rng(1))
    assert data.ends is not None
    assert (data.ends == TRUNCATED).all()
    one, two = (
        pt.fit(episode, 3, restarts=2, max_iter=20, rng=np.random.default_rng(1))
        for episode in (data, replace(data, ends=None))
    )
    assert np.array_equal(one.model.T, two.model.T)
    assert one.loglik == two.loglik
