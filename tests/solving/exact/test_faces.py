from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

import pomdptool
from models import random_model, tiger
from pomdptool.model import Model
from pomdptool.solving.exact.faces import find_faces


def naive_supports(model: Model) -> list[set[int]]:
    supports = [
        {s2 for s2 in range(model.n_states) if model.T[a, :, s2].any() and model.Z[a, s2, o] > 0}
        for a in range(model.n_actions)
        for o in range(model.n_observations)
    ]
    return [x for x in supports if x and not any(x < y for y in supports)]


@pytest.mark.parametrize("seed", range(10))
def test_faces_are_the_maximal_supports(seed: int) -> None:
    rng = np.random.default_rng(seed)
    S = 7
    T = np.eye(S)[rng.integers(S, size=(3, S))] + (rng.random((3, S, S)) < 0.1)
    O = np.eye(3)[rng.integers(3, size=(3, S))]  # noqa: E741
    model = pomdptool.make_model(T / T.sum(axis=2, keepdims=True), O, discount=0.9)
    faces = {frozenset(face.states.tolist()) for face in find_faces(model).faces}
    assert faces == {frozenset(x) for x in naive_supports(model)}


@pytest.mark.parametrize("seed", range(6))
def test_projections_are_products_of_T_and_Z(seed: int) -> None:
    model = random_model(seed, n_states=4, n_actions=2, n_observations=3)
    faces = find_faces(model)
    v = np.random.default_rng(seed).normal(size=model.n_states)
    for face in (*faces.faces, faces.full_simplex):
        for a, branches in enumerate(face.projections):
            total = sum(
                b.project(v[faces.faces[b.target].states][np.newaxis], face.size)[0]
                for b in branches
            )
            expected = model.discount * (model.T[a] @ v)[face.states]
            assert_allclose(total, expected, atol=1e-12)
            assert {o for b in branches for o in b.observations} <= set(range(3))
            assert all(sum(b.shares) == pytest.approx(1.0) for b in branches)


def test_equivalent_observations_are_merged() -> None:
    model = tiger()
    opening = find_faces(model).full_simplex.projections[1]
    assert [b.observations for b in opening] == [(0, 1)]
    assert opening[0].shares == (0.5, 0.5)
