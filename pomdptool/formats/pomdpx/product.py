"""Sparse products of conditional probability tables.

A `Relation` lists assignments of variables with positive probability for every row of the product;
joining a factor extends them by its child. Large tables are built in blocks of rows.
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
"""Maximal number of rows and of assignments of a block."""


@dataclass(frozen=True, slots=True)
class Relation:
    """Assignments of variables, each with a probability.

    Attributes
    ----------
    row
        Row of each assignment, ascending.
    column
        Flat index of each assignment over the columns, summed over the variables so far.
    fixed
        Value indices of the variables that the rows fix, by row.
    joined
        Value indices of joined children that further factors depend on, by assignment.
    """

    row: IntArray
    column: IntArray
    probability: FloatArray
    fixed: dict[str, Digits]
    joined: dict[str, Digits] = field(default_factory=dict)

    def digit(self, variable: Variable) -> Digits:
        """Index of the variable's value in each assignment."""
        if variable.name in self.joined:
            return self.joined[variable.name]
        return self.fixed[variable.name][self.row]


class RowSumError(ModelError):
    """A row that the product uses does not sum to 1."""

    def __init__(self, factor: Factor, rows: IntArray) -> None:
        self.at = factor.table.at
        digits = factor.parents.digits(rows[:1])
        values = ", ".join(
            f"{parent.name} {parent.values[digits[parent.name][0]]!r}"
            for parent in factor.parents.variables
        )
        more = " (and other rows too)" if len(rows) > 1 else ""
        super().__init__(
            f"{factor.table.child.name}: the probabilities{' given ' * bool(values)}{values} "
            f"sum to {factor.sums[rows[0]]:.7g}, not 1{more}"
        )


def product_rows(
    factors: Sequence[Factor],
    fixed: dict[str, Digits],
    n: int,
    columns: ProductSpace,
    max_entries: int,
) -> list[SparseRows]:
    """Product of the factors: n rows over the combinations of `columns`, in blocks of rows.

    `fixed` has the values of the variables that each row fixes; the columns are those of them and
    the factors' children. A block with too many assignments is halved. Raises RowSumError for a row
    in use that does not sum to 1, TooLargeError for more than `max_entries` entries.
    """
    least = n * math.prod(int(np.diff(factor.rows.indptr).min()) for factor in factors)
    if least > max_entries:
        raise TooLargeError(factors[0].table, TOO_MANY)
    blocks: list[SparseRows] = []
    entries = 0
    ranges = [(k, min(k + BLOCK_ROWS, n)) for k in reversed(range(0, n, BLOCK_ROWS))]
    while ranges:
        first, last = ranges.pop()
        block = {name: digit[first:last] for name, digit in fixed.items()}
        limit = BLOCK_ENTRIES if last - first > 1 else max_entries
        try:
            relation = _product(factors, block, last - first, columns, limit)
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
    factors: Sequence[Factor], fixed: dict[str, Digits], n: int, columns: ProductSpace, limit: int
) -> Relation:
    """Join all factors; TooLargeError for more than `limit` assignments."""
    stride, strides = 1, {}
    column = np.zeros(n, dtype=np.int64)
    for variable in reversed(columns.variables):
        strides[variable.name] = stride
        if variable.name in fixed:
            column += fixed[variable.name] * np.int64(stride)
        stride *= variable.n
    relation = Relation(np.arange(n), column, np.ones(n), fixed)
    for k, factor in enumerate(factors):
        later = {parent.name for other in factors[k + 1 :] for parent in other.parents.variables}
        relation = _join(relation, factor, strides[factor.table.child.name], later, limit)
    return relation


def _join(relation: Relation, factor: Factor, stride: int, later: set[str], limit: int) -> Relation:
    """Extend every assignment by each value of the factor's child with positive probability.

    `stride` is that of the child in the column index; `later` are the variables that further
    factors depend on.
    """
    digits = [relation.digit(parent) for parent in factor.parents.variables]
    needed = np.broadcast_to(factor.parents.index(digits), relation.row.shape)
    if len(factor.off):
        wrong = np.intersect1d(factor.off, needed)
        if len(wrong):
            raise RowSumError(factor, wrong)
    rows = factor.rows
    n = int(np.diff(rows.indptr)[needed].sum())
    if n > limit:
        raise TooLargeError(factor.table, TOO_MANY)
    row, column, before = relation.row, relation.column, relation.probability
    joined = {x: digit for x, digit in relation.joined.items() if x in later}
    entry = rows.indptr[needed]
    if n > len(needed):  # every row has entries: some have several
        pick, entry = rows.take(needed)
        row, column, before = row[pick], column[pick], before[pick]
        joined = {name: digit[pick] for name, digit in joined.items()}
    value = rows.indices[entry]
    if factor.table.child.name in later:
        joined[factor.table.child.name] = value
    column = column + value * np.int64(stride)
    return Relation(row, column, before * rows.data[entry], relation.fixed, joined)
