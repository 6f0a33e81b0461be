"""Shared by the families: the size limit, and sparse matrices from entries."""

from __future__ import annotations

import numpy as np

from pomdptool.errors import ModelError
from pomdptool.sparse import FloatArray, IntArray, SparseRows, from_entries

SIZE_LIMIT = 1 << 24
"""Maximum number of rows (actions times states) of a family's model."""


def check_size(count: int, problem: str, unit: str = "rows") -> None:
    """Raise a ModelError if a problem has more than `SIZE_LIMIT` rows (or other units)."""
    if count > SIZE_LIMIT:
        raise ModelError(f"{problem} would have {count:,} {unit}, over the limit of {SIZE_LIMIT:,}")


def merged_rows(
    n_rows: int, n_columns: int, rows: IntArray, columns: IntArray, values: FloatArray
) -> SparseRows:
    """Sparse rows from entries; duplicates are added."""
    key, entry = np.unique(rows * n_columns + columns, return_inverse=True)
    total = np.zeros(len(key))
    np.add.at(total, entry, values)
    return from_entries(n_rows, n_columns, *np.divmod(key, n_columns), total)


def deterministic(columns: IntArray, n_columns: int) -> SparseRows:
    """Rows with probability 1 in one column each."""
    n = len(columns)
    return from_entries(n, n_columns, np.arange(n), columns, np.ones(n))
