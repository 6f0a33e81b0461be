"""Values and Bellman residuals at many beliefs at once.

Beliefs are the rows of a sparse matrix and need no normalisation, since the value function of alpha
vectors is positively homogeneous, V(c b) = c V(b). With y[a, o] = Z(o | ., a) (T[a]' b), a row for
each possible observation,

    (HV)(b) = max over a of  r[a] . b + g sum over o of V(y[a, o]),

so that all beliefs share one matrix product with the vectors of each block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from pomdptool.analysis.maxima import Maxima
from pomdptool.errors import PolicyError
from pomdptool.linked import LinkedVectors
from pomdptool.lookahead import FaceVectors, LookAhead
from pomdptool.model import Model
from pomdptool.policy import AlphaVectors, ValueFunction
from pomdptool.sparse import FloatArray, IntArray

CELLS = 1 << 21
"""Maximum cells of a dense array of beliefs by states, or by vectors."""

ENTRIES = 1 << 18
"""Approximate number of entries of the beliefs that are processed at a time."""

BELIEFS = 16
"""Beliefs that residuals are computed for together."""

SparseMatrix = Any
"""`scipy.sparse.csr_matrix`, which has no types."""

Tick = Callable[[int], None]
"""Called regularly with the multiplications done, about; may raise."""

ENTRY = 4000
"""Multiplications of dense matrices that take as long as an entry of a successor belief."""


Values = Callable[[SparseMatrix], FloatArray]
"""A value function of many beliefs: rows of a matrix, shape (n, S), to values, shape (n,)."""


def bellman_residuals(
    model: Model, values: ValueFunction, beliefs: FloatArray, tick: Tick = lambda _: None
) -> Iterator[FloatArray]:
    """Bellman residuals (HV)(b) - V(b) of a value function, for some beliefs after the other.

    Parameters
    ----------
    beliefs
        Shape (n, S).

    Raises
    ------
    PolicyError
        If the value function is not defined at a belief.
    """
    from scipy.sparse import csr_matrix

    V = values_of(model, values, tick)
    HV, rows = _Backup(model, V, tick), csr_matrix(beliefs)
    step = 1 if isinstance(values, LookAhead) else BELIEFS
    for first in range(0, len(beliefs), step):
        part = rows[first : first + step]
        yield HV(part) - V(part)


def values_of(model: Model, values: ValueFunction, tick: Tick = lambda _: None) -> Values:
    """The value function of many beliefs."""
    if isinstance(values, LookAhead):
        return _Backup(model, values_of(model, values.after, tick), tick)
    return _Maximum(values, model.n_states, tick)


class _Backup:
    """One Bellman backup of a value function."""

    def __init__(self, model: Model, after: Values, tick: Tick) -> None:
        from scipy.sparse import csr_matrix

        self.model, self.after, self.tick = model, after, tick
        T, S = model.sparse_T, model.n_states
        stacked = csr_matrix((T.data, T.indices, T.indptr), shape=(T.n_rows, S))
        self.T = [stacked[a * S : (a + 1) * S] for a in range(model.n_actions)]

    def __call__(self, rows: SparseMatrix) -> FloatArray:
        best: FloatArray = self.action_values(rows).max(axis=1)
        return best

    def action_values(self, rows: SparseMatrix) -> FloatArray:
        """Q of each row and action, shape (n, A)."""
        from scipy.sparse import vstack

        q: FloatArray = rows @ self.model.expected_rewards.T
        for part in _parts(rows, ENTRIES // max(1, self.model.n_observations)):
            found = [self._successors(rows[part], a) for a in range(self.model.n_actions)]
            owner = np.concatenate([len(q[part]) * a + row for a, (row, _) in enumerate(found)])
            after = vstack([after for _, after in found], format="csr")
            self.tick(ENTRY * after.nnz)
            expected = np.bincount(owner, self.after(after), q[part].size)
            q[part] += self.model.discount * expected.reshape(q[part].shape[::-1]).T
        return q

    def _successors(self, rows: SparseMatrix, a: int) -> tuple[IntArray, SparseMatrix]:
        """A row y[a, o] for each belief and possible observation, and the belief of each."""
        from scipy.sparse import csr_matrix

        S, n = self.model.n_states, rows.shape[0]
        arrived = (rows @ self.T[a]).tocoo()
        Z = self.model.sparse_Z
        entry, z_entry = Z.take(a * S + arrived.col.astype(np.int64))
        # Ordered by observation, since one observation often leaves few states.
        key = Z.indices[z_entry].astype(np.int64) * n + arrived.row[entry]
        joint = arrived.data[entry] * Z.data[z_entry]
        shape = (self.model.n_observations * n, S)
        after = csr_matrix((joint, (key, arrived.col[entry])), shape=shape)
        after.eliminate_zeros()  # of products that underflow
        possible = np.flatnonzero(np.diff(after.indptr))
        first = np.append(after.indptr[possible], after.indptr[-1])
        shape = (len(possible), S)
        return possible % n, csr_matrix((after.data, after.indices, first), shape=shape)


class _Maximum:
    """Maximum of alpha vectors, each over the states of a block or face."""

    def __init__(self, values: ValueFunction, n_states: int, tick: Tick) -> None:
        from scipy.sparse import csr_matrix

        self.pieces, self.floor, self.tick = _pieces(values, n_states), None, tick
        if isinstance(values, LinkedVectors):
            self.floor = values.floor
        states = np.concatenate([states for states, _ in self.pieces])
        sizes = [len(states) for states, _ in self.pieces]
        piece = np.repeat(np.arange(len(sizes)), sizes)
        shape = (n_states, len(sizes))
        self.contains = csr_matrix((np.ones(len(states)), (states, piece)), shape=shape)

    def __call__(self, rows: SparseMatrix) -> FloatArray:
        support = rows.copy()
        support.data = np.ones_like(support.data)
        inside = (support @ self.contains).tocsc()
        total = np.asarray(rows.sum(axis=1)).ravel()
        best = np.full(rows.shape[0], -np.inf)
        if self.floor is not None:
            overlapping = np.bincount(inside.indices, minlength=len(best))
            best[overlapping < len(self.pieces)] = 0.0
            best += self.floor * total
        size = np.diff(rows.indptr)
        for k, (states, maxima) in enumerate(self.pieces):
            entries = slice(int(inside.indptr[k]), int(inside.indptr[k + 1]))
            row, count = inside.indices[entries], inside.data[entries]
            if self.floor is None:
                row = row[count == size[row]]
            if len(row):
                found = self._within(rows[row], states, maxima, total[row])
                best[row] = np.maximum(best[row], found)
        if np.isneginf(best).any():
            raise PolicyError("no vector covers all states of a belief")
        return best

    def _within(
        self, rows: SparseMatrix, states: IntArray, maxima: Maxima, total: FloatArray
    ) -> FloatArray:
        """Maximum over the vectors of one piece."""
        place = np.full(rows.shape[1], -1)
        place[states] = np.arange(len(states))
        found = np.empty(rows.shape[0])
        step = max(1, CELLS // max(maxima.vectors.shape))
        for first in range(0, len(found), step):
            chunk = slice(first, first + step)
            part = rows[chunk]
            used = np.unique(part.indices)
            used = used[place[used] >= 0]
            b = part[:, used].toarray()
            self.tick(b.size * len(maxima.vectors))
            found[chunk] = maxima.at(b, place[used])
            if self.floor is not None:
                found[chunk] += self.floor * (total[chunk] - b.sum(axis=1))
        return found


def _pieces(values: ValueFunction, n_states: int) -> list[tuple[IntArray, Maxima]]:
    """States and vectors of each block or face."""
    if isinstance(values, LinkedVectors):
        blocks: list[list[FloatArray]] = [[] for _ in values.states]
        for k, vector in zip(values.block.tolist(), values.values, strict=True):
            blocks[k].append(vector)
        pairs = zip(values.states, blocks, strict=True)
        return [(states, Maxima(np.array(vectors))) for states, vectors in pairs if vectors]
    if isinstance(values, AlphaVectors):
        return [(np.arange(n_states), Maxima(values.values))]
    if isinstance(values, FaceVectors) and not values.after_step:
        return [(states, Maxima(vectors.values)) for vectors, states in values.faces]
    raise PolicyError("these vectors give values after a step: the model is needed too")


def _parts(rows: SparseMatrix, entries: int) -> Iterator[slice]:
    """Slices of rows with about this many entries each."""
    first, n = 0, rows.shape[0]
    while first < n:
        last = int(np.searchsorted(rows.indptr, rows.indptr[first] + entries, "right")) - 1
        last = min(max(last, first + 1), n)
        yield slice(first, last)
        first = last
