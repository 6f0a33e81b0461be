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
from pomdptool.formats.pomdpx_variables import Space, Variable
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


class TooLargeError(ModelError):
    """A table would have too many rows or entries."""


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
    """

    table: Table
    parents: Space
    rows: SparseRows
    sums: FloatArray
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
        raise TooLargeError(f"the table of {table.child.name!r} would have {parents.n} rows")
    key, values = _nonzeros(kinds, used, table.shape)
    row, column = np.divmod(key, table.child.n)
    rows = from_entries(parents.n, table.child.n, row, column, values)
    sums = rows.row_sums()
    rows, off = renormalise(rows)
    return Factor(table, parents, rows, sums, off)


def _nonzeros(
    kinds: Sequence[Kind], used: Sequence[int], shape: tuple[int, ...]
) -> tuple[IntArray, FloatArray]:
    """Keys, over the axes in use, and values of the points that are not zero.

    The rules that set something else than zero are written out over the axes that they leave open;
    a point stays where the rule that it was written for is the latest for it.
    """
    keys, values = [np.zeros(0, dtype=np.int64)], [np.zeros(0)]
    total = 0
    for kind in kinds:
        some = np.flatnonzero(kind.values)
        left_open = [axis for axis in used if axis not in kind.axes]
        times = math.prod(shape[axis] for axis in left_open)
        total += len(some) * times
        if total > MAX_ENTRIES:
            raise TooLargeError(f"{total} entries of one table are set; at most {MAX_ENTRIES} fit")
        points = [np.zeros(0, dtype=np.int64)] * len(shape)
        rest = np.repeat(kind.keys[some], times)
        for axis in reversed(kind.axes):
            rest, points[axis] = np.divmod(rest, shape[axis])
        rest = np.tile(np.arange(times), len(some))
        for axis in reversed(left_open):
            rest, points[axis] = np.divmod(rest, shape[axis])
        stamps = np.repeat(kind.stamps[some], times)
        value, stamp = latest(kinds, points, len(stamps), shape)
        wins = np.flatnonzero(stamp == stamps)
        key = np.broadcast_to(key_of(used, [points[axis] for axis in used], shape), stamps.shape)
        keys.append(key[wins])
        values.append(value[wins])
    return np.concatenate(keys), np.concatenate(values)


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
    given: dict[str, IntArray]
    found: dict[str, IntArray] = field(default_factory=dict)

    def digit(self, variable: Variable) -> IntArray:
        """Index of a variable's value in each assignment."""
        if variable.name in self.found:
            return self.found[variable.name]
        return self.given[variable.name][self.row]


class RowSumError(ModelError):
    """A row of a factor that is needed does not sum to 1."""

    def __init__(self, factor: Factor, rows: IntArray) -> None:
        self.factor = factor
        digits = factor.parents.digits(rows[:1])
        given = ", ".join(
            f"{parent.name} {parent.values[digits[parent.name][0]]!r}"
            for parent in factor.parents.variables
        )
        more = f" (and {len(rows) - 1} more rows)" if len(rows) > 1 else ""
        super().__init__(
            f"{factor.table.child.name}: the probabilities{' given ' * bool(given)}{given} "
            f"sum to {factor.sums[rows[0]]:.7g}, not 1{more}"
        )


def start_relation(given: dict[str, IntArray], n: int) -> Relation:
    """A relation of n rows, each with one assignment, which the row gives."""
    return Relation(np.arange(n), np.ones(n), given)


def join(relation: Relation, factor: Factor) -> Relation:
    """Add a factor's child to every assignment, once for each value that it may have.

    Raises
    ------
    RowSumError
        If a row of the factor that is needed does not sum to 1.
    TooLargeError
        If there would be too many assignments.
    """
    digits = [relation.digit(parent) for parent in factor.parents.variables]
    needed = np.broadcast_to(factor.parents.index(digits), relation.row.shape)
    off = np.flatnonzero(~(np.abs(factor.sums - 1.0) <= SUM_TOLERANCE))
    if len(off):
        met = np.intersect1d(off, needed)
        if len(met):
            raise RowSumError(factor, met)
    child, rows = factor.table.child.name, factor.rows
    count = np.diff(rows.indptr)[needed]
    n = int(count.sum())
    if n > MAX_ENTRIES:
        raise TooLargeError(f"{n} entries of one table are set; at most {MAX_ENTRIES} fit")
    if n == len(count):  # every row has entries: each has one
        entry = rows.indptr[needed]
        found = relation.found | {child: rows.indices[entry].astype(np.int64)}
        return Relation(
            relation.row, relation.probability * rows.data[entry], relation.given, found
        )
    pick = np.repeat(np.arange(len(count)), count)
    first = np.repeat(rows.indptr[needed] - (np.cumsum(count) - count), count)
    entry = first + np.arange(n)
    found = {name: digit[pick] for name, digit in relation.found.items()}
    found[child] = rows.indices[entry].astype(np.int64)
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
