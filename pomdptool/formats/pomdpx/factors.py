"""Conditional probability tables for one action, as sparse rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pomdptool.distributions import SUM_TOLERANCE, Renormalised, renormalise
from pomdptool.errors import ModelError
from pomdptool.formats.limits import MAX_ENTRIES
from pomdptool.formats.pomdpx.tables import Table
from pomdptool.formats.pomdpx.variables import ProductSpace
from pomdptool.formats.wildcard_rules import RuleGroup, evaluate_rules, flat_index
from pomdptool.sparse import BLOCK, FloatArray, IntArray, SparseRows, from_entries

TOO_MANY = f"a table has more than {MAX_ENTRIES} entries"


class TooLargeError(ModelError):
    """A table would have too many rows or entries."""

    def __init__(self, table: Table, message: str) -> None:
        self.at = table.at
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Factor:
    """Conditional probabilities of a child variable for one action.

    `parents` are those that the probabilities depend on. `rows` has a row for each combination of
    parent values and a column for each value of the child; rows whose sum is within the tolerance
    are normalised. `sums` are the sums before, `off` the numbers of the rows not within it.
    """

    table: Table
    parents: ProductSpace
    rows: SparseRows
    sums: FloatArray
    off: IntArray
    renormalised: Renormalised


def make_factor(table: Table, action: dict[str, int]) -> Factor:
    """Factor of a table for one action; TooLargeError for too many rows or entries."""
    groups = table.rules_for(action)
    child = len(table.axes) - 1
    used = sorted({axis for group in groups for axis in group.axes} | {child})
    parents = ProductSpace(tuple(table.axes[axis] for axis in used[:-1]))
    if parents.n > MAX_ENTRIES:
        raise TooLargeError(table, f"the table of {table.child.name!r} would have {parents.n} rows")
    key, values = _nonzeros(table, groups, used)
    row, column = np.divmod(key, table.child.n)
    rows = from_entries(parents.n, table.child.n, row, column, values)
    sums = rows.row_sums()
    rows, renormalised = renormalise(rows, sums)
    off = np.flatnonzero(~(np.abs(sums - 1.0) <= SUM_TOLERANCE))
    return Factor(table, parents, rows, sums, off, renormalised)


def _nonzeros(
    table: Table, groups: Sequence[RuleGroup], used: Sequence[int]
) -> tuple[IntArray, FloatArray]:
    """Flat indices, over the axes in use, and values of the nonzero entries.

    Rules with a nonzero value are expanded over their open axes; an entry is kept if its rule is
    the latest for it.
    """
    keys, values, shape = [np.zeros(0, dtype=np.int64)], [np.zeros(0)], table.shape
    open_axes = [[axis for axis in used if axis not in group.axes] for group in groups]
    copies = [math.prod(shape[axis] for axis in axes) for axes in open_axes]
    set_by = [np.flatnonzero(group.values) for group in groups]
    total = sum(len(some) * times for some, times in zip(set_by, copies, strict=True))
    if total > MAX_ENTRIES:
        raise TooLargeError(table, TOO_MANY)
    for group, some, times, left_open in zip(groups, set_by, copies, open_axes, strict=True):
        for first in range(0, len(some) * times, BLOCK):
            point = np.arange(first, min(first + BLOCK, len(some) * times))
            rule, rest = some[point // times], point % times
            points = [np.zeros(0, dtype=np.int64)] * len(shape)
            for axis in reversed(left_open):
                rest, points[axis] = np.divmod(rest, shape[axis])
            rest = group.keys[rule]
            for axis in reversed(group.axes):
                rest, points[axis] = np.divmod(rest, shape[axis])
            value, stamp = evaluate_rules(groups, points, len(point), shape)
            wins = np.flatnonzero(stamp == group.stamps[rule])
            keys.append(flat_index(used, [points[axis] for axis in used], shape)[wins])
            values.append(value[wins])
    return np.concatenate(keys), np.concatenate(values)


def topological_order(tables: Sequence[Table]) -> list[Table] | Table:
    """Order tables such that parents come first; returns a table on a cycle if there is one."""
    remaining = list(tables)
    ordered: list[Table] = []
    while remaining:
        children = {table.child.name for table in remaining}
        for table in remaining:
            if not children & ({axis.name for axis in table.axes} - {table.child.name}):
                break
        else:
            return remaining[0]
        remaining.remove(table)
        ordered.append(table)
    return ordered
