"""Slow, obvious oracles: plain loops over dense arrays, with nothing shared with the package."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Assignment:
    """A T, O or R statement: an index per named axis (None is `*`), and numbers or a keyword.

    `values` are the numbers over the axes that are left open, the last one fastest; for a keyword
    there are none.
    """

    table: str
    refs: tuple[int | None, ...]
    values: tuple[float, ...] = ()
    keyword: str = ""


@dataclass(frozen=True)
class Sizes:
    """How many states, actions and observations; no observations is an MDP."""

    states: int
    actions: int
    observations: int

    def shape(self, table: str) -> tuple[int, ...]:
        S, A, Z = self.states, self.actions, self.observations
        if table == "T":
            return (A, S, S)
        if table == "O":
            return (A, S, Z)
        return (A, S, S, Z) if Z else (A, S, S)

    @property
    def tables(self) -> str:
        return "TOR" if self.observations else "TR"


def tables(
    sizes: Sizes, start: Sequence[float], statements: Iterable[Assignment]
) -> dict[str, Array]:
    """T, O and R as dense arrays, by applying each statement in order."""
    dense = {table: np.zeros(sizes.shape(table)) for table in sizes.tables}
    for statement in statements:
        assign(dense[statement.table], statement, start)
    return dense


def assign(table: Array, statement: Assignment, start: Sequence[float]) -> None:
    n_named = len(statement.refs)
    named = [
        range(n) if ref is None else [ref]
        for ref, n in zip(statement.refs, table.shape, strict=False)
    ]
    open_axes = [range(n) for n in table.shape[n_named:]]
    for where in itertools.product(*named):
        for k, rest in enumerate(itertools.product(*open_axes)):
            cell = where + rest
            if statement.keyword == "uniform":
                table[cell] = 1.0 / table.shape[-1]
            elif statement.keyword == "identity":
                table[cell] = float(cell[-1] == cell[-2])
            elif statement.keyword == "reset":
                table[cell] = start[cell[-1]]
            else:
                table[cell] = statement.values[k]


def steps(T: Array, Z: Array) -> list[tuple[int, int, int, int]]:
    """Every possible (a, s, s', o)."""
    A, S, _ = T.shape
    return [
        (a, s, s2, o)
        for a in range(A)
        for s in range(S)
        for s2 in range(S)
        for o in range(Z.shape[-1])
        if T[a, s, s2] > 0 and Z[a, s2, o] > 0
    ]


def expected_rewards(T: Array, Z: Array, R: Array) -> Array:
    """Compute r[a, s] = sum over s', o of T Z R; R may have length 1 along an axis."""
    A, S, _ = T.shape
    full = np.broadcast_to(R, (A, S, S, Z.shape[-1]))
    expected = np.zeros((A, S))
    for a, s in itertools.product(range(A), range(S)):
        expected[a, s] = math.fsum(
            T[a, s, s2] * Z[a, s2, o] * full[a, s, s2, o]
            for s2 in range(S)
            for o in range(Z.shape[-1])
        )
    return expected


def terminal_states(T: Array, Z: Array, R: Array) -> list[int]:
    """Absorbing states without rewards."""
    A, S, _ = T.shape
    full = np.broadcast_to(R, (A, S, S, Z.shape[-1]))
    return [
        s
        for s in range(S)
        if all(T[a, s, s2] == (s2 == s) for a in range(A) for s2 in range(S))
        and all(
            full[a, s, s, o] == 0 for a in range(A) for o in range(Z.shape[-1]) if Z[a, s, o] > 0
        )
    ]
