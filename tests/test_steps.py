"""Listings of steps against plain loops."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import naive
from pomdptool import steps as steps_module
from pomdptool.errors import ModelError
from pomdptool.model import Model
from pomdptool.steps import Steps, arrival_rows, steps_from, steps_of
from samples import counted, small_models

Step = tuple[int, int, int, int]


def listed(steps: Steps) -> list[Step]:
    return list(zip(*(index.tolist() for index in steps.indices), strict=True))


ranges = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4)))


@given(small_models(counted))
def test_steps_agree_with_loops(m: Model) -> None:
    steps = m.steps
    expected = naive.steps(m.T, m.Z)
    assert listed(steps) == expected
    assert len(steps) == len(expected)
    assert steps.row.tolist() == [a * m.n_states + s for a, s, _, _ in expected]
    assert steps.probability.tolist() == [m.T[a, s, s2] * m.Z[a, s2, o] for a, s, s2, o in expected]
    assert m.steps is steps


@given(small_models(counted), st.data())
def test_steps_can_be_selected(m: Model, data: st.DataObject) -> None:
    which = data.draw(st.lists(st.integers(0, len(m.steps) - 1)))
    expected = naive.steps(m.T, m.Z)
    some = m.steps[np.array(which, dtype=np.int64)]
    assert listed(some) == [expected[k] for k in which]


@given(small_models(counted))
def test_steps_without_observations_are_the_entries_of_T(m: Model) -> None:
    steps = steps_of(m.sparse_T, m.sparse_Z, by_observation=False)
    assert listed(steps) == [(a, s, s2, 0) for a, s, s2 in zip(*m.T.nonzero(), strict=True)]
    assert steps.probability.tolist() == m.sparse_T.data.tolist()


@given(small_models(counted), st.data())
def test_steps_from_agrees_with_loops(m: Model, data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.integers(0, m.sparse_T.n_rows - 1)))
    place, steps = steps_from(m.sparse_T, m.sparse_Z, np.array(rows, dtype=np.int64))
    every = naive.steps(m.T, m.Z)
    expected = [
        (k, step)
        for k, row in enumerate(rows)
        for step in every
        if step[:2] == divmod(row, m.n_states)
    ]
    assert list(zip(place.tolist(), listed(steps), strict=True)) == expected


@given(small_models(counted))
def test_arrival_rows_agree_with_loops(m: Model) -> None:
    expected = [a * m.n_states + s2 for a, _, s2 in zip(*m.T.nonzero(), strict=True)]
    assert arrival_rows(m.sparse_T).tolist() == expected


@given(small_models(counted))
def test_steps_have_a_limit(m: Model) -> None:
    n = len(m.steps)
    with patch.object(steps_module, "MAX_STEPS", n):
        assert len(steps_of(m.sparse_T, m.sparse_Z)) == n
    with patch.object(steps_module, "MAX_STEPS", n - 1):
        with pytest.raises(ModelError, match=f"has {n} possible steps .* more than {n - 1}$"):
            steps_of(m.sparse_T, m.sparse_Z)
        assert len(steps_of(m.sparse_T, m.sparse_Z, by_observation=False)) == m.sparse_T.nonzeros
