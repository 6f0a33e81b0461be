"""Steps (a, s, s', o) of positive probability, listed from the sparse tables of a model.

A step is a pair of an entry of T, for (a, s, s'), and an entry of row (a, s') of Z, for o. A
listing stores the indices of the entries.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pomdptool.errors import ModelError
from pomdptool.sparse import FloatArray, IntArray, SparseRows

MAX_STEPS = 1 << 26
"""Maximum number of steps of a listing."""


@dataclass(frozen=True, eq=False, slots=True)
class Steps:
    """A listing of n steps.

    Attributes
    ----------
    T, Z
        The tables, with rows a * S + s and a * S + s'.
    t_entry, z_entry
        Shape (n,): entry of T and entry of Z of each step.
    """

    T: SparseRows
    Z: SparseRows
    t_entry: IntArray
    z_entry: IntArray

    def __len__(self) -> int:
        return len(self.t_entry)

    def __getitem__(self, index: IntArray) -> Steps:
        """Select some of the steps."""
        return Steps(self.T, self.Z, self.t_entry[index], self.z_entry[index])

    @property
    def row(self) -> IntArray:
        """Row a * S + s of T, shape (n,)."""
        return self.T.row_of_entry()[self.t_entry]

    @property
    def next_state(self) -> IntArray:
        """Next state s', shape (n,)."""
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
    """Row a * S + s' of Z for each entry of T, shape (T.nonzeros,)."""
    return T.row_of_entry() // T.n_columns * T.n_columns + T.indices


def steps_of(T: SparseRows, Z: SparseRows, *, by_observation: bool = True) -> Steps:
    """All steps of positive probability, in the order of T's entries, then of Z's.

    Without `by_observation` there is one step for each entry of T, with observation 0.

    Raises
    ------
    ModelError
        If there are more than `MAX_STEPS`; without `by_observation` there is no limit.
    """
    rows = arrival_rows(T)
    if not by_observation:
        first = np.arange(Z.n_rows + 1)
        certain = SparseRows(1, first, np.zeros(Z.n_rows, np.int32), np.ones(Z.n_rows))
        return Steps(T, certain, np.arange(T.nonzeros), rows)
    n = int(np.diff(Z.indptr)[rows].sum())
    if n > MAX_STEPS:
        raise ModelError(f"the model has {n} possible steps (a, s, s', o), more than {MAX_STEPS}")
    return Steps(T, Z, *Z.take(rows))


def steps_from(T: SparseRows, Z: SparseRows, rows: IntArray) -> tuple[IntArray, Steps]:
    """The n steps from some rows a * S + s, which may repeat.

    Returns
    -------
    place, steps
        Index into `rows` of each step, shape (n,), ascending; and the steps.
    """
    place, t_entry = T.take(rows)
    arrived = rows[place] // T.n_columns * T.n_columns + T.indices[t_entry]
    step, z_entry = Z.take(arrived)
    return place[step], Steps(T, Z, t_entry[step], z_entry)
