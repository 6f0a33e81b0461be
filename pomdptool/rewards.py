"""Rewards R(a, s, s', o), in one of two compact forms.

A *table* has the axes (a, s, s', o), of length 1 along every axis that R does not depend on. If it
would be too large (a big model whose rewards depend on s'), R is stored on its *support*: one value
per entry of the sparse T, or per pair of a T and a Z entry if R depends on the observation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pomdptool.errors import ModelError
from pomdptool.readable import Readable
from pomdptool.sparse import FloatArray, IntArray, SparseRows, check_dense_size, numbers, read_only
from pomdptool.steps import Steps, steps_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

TABLE_LIMIT = 1 << 24
"""Largest number of values in a reward table; beyond it rewards are stored on the support."""


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Rewards(Readable):
    """R as a table, or on the support of T and Z (exactly one of the two is set).

    Attributes
    ----------
    table
        Shape (A or 1, S or 1, S or 1, Z or 1).
    values
        Shape (n,): one value for each of the n steps of `steps`.
    """

    table: FloatArray | None = None
    values: FloatArray | None = None
    by_observation: bool = False

    @property
    def stored(self) -> FloatArray:
        """All values, in either form."""
        if self.table is not None:
            return self.table
        assert self.values is not None
        return self.values

    @property
    def depends_on_next(self) -> bool:
        """Whether R depends on the next state."""
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
            steps = steps_of(T, Z)
            value = self.on_steps(steps) * Z.data[steps.z_entry]
            per_entry = np.bincount(steps.t_entry, value, T.nonzeros).astype(np.float64, copy=False)
        else:
            per_entry = self.on_transitions(T)
        return T.sum_rows(T.data * per_entry).reshape(n_actions, n_states)

    def on_transitions(self, T: SparseRows) -> FloatArray:
        """R at every entry of T, if it does not depend on the observation."""
        if self.table is None:
            assert self.values is not None
            return self.values
        a, s = np.divmod(T.row_of_entry(), T.n_columns)
        return _pick(self.table[..., 0], a, s, T.indices)

    def on_steps(self, steps: Steps) -> FloatArray:
        """R at each of n steps of a model, shape (n,)."""
        if not self.depends_on_observation:
            return self.on_transitions(steps.T)[steps.t_entry]
        if self.table is None:
            assert self.values is not None
            return self.values
        return _pick(self.table, *steps.indices)

    def steps(self, T: SparseRows, Z: SparseRows) -> Steps:
        """The steps of the elements of `values`."""
        return steps_of(T, Z, by_observation=self.by_observation)

    def dense(self, T: SparseRows, Z: SparseRows, n_actions: int) -> FloatArray:
        """R with axes (a, s, s', o), of length 1 along axes that it does not depend on.

        Raises
        ------
        ModelError
            If it exceeds `DENSE_LIMIT`.
        """
        if self.table is not None:
            return self.table
        assert self.values is not None
        n_observations = Z.n_columns if self.by_observation else 1
        shape = (n_actions, T.n_columns, T.n_columns, n_observations)
        check_dense_size(shape, "R")
        table = np.zeros(shape)
        table[self.steps(T, Z).indices] = self.values
        return read_only(table)

    def equals(self, other: Rewards) -> bool:
        """Whether both have the same form and bitwise equal values."""
        return (
            (self.table is None) == (other.table is None)
            and self.by_observation == other.by_observation
            and self.stored.shape == other.stored.shape
            and np.array_equal(self.stored, other.stored)
        )


def _pick(table: FloatArray, *indices: IntArray | np.ndarray) -> FloatArray:
    """Index a table, ignoring the indices along axes of length 1."""
    where = tuple(
        i if n > 1 else np.zeros_like(i) for i, n in zip(indices, table.shape, strict=True)
    )
    picked: FloatArray = table[where]
    return picked


def four_axes(R: ArrayLike, A: int, S: int, Z: int) -> FloatArray:
    """Check the shape of rewards and append missing axes of (a, s, s', o); raises ModelError."""
    array = numbers(R, "R")
    same = tuple(slice(0, 1) if stride == 0 else slice(None) for stride in array.strides)
    array = array[same]  # of a view such as Model.R the part that is stored
    if array.ndim > 4:
        raise ModelError(f"R has {array.ndim} axes, more than (a, s, s', o)")
    array = array.reshape(array.shape + (1,) * (4 - array.ndim))
    full = (A, S, S, Z)
    if any(array.shape[axis] not in (1, full[axis]) for axis in range(4)):
        raise ModelError(f"R of shape {array.shape} does not fit {full}")
    if array.size > TABLE_LIMIT:
        raise ModelError(f"an R table of {array.size} values is too large; use its support instead")
    return array


def by_state_only(table: FloatArray) -> FloatArray:
    """R of an MDP, whose observation is the next state, without the observation axis."""
    if table.shape[3] == 1:
        return table
    same = np.arange(table.shape[3])
    next_state = same if table.shape[2] > 1 else np.zeros_like(same)
    return table[:, :, next_state, same][..., np.newaxis]


def reward_table(table: FloatArray) -> Rewards:
    """Make Rewards of an array with four axes; constant axes are reduced to length 1.

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
    # Adding 0.0 turns the -0.0 of negated costs into 0.0.
    return Rewards(table=read_only(np.ascontiguousarray(table + 0.0)))


def reward_on_support(values: FloatArray, by_observation: bool) -> Rewards:
    """Make Rewards of one value for each of a model's steps (see `Rewards.steps`).

    A constant becomes a table of one value, so that the form of equal rewards is unique.
    """
    if len(values) and bool((values == values[0]).all()):
        return reward_table(values[:1].reshape(1, 1, 1, 1))
    return Rewards(values=read_only(values + 0.0), by_observation=by_observation)


NO_REWARDS = reward_table(np.zeros((1, 1, 1, 1)))
"""R = 0."""
