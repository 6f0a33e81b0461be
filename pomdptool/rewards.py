"""Rewards R(a, s, s', o), kept exactly and never larger than they must be.

Two forms. A *table* has the four axes (a, s, s', o), of length 1 along every axis that R does not
depend on. Where such a table would be too large (a big model whose rewards depend on s'), R is
kept on its *support*: one value per entry of the sparse T, or per pair of a T entry and a Z entry
when the observation matters too. Elsewhere a reward can never be received.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pomdptool.errors import ModelError
from pomdptool.sparse import FloatArray, IntArray, SparseRows, check_dense_size, read_only

TABLE_LIMIT = 1 << 24
"""Largest number of values in a reward table; beyond it rewards live on the support."""


SUPPORT_LIMIT = 1 << 26
"""Largest number of steps that is listed."""


@dataclass(frozen=True, eq=False, slots=True)
class Support:
    """The steps (a, s, s', o) that can happen, one element each, in the order of T's entries.

    Attributes
    ----------
    t_entry, z_entry
        Shape (n_steps,): the entry of the sparse T (it gives a, s, s') and of the sparse Z (it
        gives o).
    """

    t_entry: IntArray
    z_entry: IntArray


def support_of(T: SparseRows, Z: SparseRows) -> Support:
    """Pair every entry of T with every entry of the Z row that it leads to."""
    n_states = T.n_columns
    action = T.row_of_entry() // n_states
    z_row = action * n_states + T.indices
    count = np.diff(Z.indptr)[z_row]
    if count.sum() > SUPPORT_LIMIT:
        raise ModelError(
            f"{int(count.sum())} steps (a, s, s', o) can happen; at most {SUPPORT_LIMIT} are listed"
        )
    t_entry = np.repeat(np.arange(T.nonzeros), count)
    first = np.repeat(Z.indptr[z_row] - (np.cumsum(count) - count), count)
    return Support(t_entry, first + np.arange(len(t_entry)))


@dataclass(frozen=True, eq=False, slots=True)
class Rewards:
    """R as a table, or on the support of T and Z (exactly one of the two is set).

    Attributes
    ----------
    table
        Shape (A or 1, S or 1, S or 1, Z or 1).
    values
        Shape (T.nonzeros,), or with `by_observation` one value per element of `support_of(T, Z)`.
    """

    table: FloatArray | None = None
    values: FloatArray | None = None
    by_observation: bool = False

    @property
    def stored(self) -> FloatArray:
        """Every value held, in whichever form."""
        if self.table is not None:
            return self.table
        assert self.values is not None
        return self.values

    @property
    def depends_on_next(self) -> bool:
        """Whether R depends on the state arrived in."""
        return self.table is None or self.table.shape[2] > 1

    @property
    def depends_on_observation(self) -> bool:
        """Whether R depends on the observation."""
        return self.by_observation if self.table is None else self.table.shape[3] > 1

    def expected(self, T: SparseRows, Z: SparseRows, n_actions: int) -> FloatArray:
        """Expected reward r[a, s] = sum over s', o of T Z R; shape (A, S)."""
        n_states = T.n_columns
        if not (self.depends_on_next or self.depends_on_observation):
            assert self.table is not None
            return np.array(np.broadcast_to(self.table[:, :, 0, 0], (n_actions, n_states)))
        if self.depends_on_observation:
            support = support_of(T, Z)
            value = self.on_steps(T, Z, support) * Z.data[support.z_entry]
            per_entry = np.zeros(T.nonzeros)
            np.add.at(per_entry, support.t_entry, value)
        else:
            per_entry = self.on_transitions(T)
        return T.sum_rows(T.data * per_entry).reshape(n_actions, n_states)

    def on_transitions(self, T: SparseRows) -> FloatArray:
        """Return R at every entry of T, where R does not depend on the observation."""
        if self.table is None:
            assert self.values is not None
            return self.values
        a, s = np.divmod(T.row_of_entry(), T.n_columns)
        return _pick(self.table[..., 0], a, s, T.indices)

    def on_steps(self, T: SparseRows, Z: SparseRows, support: Support) -> FloatArray:
        """Return R at every step that can happen; shape (n_steps,)."""
        if not self.depends_on_observation:
            return self.on_transitions(T)[support.t_entry]
        if self.table is None:
            assert self.values is not None
            return self.values
        a, s = np.divmod(T.row_of_entry()[support.t_entry], T.n_columns)
        return _pick(self.table, a, s, T.indices[support.t_entry], Z.indices[support.z_entry])

    def dense(self, T: SparseRows, Z: SparseRows, n_actions: int) -> FloatArray:
        """Return R as an array with axes (a, s, s', o), of length 1 where R does not depend on one.

        Raises
        ------
        ModelError
            If it would take more than the limit for dense views.
        """
        if self.table is not None:
            return self.table
        assert self.values is not None
        n_observations = Z.n_columns if self.by_observation else 1
        shape = (n_actions, T.n_columns, T.n_columns, n_observations)
        check_dense_size(shape, "R")
        table = np.zeros(shape)
        support = support_of(T, Z)
        t_entry = support.t_entry if self.by_observation else np.arange(T.nonzeros)
        a, s = np.divmod(T.row_of_entry()[t_entry], T.n_columns)
        o = Z.indices[support.z_entry] if self.by_observation else 0
        table[a, s, T.indices[t_entry], o] = self.values
        return read_only(table)

    def equals(self, other: Rewards) -> bool:
        """Whether both hold the same values in the same form, to the last bit."""
        return (
            (self.table is None) == (other.table is None)
            and self.by_observation == other.by_observation
            and self.stored.shape == other.stored.shape
            and np.array_equal(self.stored, other.stored)
        )


def _pick(table: FloatArray, *indices: IntArray | np.ndarray) -> FloatArray:
    """Fancy indexing that ignores the index along axes of length 1."""
    where = tuple(
        i if n > 1 else np.zeros_like(i) for i, n in zip(indices, table.shape, strict=True)
    )
    picked: FloatArray = table[where]
    return picked


def reward_table(table: FloatArray) -> Rewards:
    """Make Rewards of an array with four axes; axes along which it is constant shrink to 1.

    Raises
    ------
    ModelError
        If a value is not finite.
    """
    if not np.isfinite(table).all():
        a, s, s2, o = np.argwhere(~np.isfinite(table))[0]
        raise ModelError(f"R[{a}, {s}, {s2}, {o}] is {table[a, s, s2, o]}, not a finite number")
    for axis in range(4):
        first = table[(slice(None),) * axis + (slice(0, 1),)]
        if table.shape[axis] > 1 and bool((table == first).all()):
            table = first
    # Adding 0.0 turns -0.0, which negated costs are full of, into 0.0.
    return Rewards(table=read_only(np.ascontiguousarray(table + 0.0)))


def reward_on_support(values: FloatArray, by_observation: bool) -> Rewards:
    """Make Rewards of one value per T entry, or per element of the support.

    A constant becomes a table of one value, so that equal rewards have one form.
    """
    if len(values) and bool((values == values[0]).all()):
        return reward_table(values[:1].reshape(1, 1, 1, 1))
    return Rewards(values=read_only(values + 0.0), by_observation=by_observation)


NO_REWARDS = reward_table(np.zeros((1, 1, 1, 1)))
"""R of a model without rewards: 0 everywhere."""
