from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from exact_cases import backup_values, random_branches
from models import random_beliefs
from pomdptool.solving.exact.incremental_pruning import backup_by_incremental_pruning
from pomdptool.solving.exact.value_function import VectorSet
from pomdptool.solving.solution import Monitor


@pytest.mark.parametrize("keep_old", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_backup_agrees_with_enumeration(seed: int, keep_old: bool) -> None:
    branches = random_branches(seed, 4)
    rng = np.random.default_rng(seed)
    old = VectorSet(rng.normal(size=(5, 4)), np.zeros(5, np.int64), random_beliefs(5, 4, seed))
    step = backup_by_incremental_pruning(branches, old, keep_old=keep_old, monitor=Monitor())
    beliefs = random_beliefs(2000, 4, seed)
    expected = backup_values(branches, beliefs)
    before = (beliefs @ old.vectors.T).max(axis=1)
    if keep_old:
        expected = np.maximum(expected, before)
    assert_allclose((beliefs @ step.new.vectors.T).max(axis=1), expected, atol=1e-8)
    assert step.residual >= (backup_values(branches, beliefs) - before).max() - 1e-9
