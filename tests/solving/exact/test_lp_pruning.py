from __future__ import annotations

import numpy as np
import pytest

from models import random_beliefs
from pomdptool.solving.exact import lp_pruning as module
from pomdptool.solving.exact.lp_pruning import max_excess, prune


def no_limit() -> None:
    """Never raise."""


def random_set(seed: int, n: int, n_states: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n, n_states))
    inside = rng.dirichlet(np.ones(n), size=n // 2) @ vectors - rng.random((n // 2, 1)) * 0.1
    return np.vstack([inside, vectors, vectors[: n // 4]])


@pytest.mark.parametrize("n_states", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("seed", range(8))
def test_pruning_keeps_the_maximum_everywhere(seed: int, n_states: int) -> None:
    vectors = random_set(seed, 30, n_states)
    pruned = prune(vectors, np.zeros((0, n_states)), no_limit)
    beliefs = random_beliefs(4000, n_states, seed)
    loss = (beliefs @ vectors.T).max(axis=1) - (beliefs @ vectors[pruned.kept].T).max(axis=1)
    assert loss.max() <= pruned.loss + 1e-13
    assert pruned.loss <= 1e-7


@pytest.mark.parametrize("n_states", [2, 3, 5])
@pytest.mark.parametrize("seed", range(8))
def test_every_kept_vector_is_the_largest_at_its_witness(seed: int, n_states: int) -> None:
    vectors = random_set(seed, 30, n_states)
    pruned = prune(vectors, random_beliefs(20, n_states, seed), no_limit)
    values = pruned.witnesses @ vectors.T
    own = values[np.arange(len(pruned.kept)), pruned.kept]
    assert (own >= values.max(axis=1) - 1e-9).all()
    assert len(set(pruned.kept.tolist())) == len(pruned.kept)


@pytest.mark.parametrize("n_states", [2, 4])
def test_first_of_equal_vectors_is_kept(n_states: int) -> None:
    vectors = np.vstack([np.zeros(n_states), np.ones(n_states), np.ones(n_states)])
    assert prune(vectors, np.zeros((0, n_states)), no_limit).kept.tolist() == [1]


def test_envelope_agrees_with_a_dense_grid() -> None:
    for seed in range(50):
        rng = np.random.default_rng(seed)
        vectors = np.round(rng.normal(size=(12, 2)), 1)
        x = np.linspace(0, 1, 20_001)
        values = np.outer(1 - x, vectors[:, 0]) + np.outer(x, vectors[:, 1])
        kept = prune(vectors, np.zeros((0, 2)), no_limit).kept
        assert np.allclose(values[:, kept].max(axis=1), values.max(axis=1), atol=1e-12)
        for i in kept:
            others = [k for k in kept if k != i]
            if others:
                assert (values[:, i] > values[:, others].max(axis=1)).any()


def test_clusters_of_close_vectors_are_not_all_deleted() -> None:
    x = np.linspace(0, 1, 2001)
    tangents = np.column_stack([-(x**2), 2 * x - x**2])
    kept = prune(tangents * 1e-6, np.zeros((0, 2)), no_limit).kept
    at = np.column_stack([1 - x, x])
    loss = (at @ tangents.T).max(axis=1) - (at @ tangents[kept].T).max(axis=1)
    assert loss.max() * 1e-6 <= 1e-12


@pytest.mark.parametrize("n_states", [3, 5])
def test_blocks_change_nothing(n_states: int, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = random_set(0, 60, n_states)
    whole = prune(vectors, np.zeros((0, n_states)), no_limit)
    monkeypatch.setattr(module, "BLOCK", 3)
    checks = []
    blocks = prune(vectors, np.zeros((0, n_states)), lambda: checks.append(True))
    assert blocks.kept.tolist() == whole.kept.tolist()
    assert len(checks) > len(vectors) // 20


@pytest.mark.parametrize("n_states", [2, 3, 5])
@pytest.mark.parametrize("seed", range(5))
def test_max_excess_of_one_set_over_another(seed: int, n_states: int) -> None:
    rng = np.random.default_rng(seed)
    old, vectors = rng.normal(size=(8, n_states)), 0.3 * rng.normal(size=(5, n_states))
    most, programs = max_excess(vectors, old, no_limit)
    beliefs = random_beliefs(20_000, n_states, seed)
    sampled = float(((beliefs @ vectors.T).max(axis=1) - (beliefs @ old.T).max(axis=1)).max())
    assert max(sampled, 0.0) - 1e-12 <= most <= max(sampled, 0.0) + 0.02 * (n_states - 1)
    assert programs <= len(vectors)
    assert max_excess(old, old, no_limit) == (0.0, 0)
    assert max_excess(vectors - 10.0, old, no_limit)[0] == 0.0
