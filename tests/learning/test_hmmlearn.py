"""With one action, EM and decoding agree with hmmlearn: its golden, and itself where installed."""

from __future__ import annotations

import importlib.util
import json
from typing import Any

import numpy as np
import pytest

from episode_data import NO_PRIORS, em_run, episodes_of
from golden_hmmlearn import FILE, ITERATIONS, LENGTHS, case, results
from pomdptool.episodes import NONE
from pomdptool.learning.decode import decode
from pomdptool.learning.parameters import Parameters
from pomdptool.model import make_model


@pytest.fixture(scope="module", params=["golden", "live"])
def theirs(request: pytest.FixtureRequest) -> dict[str, Any]:
    if request.param == "live":
        if importlib.util.find_spec("hmmlearn") is None:
            pytest.skip("hmmlearn is not installed")
        return results()
    result: dict[str, Any] = json.loads(FILE.read_text())
    return result


def episodes() -> list[list[tuple[int, int]]]:
    """Their sequences: the first symbol is seen before any action."""
    parts = np.split(case()[0], np.cumsum(LENGTHS)[:-1])
    return [[(0 if t else NONE, int(o)) for t, o in enumerate(part)] for part in parts]


def test_every_iteration_agrees(theirs: dict[str, Any]) -> None:
    _, start, transitions, emissions = case()
    parameters = Parameters(transitions[np.newaxis], emissions[np.newaxis], start)
    for n in range(1, ITERATIONS + 1):
        run = em_run(parameters, episodes(), NO_PRIORS, accelerate=False, iterations=n)
        np.testing.assert_allclose(run.history, theirs["loglik"][:n], rtol=1e-10)
        if n > 1:  # ours is that whose log-likelihood was measured last
            np.testing.assert_allclose(run.parameters.start, theirs["start"][n - 2], atol=1e-8)
            np.testing.assert_allclose(run.parameters.T[0], theirs["transitions"][n - 2], atol=1e-8)
            np.testing.assert_allclose(run.parameters.Z[0], theirs["emissions"][n - 2], atol=1e-8)


def test_filter_smoother_and_viterbi_agree(theirs: dict[str, Any]) -> None:
    _, start, transitions, emissions = case()
    model = make_model(transitions[np.newaxis], emissions, discount=0.9, start=start)
    data = episodes_of(episodes(), 1, emissions.shape[1])
    for method, key in (("filter", "filter"), ("posterior", "smoother")):
        states = np.concatenate([x.states for x in decode(model, data, method)])  # type: ignore[arg-type]
        np.testing.assert_allclose(states, theirs[key], atol=1e-8)
    paths = list(decode(model, data, "viterbi"))
    assert np.concatenate([x.path for x in paths]).tolist() == theirs["viterbi"]["path"]
    total = sum(x.log_probability for x in paths)
    assert total == pytest.approx(theirs["viterbi"]["log_probability"], rel=1e-12)
    loglik = sum(x.log_probability for x in decode(model, data))
    assert loglik == pytest.approx(theirs["loglik"][0], rel=1e-10)
