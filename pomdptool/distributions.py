"""Probability distributions: validation and renormalisation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pomdptool.errors import ModelError
from pomdptool.sparse import FloatArray, SparseRows, from_dense, numbers, read_only

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

SUM_TOLERANCE = 1e-5
"""Largest accepted error of the sum of a distribution."""


@dataclass(frozen=True, slots=True)
class Renormalised:
    """Number of renormalised rows, and the largest error of a sum."""

    rows: int = 0
    worst: float = 0.0


def renormalise(
    table: SparseRows, sums: FloatArray | None = None
) -> tuple[SparseRows, Renormalised]:
    """Divide every row by its sum, except rows that sum to 1 up to rounding.

    Renormalised rows are not changed again, so that written models read back bit for bit. All sums,
    which may be passed, must be near 1.
    """
    sums = table.row_sums() if sums is None else sums
    off = [
        np.abs(sums[rows] - 1.0) > 2.0**-51 * (count + 2) for rows, _, count in table.row_blocks()
    ]
    bad = np.concatenate([np.zeros(0, dtype=bool), *off])
    if not bad.any():
        return table, Renormalised()
    divisor, data = np.where(bad, sums, 1.0), table.data.copy()
    for rows, entries, count in table.row_blocks():
        data[entries] /= np.repeat(divisor[rows], count)
    fixed = SparseRows(table.n_columns, table.indptr, table.indices, read_only(data))
    return fixed, Renormalised(int(bad.sum()), float(np.abs(sums[bad] - 1.0).max()))


def checked_rows(
    table: SparseRows, name: str, actions: tuple[str, ...], states: tuple[str, ...]
) -> tuple[SparseRows, Renormalised]:
    """Check that rows a * S + s are distributions, and renormalise them.

    Raises
    ------
    ModelError
        If an entry is not a probability, or the error of a row's sum exceeds `SUM_TOLERANCE`.
    """
    if not (np.isfinite(table.data).all() and (table.data >= 0).all()):
        raise ModelError(f"{name} contains a number that is not a probability")
    sums = table.row_sums()
    off = sums - 1.0
    bad = np.flatnonzero(np.abs(off, out=off) > SUM_TOLERANCE)
    if len(bad):
        a, s = divmod(int(bad[0]), len(states))
        raise ModelError(
            f"{name}: the row of action {actions[a]!r}, state {states[s]!r} sums to "
            f"{sums[bad[0]]:.6g}, not 1 ({len(bad)} such rows)"
        )
    return renormalise(table, sums)


def checked_start(start: ArrayLike | None, S: int) -> tuple[FloatArray, Renormalised]:
    """Initial belief over S states, uniform by default; raises as `checked_rows`."""
    if start is None:
        return read_only(np.full(S, 1.0 / S)), Renormalised()
    array = numbers(start, "start")
    if array.shape != (S,):
        raise ModelError(f"start must have shape ({S},), not {array.shape}")
    if not (np.isfinite(array).all() and (array >= 0).all()):
        raise ModelError("start contains a number that is not a probability")
    total = math.fsum(array.clip(max=2.0))
    if abs(total - 1.0) > SUM_TOLERANCE:
        raise ModelError(f"start sums to {total:.6g}, not 1")
    row, off = renormalise(from_dense(array[np.newaxis]))
    dense = np.zeros(S)
    dense[row.indices] = row.data
    return read_only(dense), off
