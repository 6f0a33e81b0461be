"""Probability distributions: rows that are checked to sum to 1, and divided by their sums."""

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
"""How far a row of probabilities may be from summing to 1 before it is an error."""


@dataclass(frozen=True, slots=True)
class Renormalised:
    """What renormalising changed: how many rows, and how far the worst was from 1."""

    rows: int = 0
    worst: float = 0.0


def renormalise(
    table: SparseRows, sums: FloatArray | None = None
) -> tuple[SparseRows, Renormalised]:
    """Divide every row by its sum, except rows that sum to 1 up to rounding.

    A row that this function has divided is left alone when it is seen again, so that what is
    written reads back bit for bit. The caller has checked that all sums, which it may pass, are
    near 1.
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
    table: SparseRows, what: str, actions: tuple[str, ...], states: tuple[str, ...]
) -> tuple[SparseRows, Renormalised]:
    """Check that rows a * S + s are distributions, and renormalise them.

    Raises
    ------
    ModelError
        Where an entry is no probability, or a row's sum is off by more than `SUM_TOLERANCE`.
    """
    if not (np.isfinite(table.data).all() and (table.data >= 0).all()):
        raise ModelError(f"{what} holds a number that is not a probability")
    sums = table.row_sums()
    off = sums - 1.0
    bad = np.flatnonzero(np.abs(off, out=off) > SUM_TOLERANCE)
    if len(bad):
        a, s = divmod(int(bad[0]), len(states))
        raise ModelError(
            f"{what}: the row of action {actions[a]!r}, state {states[s]!r} sums to "
            f"{sums[bad[0]]:.6g}, not 1 ({len(bad)} such rows)"
        )
    return renormalise(table, sums)


def checked_start(start: ArrayLike | None, S: int) -> tuple[FloatArray, Renormalised]:
    """Initial belief of S states, uniform by default; raises as `checked_rows`."""
    if start is None:
        return read_only(np.full(S, 1.0 / S)), Renormalised()
    array = numbers(start, "start")
    if array.shape != (S,):
        raise ModelError(f"start must have shape ({S},), not {array.shape}")
    if not (np.isfinite(array).all() and (array >= 0).all()):
        raise ModelError("start holds a number that is not a probability")
    total = math.fsum(array.clip(max=2.0))
    if abs(total - 1.0) > SUM_TOLERANCE:
        raise ModelError(f"start sums to {total:.6g}, not 1")
    row, off = renormalise(from_dense(array[np.newaxis]))
    dense = np.zeros(S)
    dense[row.indices] = row.data
    return read_only(dense), off
