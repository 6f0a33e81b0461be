"""Look-ups of sparse rows against plain loops."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pomdptool.model import Model
from pomdptool.sparse import ragged
from samples import counted, small_models

ranges = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4)))


@given(ranges)
def test_ragged_agrees_with_loops(drawn: list[tuple[int, int]]) -> None:
    first = np.array([begin for begin, _ in drawn], dtype=np.int64)
    count = np.array([n for _, n in drawn], dtype=np.int64)
    item, number = ragged(first, first + count)
    expected = [(k, i) for k, (begin, n) in enumerate(drawn) for i in range(begin, begin + n)]
    assert list(zip(item.tolist(), number.tolist(), strict=True)) == expected
    assert ragged(first, first + count)[0].dtype == number.dtype == np.int64


@given(small_models(counted), st.data())
def test_take_agrees_with_loops(m: Model, data: st.DataObject) -> None:
    table = m.sparse_T
    rows = data.draw(st.lists(st.integers(0, table.n_rows - 1)))
    place, entry = table.take(np.array(rows, dtype=np.int64))
    expected = [
        (k, e)
        for k, row in enumerate(rows)
        for e in range(table.indptr[row], table.indptr[row + 1])
    ]
    assert list(zip(place.tolist(), entry.tolist(), strict=True)) == expected
