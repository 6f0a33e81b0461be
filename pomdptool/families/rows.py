"""What the families share when they build tables: the limit on size, and ways to stack rows."""

from __future__ import annotations

import numpy as np

from pomdptool.errors import ModelError
from pomdptool.sparse import FloatArray, IntArray, SparseRows, from_entries

SIZE_LIMIT = 1 << 24
"""Largest number of rows, actions times states, that a family builds."""


def check_size(count: int, what: str, unit: str = "rows") -> None:
    """Raise a ModelError if a model has more than `SIZE_LIMIT` rows (or other units)."""
    if count > SIZE_LIMIT:
        raise ModelError(f"{what} would have {count:,} {unit}, over the limit of {SIZE_LIMIT:,}")


def merged_rows(
    n_rows: int, n_columns: int, rows: IntArray, columns: IntArray, values: FloatArray
) -> SparseRows:
    """Compress entries, adding up those that share their row and column."""
    key, entry = np.unique(rows * n_columns + columns, return_inverse=True)
    total = np.zeros(len(key))
    np.add.at(total, entry, values)
    return from_entries(n_rows, n_columns, *np.divmod(key, n_columns), total)


def certain(columns: IntArray, n_columns: int) -> SparseRows:
    """Make one row for each column given, with probability 1 there."""
    n = len(columns)
    return from_entries(n, n_columns, np.arange(n), columns, np.ones(n))
