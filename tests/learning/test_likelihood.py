"""Likelihoods of episodes against sums over all paths."""

from __future__ import annotations

import numpy as np
import pytest

import naive_learning as naive
from episode_data import PATH_CASES, episodes_of, path_case, random_steps
from models import random_model
from pomdptool.episodes import NONE
from pomdptool.errors import DataError
from pomdptool.learning import likelihood
from pomdptool.learning.likelihood import loglik
from pomdptool.model import make_model


@pytest.mark.parametrize(("S", "shared"), PATH_CASES)
def test_likelihoods_are_sums_over_paths(
    S: int, shared: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(likelihood, "BLOCK", 3)
    model, episodes = path_case(S, shared)
    result = loglik(model, episodes_of([*episodes, episodes[0]]), threads=2)
    each = [np.log(naive.paths(model.T, model.Z, model.start, s).likelihood) for s in episodes]
    np.testing.assert_allclose(result.per_episode, [*each, each[0]], rtol=1e-10, atol=1e-12)
    assert float(result) == pytest.approx(sum(each) + each[0], rel=1e-10)
    assert result.impossible == ""
    observed = sum(o != NONE for steps in [*episodes, episodes[0]] for _, o in steps)
    assert result.n_observed == observed < result.n_steps
    assert result.perplexity == pytest.approx(np.exp(-float(result) / observed))


def test_unknown_symbols_are_reported_with_their_row() -> None:
    data = episodes_of([[(0, 0), (0, 1)], [(1, 2)]], 3, 3)
    with pytest.raises(DataError, match=r"row 3 \(episode 1, step 0\): .* no observation '2'"):
        loglik(random_model(1), data)


def test_names_may_be_in_any_order() -> None:
    model = random_model(1)
    turned = make_model(
        model.T[::-1], model.Z[::-1], discount=0.9, start=model.start, actions=("1", "0")
    )
    data = episodes_of([random_steps(np.random.default_rng(0), 30)])
    assert float(loglik(turned, data)) == pytest.approx(float(loglik(model, data)))
