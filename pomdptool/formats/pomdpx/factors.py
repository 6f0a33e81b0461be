"""Conditional probability tables for one action, as sparse rows.

A `Factor` has a row for each combination of those parents that the table truly depends on.
"""

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

TOO_MANY = f"more than {MAX_ENTRIES} entries of one table are set"


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
    parents: ProductSpace
    rows: SparseRows
    sums: FloatArray
    off: IntArray
    renormalised: Renormalised


def make_factor(table: Table, action: dict[str, int]) -> Factor:
    """A table of probabilities for one action.

    Raises
    ------
    TooLargeError
        If it would have too many rows or entries.
    """
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
    """Keys, over the axes in use, and values of the points that are not zero.

    The rules that set something else than zero are written out over the axes that they leave open;
    a point stays where the rule that it was written for is the latest for it.
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
