"""Products of conditional probability tables, without ever holding what is zero.

A `Relation` lists assignments of variables, each with its probability, for every row of a table
that grows: joining a factor adds its child to them. Large tables are made in blocks of rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from pomdptool.errors import ModelError
from pomdptool.formats.pomdpx.factors import TOO_MANY, Factor, TooLargeError
from pomdptool.formats.pomdpx.variables import Digits, ProductSpace, Variable
from pomdptool.sparse import FloatArray, IntArray, SparseRows, from_entries

BLOCK_ROWS, BLOCK_ENTRIES = 1 << 16, 1 << 20
"""Rows, and assignments, of a table that are made at a time."""


@dataclass(frozen=True, slots=True)
class Relation:
    """Assignments of variables, each with a probability.

    Attributes
    ----------
    row
        Which row of the table each assignment belongs to, ascending.
    column
        Number of each assignment among the combinations of the table's columns, so far.
    given
        Index of the value of each variable that a row fixes, by row.
    found
        Index of the value of variables that factors added, by assignment: of those that further
        factors depend on.
    """

    row: IntArray
    column: IntArray
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


def product_rows(
    factors: Sequence[Factor],
    given: dict[str, Digits],
    n: int,
    columns: ProductSpace,
    max_entries: int,
) -> list[SparseRows]:
    """Table of n rows, which fix the variables `given`, over the combinations of `columns`.

    The factors' children and the given variables make the columns. The rows come in blocks; one
    that would have too many assignments is halved.

    Raises
    ------
    RowSumError
        If a row of a factor that is needed does not sum to 1.
    TooLargeError
        If there would be more entries than there is max_entries for.
    """
    least = n * math.prod(int(np.diff(factor.rows.indptr).min()) for factor in factors)
    if least > max_entries:
        raise TooLargeError(factors[0].table, TOO_MANY)
    blocks: list[SparseRows] = []
    entries = 0
    ranges = [(k, min(k + BLOCK_ROWS, n)) for k in reversed(range(0, n, BLOCK_ROWS))]
    while ranges:
        first, last = ranges.pop()
        fixed = {name: digit[first:last] for name, digit in given.items()}
        most = BLOCK_ENTRIES if last - first > 1 else max_entries
        try:
            relation = _product(factors, fixed, last - first, columns, most)
        except TooLargeError:
            if last - first == 1:
                raise
            middle = (first + last) // 2
            ranges += [(middle, last), (first, middle)]
            continue
        entries += len(relation.row)
        if entries > max_entries:
            raise TooLargeError(factors[0].table, TOO_MANY)
        rows, column, probability = relation.row, relation.column, relation.probability
        blocks.append(from_entries(last - first, columns.n, rows, column, probability))
    return blocks


def _product(
    factors: Sequence[Factor], given: dict[str, Digits], n: int, columns: ProductSpace, most: int
) -> Relation:
    """Join all factors to n rows; at most so many assignments."""
    stride, strides = 1, {}
    column = np.zeros(n, dtype=np.int64)
    for variable in reversed(columns.variables):
        strides[variable.name] = stride
        if variable.name in given:
            column += given[variable.name] * np.int64(stride)
        stride *= variable.n
    relation = Relation(np.arange(n), column, np.ones(n), given)
    for k, factor in enumerate(factors):
        later = {parent.name for other in factors[k + 1 :] for parent in other.parents.variables}
        relation = _join(relation, factor, strides[factor.table.child.name], later, most)
    return relation


def _join(relation: Relation, factor: Factor, stride: int, later: set[str], most: int) -> Relation:
    """Add a factor's child to every assignment, once for each value that it may have.

    Parameters
    ----------
    stride
        Of the child's value in the column's number.
    later
        Variables that further factors depend on.
    """
    digits = [relation.digit(parent) for parent in factor.parents.variables]
    needed = np.broadcast_to(factor.parents.index(digits), relation.row.shape)
    if len(factor.off):
        met = np.intersect1d(factor.off, needed)
        if len(met):
            raise RowSumError(factor, met)
    rows = factor.rows
    n = int(np.diff(rows.indptr)[needed].sum())
    if n > most:
        raise TooLargeError(factor.table, TOO_MANY)
    row, column, before = relation.row, relation.column, relation.probability
    found = {x: digit for x, digit in relation.found.items() if x in later}
    entry = rows.indptr[needed]
    if n > len(needed):  # every row has entries: some have several
        pick, entry = rows.take(needed)
        row, column, before = row[pick], column[pick], before[pick]
        found = {name: digit[pick] for name, digit in found.items()}
    value = rows.indices[entry]
    if factor.table.child.name in later:
        found[factor.table.child.name] = value
    column = column + value * np.int64(stride)
    return Relation(row, column, before * rows.data[entry], relation.given, found)
