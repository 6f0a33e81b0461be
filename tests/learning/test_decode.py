"""Likelihoods and states of episodes, beside all paths enumerated."""

from __future__ import annotations

import numpy as np
import pytest

import naive_learning as naive
from episode_data import episodes_of, random_steps, rows
from models import random_model
from naive_learning import Steps
from pomdptool.episodes import NONE
from pomdptool.errors import DataError
from pomdptool.kernels import jit
from pomdptool.learning import likelihood
from pomdptool.learning.decode import Method, decode
from pomdptool.learning.likelihood import loglik
from pomdptool.model import Model, make_model


def shared_model(seed: int, S: int) -> Model:
    rng = np.random.default_rng(seed)
    T, Z = rows(rng, 2, S, S, zeros=0.3), rows(rng, S, 2)
    return make_model(T, Z, discount=0.9, start=rows(rng, S))


def some_steps(S: int, *, early: bool) -> list[Steps]:
    rng = np.random.default_rng(S)
    return [random_steps(rng, n, early=early and n % 2 == 0) for n in (5, 4, 1)]


CASES = [(S, shared) for S in (1, 2, 3, 5) for shared in (False, True)]


def case(S: int, shared: bool) -> tuple[Model, list[Steps]]:
    if shared:
        return shared_model(S, S), some_steps(S, early=True)
    rng = np.random.default_rng(S)
    model = make_model(rows(rng, 2, S, S), rows(rng, 2, S, 2), discount=0.9, start=rows(rng, S))
    return model, some_steps(S, early=False)


@pytest.mark.parametrize(("S", "shared"), CASES)
def test_likelihoods_are_sums_over_paths(
    S: int, shared: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(likelihood, "BLOCK", 3)
    model, episodes = case(S, shared)
    result = loglik(model, episodes_of([*episodes, episodes[0]]), threads=2)
    each = [np.log(naive.paths(model.T, model.Z, model.start, s).likelihood) for s in episodes]
    np.testing.assert_allclose(result.per_episode, [*each, each[0]], rtol=1e-10, atol=1e-12)
    assert float(result) == pytest.approx(sum(each) + each[0], rel=1e-10)
    assert result.impossible == ""
    observed = sum(o != NONE for steps in [*episodes, episodes[0]] for _, o in steps)
    assert result.n_observed == observed < result.n_steps
    assert result.perplexity == pytest.approx(np.exp(-float(result) / observed))


@pytest.mark.parametrize(("S", "shared"), CASES)
def test_filter_and_smoother_are_those_of_all_paths(S: int, shared: bool) -> None:
    model, episodes = case(S, shared)
    parameters = model.T, model.Z, model.start
    data = episodes_of(episodes)
    for steps, forward, both in zip(
        episodes, decode(model, data, "filter"), decode(model, data), strict=True
    ):
        np.testing.assert_allclose(forward.states, naive.filtered(*parameters, steps), atol=1e-10)
        np.testing.assert_allclose(both.states, naive.smoothed(*parameters, steps), atol=1e-10)
        total = np.log(naive.paths(*parameters, steps).likelihood)
        assert both.log_probability == pytest.approx(total, rel=1e-10, abs=1e-12)
        nT, _, _ = naive.counts(*parameters, steps)
        for a in range(2):
            of_action = np.array([x == a for x, _ in steps])
            summed = both.transitions[of_action].sum(axis=0)
            np.testing.assert_allclose(summed, nT[a], atol=1e-10)
        np.testing.assert_allclose(
            forward.transitions[-1].sum(axis=0), forward.states[-1], atol=1e-10
        )


@pytest.mark.parametrize(("S", "shared"), CASES)
def test_viterbi_finds_the_likeliest_path(S: int, shared: bool) -> None:
    model, episodes = case(S, shared)
    for steps, result in zip(
        episodes, decode(model, episodes_of(episodes), "viterbi"), strict=True
    ):
        path, value = naive.best_path(model.T, model.Z, model.start, steps)
        assert result.log_probability == pytest.approx(value, rel=1e-10, abs=1e-12)
        assert result.path.tolist() == path.tolist()
        assert result.states.argmax(axis=1).tolist() == path.tolist()
        acted = [a != NONE for a, _ in steps]
        assert result.transitions.sum(axis=(1, 2)).tolist() == [float(x) for x in acted]


def test_outputs_predict_observations() -> None:
    model, episodes = case(3, False)
    steps = [(a, max(o, 0)) for a, o in episodes[0]]
    (result,) = decode(model, episodes_of([steps]), "filter")
    before = 1.0
    for n, (_, o) in enumerate(steps):
        so_far = naive.paths(model.T, model.Z, model.start, steps[: n + 1]).likelihood
        assert result.outputs[n, o] == pytest.approx(so_far / before, rel=1e-10)
        before = so_far
    np.testing.assert_allclose(result.outputs.sum(axis=1), 1.0)
    (both,) = decode(model, episodes_of([steps]))
    shown = [both.states[n] @ model.Z[a] for n, (a, _) in enumerate(steps)]
    np.testing.assert_allclose(both.outputs, shown)


def test_the_first_impossible_step_is_named() -> None:
    model = make_model(np.eye(2)[np.newaxis], np.eye(2), discount=0.9, start=[1.0, 0.0])
    good: Steps = [(0, 0), (0, NONE)]
    data = episodes_of([good, [*good, (0, 1), (0, 0)], [(NONE, 1)]], 1)
    result = loglik(model, data)
    assert float(result) == -np.inf
    assert result.per_episode.tolist() == [0.0, -np.inf, -np.inf]
    assert result.impossible == "episode 1, step 2: observation '1' after action '0' is impossible"
    for method in ("filter", "posterior", "viterbi"):
        with pytest.raises(DataError, match=r"episode 1, step 2: .* impossible"):
            list(decode(model, data, method))
    only = episodes_of([[(NONE, 1)]], 1)
    assert loglik(model, only).impossible == "episode 0, step 0: observation '1' is impossible"


def test_symbols_that_the_model_lacks_are_named_with_their_row() -> None:
    data = episodes_of([[(0, 0), (0, 1)], [(1, 2)]], 3, 3)
    with pytest.raises(DataError, match=r"row 3 \(episode 1, step 0\): .* no observation '2'"):
        loglik(random_model(1), data)


def test_names_may_come_in_any_order() -> None:
    model = random_model(1)
    turned = make_model(
        model.T[::-1], model.Z[::-1], discount=0.9, start=model.start, actions=("1", "0")
    )
    data = episodes_of([random_steps(np.random.default_rng(0), 30)])
    assert float(loglik(turned, data)) == pytest.approx(float(loglik(model, data)))


@pytest.mark.parametrize("method", ["posterior", "filter", "viterbi"])
def test_compiled_and_interpreted_agree(method: Method, monkeypatch: pytest.MonkeyPatch) -> None:
    model, episodes = case(5, True)
    monkeypatch.setattr("pomdptool.learning.decode.request_compilation", lambda n: None)
    monkeypatch.setattr("pomdptool.learning.likelihood.request_compilation", lambda n: None)
    results = []
    for compiled in (False, True):
        monkeypatch.setattr(jit.runtime, "compiled", compiled)
        result = list(decode(model, episodes_of(episodes), method))
        values = loglik(model, episodes_of(episodes)).per_episode
        results.append((np.concatenate([d.states for d in result]), values))
    np.testing.assert_allclose(results[0][0], results[1][0], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(results[0][1], results[1][1], rtol=1e-12)
