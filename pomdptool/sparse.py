"""Probability tables in compressed sparse row form, stacked over actions.

Row `a * n_states + s` is a distribution: of the next state after action `a` in state `s` (T), or of
the observation on arrival in `s` (Z). Every entry is positive, columns ascend within a row, and
each row sums to 1 up to rounding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pomdptool.errors import ModelError
from pomdptool.readable import Readable

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    FloatArray = NDArray[np.float64]
    IntArray = NDArray[np.int64]
    Int32Array = NDArray[np.int32]
    BoolArray = NDArray[np.bool_]
else:  # importing numpy.typing takes as long as reading a small model
    FloatArray = IntArray = Int32Array = BoolArray = np.ndarray

DENSE_LIMIT = 1 << 30
"""Maximum size of a dense table, in bytes."""

BLOCK = 1 << 18
"""Maximum number of rows, and approximate number of entries, of a block of a large table."""


def numbers(values: ArrayLike, name: str) -> FloatArray:
    """Convert to an array of float64; raises ModelError if the values are not numbers."""
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ModelError(f"{name} must be an array of numbers: {error}") from None


def read_only(array: FloatArray) -> FloatArray:
    """Make an array read-only, and return it."""
    array.setflags(write=False)
    return array


def check_dense_size(shape: tuple[int, ...], name: str, limit: int = DENSE_LIMIT) -> None:
    """Raise ModelError if a dense float64 array of this shape exceeds `limit` bytes."""
    size = 8
    for n in shape:
        size *= n
    if size > limit:
        raise ModelError(
            f"a dense {name} of shape {' x '.join(map(str, shape))} would take "
            f"{size / 2**30:.1f} GiB (limit {limit / 2**30:.1f}); use the sparse table"
        )


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class SparseRows(Readable):
    """Rows of a stacked table in compressed form.

    Attributes
    ----------
    n_columns
        Number of columns (states for T, observations for Z).
    indptr
        Shape (n_rows + 1,): row r owns the entries `indptr[r]:indptr[r + 1]`.
    indices, data
        Column and value of each entry.
    """

    n_columns: int
    indptr: IntArray
    indices: Int32Array
    data: FloatArray

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.indptr) - 1

    @property
    def nonzeros(self) -> int:
        """Number of entries."""
        return len(self.data)

    def row_blocks(self) -> Iterator[tuple[slice, slice, IntArray]]:
        """Blocks of rows: the rows, their entries, and the number of entries of each row."""
        first = 0
        while first < self.n_rows:
            last = int(np.searchsorted(self.indptr, self.indptr[first] + BLOCK, "right")) - 1
            last = min(max(last, first + 1), first + BLOCK, self.n_rows)
            entries = slice(int(self.indptr[first]), int(self.indptr[last]))
            yield slice(first, last), entries, np.diff(self.indptr[first : last + 1])
            first = last

    def take(self, rows: IntArray) -> tuple[IntArray, IntArray]:
        """Entries of some rows in turn: index into `rows`, and entry."""
        return ragged(self.indptr[rows], self.indptr[rows + 1])

    def row_of_entry(self) -> IntArray:
        """Row of every entry, shape (nonzeros,)."""
        return np.repeat(np.arange(self.n_rows), np.diff(self.indptr))

    def row_sums(self) -> FloatArray:
        """Sum of every row, shape (n_rows,)."""
        return self.sum_rows(self.data)

    def sum_rows(self, values: FloatArray) -> FloatArray:
        """Sum one value per entry over each row, shape (n_rows,); 0 for empty rows."""
        sums = np.empty(self.n_rows)
        for rows, entries, count in self.row_blocks():
            row = np.repeat(np.arange(len(count)), count)
            sums[rows] = np.bincount(row, weights=values[entries], minlength=len(count))
        return sums

    def dense(self, name: str, n_actions: int) -> FloatArray:
        """Convert to an array of shape (n_actions, n_rows / n_actions, n_columns).

        Raises
        ------
        ModelError
            If it exceeds `DENSE_LIMIT`.
        """
        shape = (n_actions, self.n_rows // n_actions, self.n_columns)
        check_dense_size(shape, name)
        table = np.zeros((self.n_rows, self.n_columns))
        table[self.row_of_entry(), self.indices] = self.data
        return read_only(table.reshape(shape))

    def equals(self, other: SparseRows) -> bool:
        """Whether both have bitwise equal entries."""
        return (
            self.n_columns == other.n_columns
            and np.array_equal(self.indptr, other.indptr)
            and np.array_equal(self.indices, other.indices)
            and np.array_equal(self.data, other.data)
        )


def ragged(first: IntArray, end: IntArray) -> tuple[IntArray, IntArray]:
    """Concatenate the ranges first[k]:end[k]: the k of each integer, and the integer."""
    count = end - first
    item = np.repeat(np.arange(len(first)), count)
    number = np.repeat(first - (np.cumsum(count) - count), count)
    number += np.arange(len(number))
    return item, number


def from_entries(
    n_rows: int, n_columns: int, rows: IntArray, columns: IntArray, values: FloatArray
) -> SparseRows:
    """Make SparseRows of entries with distinct (row, column), in any order; zeros are dropped."""
    kept = np.flatnonzero(values)
    if len(kept) < len(values):
        rows, columns, values = rows[kept], columns[kept], values[kept]
    key = rows * n_columns + columns
    if len(key) > 1 and not bool((key[1:] > key[:-1]).all()):
        order = np.argsort(key, kind="stable")
        rows, columns, values = rows[order], columns[order], values[order]
    indptr = np.zeros(n_rows + 1, dtype=np.int64)
    np.cumsum(np.bincount(rows, minlength=n_rows), out=indptr[1:])
    indices = np.ascontiguousarray(columns, dtype=np.int32)
    indices.setflags(write=False)
    indptr.setflags(write=False)
    return SparseRows(n_columns, indptr, indices, read_only(np.ascontiguousarray(values)))


def stacked(parts: Sequence[SparseRows]) -> SparseRows:
    """Stack tables with the same columns."""
    if len(parts) == 1:
        return parts[0]
    indptr = np.zeros(sum(part.n_rows for part in parts) + 1, dtype=np.int64)
    row = 0
    for part in parts:
        np.add(part.indptr[1:], indptr[row], out=indptr[row + 1 : row + part.n_rows + 1])
        row += part.n_rows
    indices = np.concatenate([part.indices for part in parts])
    data = np.concatenate([part.data for part in parts])
    indices.setflags(write=False)
    indptr.setflags(write=False)
    return SparseRows(parts[0].n_columns, indptr, indices, read_only(data))


def repeated(table: SparseRows, times: int) -> SparseRows:
    """Stack copies of a table."""
    first = np.arange(times)[:, np.newaxis] * table.nonzeros
    indptr = np.append((first + table.indptr[:-1]).ravel(), times * table.nonzeros)
    indices = np.tile(table.indices, times)
    indices.setflags(write=False)
    indptr.setflags(write=False)
    return SparseRows(table.n_columns, indptr, indices, read_only(np.tile(table.data, times)))


def from_dense(table: FloatArray) -> SparseRows:
    """Make SparseRows of a dense table; all axes but the last are stacked into rows."""
    flat = np.ascontiguousarray(table, dtype=np.float64).reshape(-1, table.shape[-1])
    rows, columns = np.nonzero(flat)
    return from_entries(flat.shape[0], flat.shape[1], rows, columns, flat[rows, columns])
