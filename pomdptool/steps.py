"""Steps (a, s, s', o) of positive probability, listed from the sparse tables of a model.

A step pairs an entry of T, which gives a, s and s', with an entry of the row of Z that it leads to,
which gives o. A listing holds the numbers of these entries; everything else is looked up from them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pomdptool.errors import ModelError
from pomdptool.sparse import FloatArray, IntArray, SparseRows

MAX_STEPS = 1 << 26
"""Most steps of a model that are listed at once."""


@dataclass(frozen=True, eq=False, slots=True)
class Steps:
    """A listing of n steps.

    Attributes
    ----------
    T, Z
        The tables: rows a * S + s and a * S + s'.
    t_entry, z_entry
        Shape (n,): the entry of T and the entry of Z that each step consists of.
    """

    T: SparseRows
    Z: SparseRows
    t_entry: IntArray
    z_entry: IntArray

    def __len__(self) -> int:
        return len(self.t_entry)

    def __getitem__(self, which: IntArray) -> Steps:
        """Some of the steps."""
        return Steps(self.T, self.Z, self.t_entry[which], self.z_entry[which])

    @property
    def row(self) -> IntArray:
        """Row a * S + s of T, shape (n,)."""
        return self.T.row_of_entry()[self.t_entry]

    @property
    def next_state(self) -> IntArray:
        """State s' arrived in, shape (n,)."""
        return self.T.indices[self.t_entry].astype(np.int64)

    @property
    def observation(self) -> IntArray:
        """Observation o, shape (n,)."""
        return self.Z.indices[self.z_entry].astype(np.int64)

    @property
    def indices(self) -> tuple[IntArray, IntArray, IntArray, IntArray]:
        """Action, state, next state and observation, shape (n,) each."""
        action, state = np.divmod(self.row, self.T.n_columns)
        return action, state, self.next_state, self.observation

    @property
    def probability(self) -> FloatArray:
        """T[a, s, s'] Z[a, s', o], shape (n,)."""
        product: FloatArray = self.T.data[self.t_entry] * self.Z.data[self.z_entry]
        return product


def arrival_rows(T: SparseRows) -> IntArray:
    """Row a * S + s' of Z that each entry of T leads to; shape (T.nonzeros,)."""
    return T.row_of_entry() // T.n_columns * T.n_columns + T.indices


def steps_of(T: SparseRows, Z: SparseRows, *, by_observation: bool = True) -> Steps:
    """Every step of positive probability, in the order of T's entries and then of Z's.

    Without `by_observation` there is one step for each entry of T, its observation 0.

    Raises
    ------
    ModelError
        Where there are more than `MAX_STEPS`; without `by_observation` there is no limit.
    """
    rows = arrival_rows(T)
    if not by_observation:
        first = np.arange(Z.n_rows + 1)
        certain = SparseRows(1, first, np.zeros(Z.n_rows, np.int32), np.ones(Z.n_rows))
        return Steps(T, certain, np.arange(T.nonzeros), rows)
    n = int(np.diff(Z.indptr)[rows].sum())
    if n > MAX_STEPS:
        raise ModelError(f"{n} steps (a, s, s', o) can happen; at most {MAX_STEPS} are listed")
    return Steps(T, Z, *Z.take(rows))


def steps_from(T: SparseRows, Z: SparseRows, rows: IntArray) -> tuple[IntArray, Steps]:
    """Steps from some rows a * S + s, which may repeat.

    Returns
    -------
    place, steps
        Place of each step's row in `rows`, shape (n,), ascending; and the n steps.
    """
    place, t_entry = T.take(rows)
    arrived = rows[place] // T.n_columns * T.n_columns + T.indices[t_entry]
    step, z_entry = Z.take(arrived)
    return place[step], Steps(T, Z, t_entry[step], z_entry)
