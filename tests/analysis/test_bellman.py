"""Values and residuals of many beliefs at once, against one belief after the other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.sparse import csr_matrix

import naive_planning
import pomdptool
from models import ROOT, random_beliefs, random_model
from pomdptool.analysis import bellman, maxima
from pomdptool.analysis.bellman import bellman_residuals, values_of
from pomdptool.analysis.maxima import Maxima
from pomdptool.analysis.residuals import visited_beliefs
from pomdptool.errors import PolicyError
from pomdptool.lookahead import FaceVectors, LookAhead
from pomdptool.policy import AlphaVectors, SolvedPolicy
from solved_policies import KINDS, solved

INFINITE = [k for k, (_, options) in enumerate(KINDS) if not {"horizon", "discount"} & set(options)]


def test_residuals_of_random_models() -> None:
    for seed in range(6):
        model = random_model(seed, n_states=4, n_actions=3, n_observations=3)
        vectors = np.random.default_rng(seed).normal(size=(12, 4))
        values = AlphaVectors(np.zeros(12, np.int64), vectors)
        beliefs = np.array(random_beliefs(20, 4))
        beliefs[0] = [0.0, 1.0, 0.0, 0.0]
        wanted = [naive_planning.bellman_residual(model, values.value, b) for b in beliefs]
        found = np.concatenate(list(bellman_residuals(model, values, beliefs)))
        assert_allclose(found, wanted, atol=1e-12)


@pytest.mark.parametrize("k", INFINITE)
def test_residuals_of_policies_of_every_kind(k: int) -> None:
    model, policy = solved(k)
    visited = np.array(visited_beliefs(model, policy, 12, np.random.default_rng(0)))
    wanted = [naive_planning.bellman_residual(model, policy.value, b) for b in visited]
    found = np.concatenate(list(bellman_residuals(model, policy.values, visited)))
    assert_allclose(found, wanted, atol=1e-11)


def linked_policy() -> SolvedPolicy:
    model = pomdptool.load(ROOT / "problems" / "rocksample-4-4.pomdp")
    return pomdptool.solve(model, precision=0.3).policy


def test_linked_vectors_outside_their_blocks() -> None:
    policy = linked_policy()
    model = pomdptool.load(ROOT / "problems" / "rocksample-4-4.pomdp")
    draw = np.random.default_rng(5)
    beliefs = draw.random((30, model.n_states)) * (draw.random((30, model.n_states)) < 0.02)
    beliefs[:, 0] += 0.01  # any sum: the value is homogeneous
    found = values_of(model, policy.values)(csr_matrix(beliefs))
    assert_allclose(found, [policy.values.value(b) for b in beliefs], rtol=1e-12)
    assert len(np.unique(found)) > 5


def test_the_number_processed_together_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = linked_policy()
    model = pomdptool.load(ROOT / "problems" / "rocksample-4-4.pomdp")
    visited = np.array(visited_beliefs(model, policy, 40, np.random.default_rng(0)))
    wanted = np.concatenate(list(bellman_residuals(model, policy.values, visited)))
    for name, n in (("CELLS", 64), ("ENTRIES", 2), ("BELIEFS", 7)):
        monkeypatch.setattr(bellman, name, n)
    parts = list(bellman_residuals(model, policy.values, visited))
    assert len(parts) == 6
    assert_allclose(np.concatenate(parts), wanted, atol=1e-12)


def test_beliefs_outside_the_faces_are_refused() -> None:
    model = pomdptool.load(ROOT / "problems" / "maze-4x3.pomdp")
    policy = pomdptool.solve(model, "exact", precision=0.5).policy
    assert isinstance(policy.values, LookAhead)
    after = policy.values.after
    assert isinstance(after, FaceVectors)
    with pytest.raises(PolicyError, match="no vector covers"):
        values_of(model, after)(csr_matrix(np.full((1, model.n_states), 1 / model.n_states)))
    with pytest.raises(PolicyError, match="the model is needed"):
        values_of(model, replace(after, after_step=True))


def test_maxima_are_those_of_double_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """Single precision only finds candidates, even among vectors that it cannot tell apart."""
    draw = np.random.default_rng(0)
    for scale, spread in ((1.0, 1.0), (1e90, 1.0), (1e-90, 1.0), (600.0, 1e-9), (0.0, 1.0)):
        vectors = scale * (1.0 + spread * draw.normal(size=(300, 9)))
        found = Maxima(vectors)
        beliefs = draw.random((40, 6)) ** 8 * 10.0 ** draw.uniform(-200, 0, (40, 1))
        beliefs[0] = 0.0
        states = np.array([0, 2, 3, 5, 7, 8])
        assert_allclose(
            found.at(beliefs, states), (beliefs @ vectors[:, states].T).max(axis=1), rtol=1e-13
        )
    vectors = draw.normal(size=(300, 9))
    beliefs = draw.random((40, 9))
    calls = []
    by_candidates = Maxima._by_candidates

    def counted(*args: object, **options: bool) -> object:
        calls.append(by_candidates(*args, **options))  # type: ignore[arg-type]
        return calls[-1]

    monkeypatch.setattr(maxima.Maxima, "_by_candidates", counted)
    wanted = (beliefs @ vectors.T).max(axis=1)
    assert_allclose(Maxima(vectors).at(beliefs, np.arange(9)), wanted, rtol=1e-13)
    assert len(calls) == 1
    assert calls[0] is not None
