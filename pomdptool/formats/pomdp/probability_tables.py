"""Assembles T and O, as sparse rows, from their statements; later statements win.

Each statement has a stamp, its position in the file. A statement that sets a whole row (a row, a
matrix, `*` for the last index) replaces everything before it in that row. So a row is the content
of the last statement that set it whole, overridden by later entries, the latest for each column.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from pomdptool.formats.limits import MAX_ENTRIES
from pomdptool.formats.pomdp.bulk_entries import EntryColumns
from pomdptool.sparse import BLOCK, FloatArray, IntArray, SparseRows, from_entries


class TableSizeError(Exception):
    """More than MAX_ENTRIES entries; has their number and the stamp of the statement."""

    def __init__(self, entries: int, stamp: int) -> None:
        super().__init__(entries)
        self.entries = entries
        self.stamp = stamp


@dataclass(frozen=True, slots=True)
class RowContent:
    """Content of the rows that a statement sets whole.

    `values` are the entries in `columns`, by default in all. `by_state`: `values` (S, n_columns)
    holds a row for each state. `diagonal`: the row of state s is 1 at s (`identity`).
    """

    values: FloatArray
    columns: IntArray | None = None
    by_state: bool = False
    diagonal: bool = False

    def entries(self, states: IntArray) -> tuple[IntArray, IntArray, FloatArray]:
        """Entries of the rows of these states: position in `states`, column, value."""
        k = np.arange(len(states))
        if self.diagonal:
            return k, states, np.ones(len(states))
        if self.by_state:
            k, columns = np.nonzero(self.values[states])
            return k, columns, self.values[states[k], columns]
        columns = np.arange(len(self.values)) if self.columns is None else self.columns
        n = len(columns)
        return np.repeat(k, n), np.tile(columns, len(k)), np.tile(self.values, len(k))

    def width(self) -> int:
        """Maximal number of entries of a row."""
        return 1 if self.diagonal else self.values.shape[-1]


@dataclass(slots=True)
class ProbabilityTable:
    """T or O under construction."""

    n_actions: int
    n_states: int
    n_columns: int
    row_stamp: IntArray = field(init=False)
    contents: dict[int, RowContent] = field(default_factory=dict)
    constants: list[tuple[IntArray, FloatArray]] = field(default_factory=list)
    entries: list[tuple[IntArray, IntArray, FloatArray, IntArray]] = field(default_factory=list)
    count: int = 0

    def __post_init__(self) -> None:
        """Mark every row as unset (-1)."""
        self.row_stamp = np.full(self.n_actions * self.n_states, -1, dtype=np.int64)

    def set_rows(self, action: int, state: int, content: RowContent, stamp: int) -> None:
        """Set whole rows; -1 means every action, or every state."""
        rows = self.row_stamp.reshape(self.n_actions, self.n_states)
        rows[_span(action), _span(state)] = stamp
        self.contents[stamp] = content

    def set_entries(self, columns: EntryColumns, first_stamp: int) -> None:
        """Set single entries."""
        action, state, column = columns.refs
        stamp = columns.order + first_stamp
        pattern = (action < 0) * 1 + (state < 0) * 2 + (column < 0) * 4
        if not pattern.any():
            self._add(action, state, column, columns.values, stamp)
            return
        for code in np.flatnonzero(np.bincount(pattern)).tolist():
            k = np.flatnonzero(pattern == code)
            a, s, at = self._expand(action[k], state[k], int(stamp[k[-1]]))
            c, v, t = column[k][at], columns.values[k][at], stamp[k][at]
            if code & 4:
                rows = a * self.n_states + s
                np.maximum.at(self.row_stamp, rows, t)
                self.constants.append((stamp[k], columns.values[k]))
            else:
                self._add(a, s, c, v, t)

    def _expand(
        self, action: IntArray, state: IntArray, stamp: int
    ) -> tuple[IntArray, IntArray, IntArray]:
        """Expand `*`: actions, states, and the position of the entry that each comes from."""
        n_a = self.n_actions if action[0] < 0 else 1
        n_s = self.n_states if state[0] < 0 else 1
        self._check(len(action) * n_a * n_s, stamp)
        at = np.repeat(np.arange(len(action)), n_a * n_s)
        a, s = action[at], state[at]
        if n_a > 1 or action[0] < 0:
            a = np.tile(np.repeat(np.arange(n_a), n_s), len(action))
        if n_s > 1 or state[0] < 0:
            s = np.tile(np.arange(n_s), len(action) * n_a)
        return a, s, at

    def _add(
        self,
        action: IntArray,
        state: IntArray,
        column: IntArray,
        values: FloatArray,
        stamp: IntArray,
    ) -> None:
        self.count += len(values)
        if len(values):
            self._check(0, int(stamp[-1]))
            rows = action * self.n_states + state
            self.entries.append((rows, column, values, stamp))

    def _check(self, more: int, stamp: int) -> None:
        if self.count + more > MAX_ENTRIES:
            raise TableSizeError(self.count + more, stamp)

    def check_size(self) -> None:
        """Count all entries before the rows are built. Raises TableSizeError."""
        constants, rows = self._constants(), self._rows_of_stamps()
        for stamp in np.flatnonzero(rows).tolist():
            width = self.contents[stamp].width() if stamp in self.contents else 0
            entries = int(rows[stamp]) * (self.n_columns if constants.get(stamp) else width)
            self._check(entries, stamp)
            self.count += entries

    def _rows_of_stamps(self) -> IntArray:
        """Number of rows that each stamp was the last to set whole."""
        rows = np.zeros(int(self.row_stamp.max()) + 2, dtype=np.int64)
        for first in range(0, len(self.row_stamp), BLOCK):
            rows += np.bincount(self.row_stamp[first : first + BLOCK] + 1, minlength=len(rows))
        return rows[1:]

    def finish(self) -> SparseRows:
        """Build the rows; call `check_size` before."""
        parts = [*self._whole_rows(), *self.entries]
        if not parts:
            none = np.zeros(0, dtype=np.int64)
            return from_entries(len(self.row_stamp), self.n_columns, none, none, np.zeros(0))
        rows, columns, values, stamps = (np.concatenate(x) for x in zip(*parts, strict=True))
        valid = stamps >= self.row_stamp[rows]
        if not valid.all():
            rows, columns, values, stamps = (x[valid] for x in (rows, columns, values, stamps))
        key = rows * self.n_columns + columns
        if not bool((key[1:] > key[:-1]).all()):
            order = np.lexsort((stamps, key))
            key = key[order]
            last = np.append(key[1:] != key[:-1], True)
            order = order[last]
            rows, columns, values = rows[order], columns[order], values[order]
        return from_entries(len(self.row_stamp), self.n_columns, rows, columns, values)

    def _whole_rows(self) -> Iterator[tuple[IntArray, IntArray, FloatArray, IntArray]]:
        """Row, column, value and stamp of the entries of rows that are set whole."""
        order = np.argsort(self.row_stamp, kind="stable")
        stamps, first = np.unique(self.row_stamp[order], return_index=True)
        constants = self._constants()
        for stamp, rows in zip(stamps.tolist(), np.split(order, first[1:]), strict=True):
            content = self.contents.get(stamp)
            if value := constants.get(stamp):
                content = RowContent(np.full(self.n_columns, value))
            if content is not None:
                k, columns, values = content.entries(rows % self.n_states)
                yield rows[k], columns, values, np.full(len(k), stamp)

    def _constants(self) -> dict[int, float]:
        """Value by stamp of the entries with `*` for the last index."""
        return {
            stamp: value
            for stamps, values in self.constants
            for stamp, value in zip(stamps.tolist(), values.tolist(), strict=True)
        }

    def last_stamps(self) -> IntArray:
        """Stamp of the last statement that set an entry of each row; -1 for none."""
        last = self.row_stamp.copy()
        for rows, _, _, stamps in self.entries:
            np.maximum.at(last, rows, stamps)
        return last


def _span(index: int) -> slice:
    return slice(None) if index < 0 else slice(index, index + 1)
