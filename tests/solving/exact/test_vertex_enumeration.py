from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from exact_cases import backup_values, random_branches
from models import random_beliefs
from pomdptool.kernels.exact import polytope as kernel
from pomdptool.kernels.exact.vertex_enumeration import sweep
from pomdptool.solving.exact import vertex_enumeration
from pomdptool.solving.exact.value_function import VectorSet
from pomdptool.solving.exact.vertex_enumeration import backup_by_vertex_enumeration
from pomdptool.solving.solution import Monitor


@pytest.mark.parametrize("integers", [False, True])
@pytest.mark.parametrize("d", [2, 3, 4, 5])
@pytest.mark.parametrize("seed", range(5))
def test_vectors_are_the_backup_everywhere(seed: int, d: int, integers: bool) -> None:
    branches = random_branches(seed, d, integers=integers)
    low = VectorSet(np.full((1, d), -60.0), np.zeros(1, np.int64), np.full((1, d), 1 / d))
    step = backup_by_vertex_enumeration(
        branches, low, tolerance=1e-9, monitor=Monitor(), max_vertices=10**6
    )
    beliefs = random_beliefs(3000, d, seed)
    expected = backup_values(branches, beliefs)
    values = (beliefs @ step.new.vectors.T).max(axis=1)
    assert_allclose(values, expected, atol=2e-9)
    own = np.einsum("ij,ij->i", step.new.beliefs, step.new.vectors)
    assert_allclose(own, (step.new.beliefs @ step.new.vectors.T).max(axis=1))
    assert step.residual >= (expected + 60.0).max() - 1e-9


@pytest.mark.parametrize("seed", range(5))
def test_residual_is_the_largest_excess_of_the_backup(seed: int) -> None:
    d = 3
    branches = random_branches(seed, d)
    vectors = np.random.default_rng(seed).normal(size=(6, d))
    initial = VectorSet(vectors, np.zeros(6, np.int64), np.full((1, d), 1 / d))
    step = backup_by_vertex_enumeration(
        branches, initial, tolerance=1e-9, monitor=Monitor(), max_vertices=10**6
    )
    beliefs = random_beliefs(20_000, d, seed)
    most = (backup_values(branches, beliefs) - (beliefs @ vectors.T).max(axis=1)).max()
    assert most - 1e-9 <= step.residual <= most + 0.05


def test_every_edge_of_the_polytope_is_closed() -> None:
    d = 5
    branches = random_branches(1, d)
    low = np.full((1, d), -60.0)
    polytope = vertex_enumeration._allocate(d, 1 << 14, 256)
    polytope.vectors[0] = low
    kernel.begin(polytope, 1e3)
    assert sweep(polytope, branches, 1e-9, 1e-12, 10**6) == kernel.DONE
    assert polytope.counts[kernel.MISSED] == 0
    for n in range(int(polytope.counts[kernel.USED])):
        if polytope.alive[n]:
            for i in range(d):
                k = polytope.adjacent[n, i]
                assert n in polytope.adjacent[k]
                assert len(set(polytope.tight[n]) & set(polytope.tight[k])) == d - 1


def test_vertex_limit_raises() -> None:
    branches = random_branches(2, 6)
    low = VectorSet(np.full((1, 6), -60.0), np.zeros(1, np.int64), np.full((1, 6), 1 / 6))
    with pytest.raises(vertex_enumeration.TooManyVerticesError):
        backup_by_vertex_enumeration(
            branches, low, tolerance=1e-9, monitor=Monitor(), max_vertices=100
        )
