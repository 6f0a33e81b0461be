"""Filtering, smoothing and Viterbi paths against enumeration of all paths."""

from __future__ import annotations

import numpy as np
import pytest

import naive_learning as naive
from episode_data import PATH_CASES, episodes_of, path_case
from naive_learning import Steps
from pomdptool.episodes import NONE
from pomdptool.errors import DataError
from pomdptool.kernels import jit
from pomdptool.learning.decode import Method, decode
from pomdptool.learning.likelihood import loglik
from pomdptool.model import make_model


@pytest.mark.parametrize(("S", "shared"), PATH_CASES)
def test_filter_and_smoother_match_sums_over_paths(S: int, shared: bool) -> None:
    model, episodes = path_case(S, shared)
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


@pytest.mark.parametrize(("S", "shared"), PATH_CASES)
def test_viterbi_finds_the_most_likely_path(S: int, shared: bool) -> None:
    model, episodes = path_case(S, shared)
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
    model, episodes = path_case(3, False)
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


def test_the_first_impossible_step_is_reported() -> None:
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


@pytest.mark.parametrize("method", ["posterior", "filter", "viterbi"])
def test_compiled_and_interpreted_agree(method: Method, monkeypatch: pytest.MonkeyPatch) -> None:
    model, episodes = path_case(5, True)
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
