"""Renormalisation of distributions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from pomdptool.distributions import renormalise
from pomdptool.model import make_model
from pomdptool.sparse import from_dense

TINY = [k * sign * 2.0**-50 for k in (1, 2, 3, 5, 9, 20, 60) for sign in (1, -1)]


@given(st.integers(1, 60), st.integers(0, 2**32), st.floats(-9e-6, 9e-6) | st.sampled_from(TINY))
def test_renormalising_is_idempotent(n: int, seed: int, off: float) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.random((20, n)) ** rng.integers(1, 40)
    table = from_dense(weights / weights.sum(axis=1, keepdims=True) * (1 + off))
    once, change = renormalise(table)
    twice, nothing = renormalise(once)
    assert twice.equals(once)
    assert nothing.rows == 0
    assert_allclose(once.row_sums(), 1, rtol=0, atol=2.0**-51 * (n + 2))
    assert change.rows == 20 or abs(off) < 1e-13
    assert change.worst == pytest.approx(abs(off), abs=1e-13)


def test_rows_that_sum_to_1_up_to_rounding_are_unchanged() -> None:
    row = [0.1] * 10
    m = make_model([np.array([row] * 10)], None, discount=1)
    assert (m.sparse_T.data == 0.1).all()
    assert m.renormalised["T"].rows == 0
