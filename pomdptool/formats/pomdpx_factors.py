"""Products of conditional probability tables, without ever holding what is zero.

A `Factor` is a table for one action: sparse rows, one for each combination of those parents that it
truly depends on. A `Relation` lists assignments of variables, each with its probability, for every
row of a table that grows: joining a factor adds its child to them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from pomdptool.errors import ModelError
from pomdptool.formats.pomdpx_tables import Table
from pomdptool.formats.pomdpx_variables import Digits, Space, Variable
from pomdptool.formats.rows import MAX_ENTRIES
from pomdptool.formats.rules import Kind, key_of, latest
from pomdptool.model import SUM_TOLERANCE
from pomdptool.sparse import (
    FloatArray,
    IntArray,
    Renormalised,
    SparseRows,
    from_entries,
    renormalise,
)

BLOCK_ROWS, BLOCK_ENTRIES = 1 << 16, 1 << 20
"""Rows, and assignments, of a table that are worked out at a time."""


class TooLargeError(ModelError):
    """A table would have too many rows or entries."""

    def __init__(self, table: Table, message: str) -> None:
        self.at = table.at
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Factor:
    """The probabilities of a child, given those of its parents that matter.

    Attributes
    ----------
    rows
        A row for each combination of the parents, a column for each value of the child, each row
        divided by its sum where that was near 1.
    sums
        What the rows summed to.
    off
        Rows that did not sum to 1.
    """

    table: Table
    parents: Space
    rows: SparseRows
    sums: FloatArray
    off: IntArray
    renormalised: Renormalised


def factor_of(table: Table, action: dict[str, int]) -> Factor:
    """A table of probabilities for one action.

    Raises
    ------
    TooLargeError
        If it would have too many rows or entries.
    """
    kinds = table.given(action)
    child = len(table.axes) - 1
    used = sorted({axis for kind in kinds for axis in kind.axes} | {child})
    parents = Space(tuple(table.axes[axis] for axis in used[:-1]))
    if parents.n > MAX_ENTRIES:
        raise TooLargeError(table, f"the table of {table.child.name!r} would have {parents.n} rows")
    key, values = _nonzeros(table, kinds, used)
    row, column = np.divmod(key, table.child.n)
    rows = from_entries(parents.n, table.child.n, row, column, values)
    sums = rows.row_sums()
    rows, renormalised = renormalise(rows, sums)
    off = np.flatnonzero(~(np.abs(sums - 1.0) <= SUM_TOLERANCE))
    return Factor(table, parents, rows, sums, off, renormalised)


def _nonzeros(
    table: Table, kinds: Sequence[Kind], used: Sequence[int]
) -> tuple[IntArray, FloatArray]:
    """Keys, over the axes in use, and values of the points that are not zero.

    The rules that set something else than zero are written out over the axes that they leave open;
    a point stays where the rule that it was written for is the latest for it.
    """
    keys, values, shape = [np.zeros(0, dtype=np.int64)], [np.zeros(0)], table.shape
    total = 0
    for kind in kinds:
        some = np.flatnonzero(kind.values)
        left_open = [axis for axis in used if axis not in kind.axes]
        times = math.prod(shape[axis] for axis in left_open)
        total += len(some) * times
        if total > MAX_ENTRIES:
            raise TooLargeError(table, _too_many(total))
        for first in range(0, len(some) * times, BLOCK_ENTRIES):
            point = np.arange(first, min(first + BLOCK_ENTRIES, len(some) * times))
            rule, rest = some[point // times], point % times
            points = [np.zeros(0, dtype=np.int64)] * len(shape)
            for axis in reversed(left_open):
                rest, points[axis] = np.divmod(rest, shape[axis])
            rest = kind.keys[rule]
            for axis in reversed(kind.axes):
                rest, points[axis] = np.divmod(rest, shape[axis])
            value, stamp = latest(kinds, points, len(point), shape)
            wins = np.flatnonzero(stamp == kind.stamps[rule])
            keys.append(key_of(used, [points[axis] for axis in used], shape)[wins])
            values.append(value[wins])
    return np.concatenate(keys), np.concatenate(values)


def _too_many(entries: int) -> str:
    return f"{entries} entries of one table are set; at most {MAX_ENTRIES} fit"


@dataclass(frozen=True, slots=True)
class Relation:
    """Assignments of variables, each with a probability.

    Attributes
    ----------
    row
        Which row of the table each assignment belongs to, ascending.
    given
        Index of the value of each variable that a row fixes, by row.
    found
        Index of the value of each variable that a factor added, by assignment.
    """

    row: IntArray
    probability: FloatArray
    given: dict[str, Digits]
    found: dict[str, Digits] = field(default_factory=dict)

    def digit(self, variable: Variable) -> Digits:
        """Index of a variable's value in each assignment."""
        if variable.name in self.found:
            return self.found[variable.name]
        return self.given[variable.name][self.row]


class RowSumError(ModelError):
    """A row of a factor that is needed does not sum to 1."""

    def __init__(self, factor: Factor, rows: IntArray) -> None:
        self.at = factor.table.at
        digits = factor.parents.digits(rows[:1])
        given = ", ".join(
            f"{parent.name} {parent.values[digits[parent.name][0]]!r}"
            for parent in factor.parents.variables
        )
        more = " (and other rows too)" if len(rows) > 1 else ""
        super().__init__(
            f"{factor.table.child.name}: the probabilities{' given ' * bool(given)}{given} "
            f"sum to {factor.sums[rows[0]]:.7g}, not 1{more}"
        )


def product(
    factors: Sequence[Factor], given: dict[str, Digits], n: int, most: int | None = None
) -> Relation:
    """Assignments of the factors' children for each of n rows that fix the variables `given`.

    Raises
    ------
    RowSumError
        If a row of a factor that is needed does not sum to 1.
    TooLargeError
        If there would be more than `most` assignments.
    """
    relation = Relation(np.arange(n), np.ones(n), given)
    for factor in factors:
        relation = _join(relation, factor, most or MAX_ENTRIES)
    return relation


def product_rows(
    factors: Sequence[Factor], given: dict[str, Digits], n: int, columns: Space
) -> list[SparseRows]:
    """Table of n rows over the combinations of `columns`, as in `product`, in blocks of rows.

    A block that would have too many assignments is halved.
    """
    blocks: list[SparseRows] = []
    entries = 0
    ranges = [(k, min(k + BLOCK_ROWS, n)) for k in reversed(range(0, n, BLOCK_ROWS))]
    while ranges:
        first, last = ranges.pop()
        fixed = {name: digit[first:last] for name, digit in given.items()}
        try:
            relation = product(factors, fixed, last - first, BLOCK_ENTRIES)
        except TooLargeError:
            middle = (first + last) // 2
            if middle > first:
                ranges += [(middle, last), (first, middle)]
                continue
            relation = product(factors, fixed, 1)
        entries += len(relation.row)
        if entries > MAX_ENTRIES:
            raise TooLargeError(factors[0].table, _too_many(entries))
        column = columns.index([relation.digit(variable) for variable in columns.variables])
        rows = from_entries(last - first, columns.n, relation.row, column, relation.probability)
        blocks.append(rows)
    return blocks


def _join(relation: Relation, factor: Factor, most: int) -> Relation:
    """Add a factor's child to every assignment, once for each value that it may have."""
    digits = [relation.digit(parent) for parent in factor.parents.variables]
    needed = np.broadcast_to(factor.parents.index(digits), relation.row.shape)
    if len(factor.off):
        met = np.intersect1d(factor.off, needed)
        if len(met):
            raise RowSumError(factor, met)
    child, rows = factor.table.child.name, factor.rows
    begin = rows.indptr[needed]
    count = rows.indptr[needed + 1] - begin
    n = int(count.sum())
    if n > most:
        raise TooLargeError(factor.table, _too_many(n))
    if n == len(count):  # every row has entries: each has one
        found = relation.found | {child: rows.indices[begin]}
        probability = relation.probability * rows.data[begin]
        return Relation(relation.row, probability, relation.given, found)
    pick = np.repeat(np.arange(len(count)), count)
    first = np.repeat(begin - (np.cumsum(count) - count), count)
    entry = first + np.arange(n)
    found = {name: digit[pick] for name, digit in relation.found.items()}
    found[child] = rows.indices[entry]
    probability = relation.probability[pick] * rows.data[entry]
    return Relation(relation.row[pick], probability, relation.given, found)


def in_order(tables: Sequence[Table]) -> list[Table] | Table:
    """Tables so that each comes after those of its parents; one of a circle where there is one."""
    left = list(tables)
    ordered: list[Table] = []
    while left:
        waiting = {table.child.name for table in left}
        ready = next(
            (t for t in left if not waiting & ({axis.name for axis in t.axes} - {t.child.name})),
            None,
        )
        if ready is None:
            return left[0]
        left.remove(ready)
        ordered.append(ready)
    return ordered
