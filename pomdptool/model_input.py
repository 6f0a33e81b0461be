"""Checks of the tables and names that `make_model` gets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pomdptool.errors import ModelError
from pomdptool.printable import first_surrogate
from pomdptool.sparse import SparseRows, from_dense, from_entries, numbers

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def transition_rows(T: ArrayLike | SparseRows) -> SparseRows:
    """T as sparse rows a * S + s; raises ModelError."""
    if isinstance(T, SparseRows):
        if T.n_columns == 0 or T.n_rows == 0 or T.n_rows % T.n_columns:
            raise ModelError(f"T must have shape (A, S, S), not {T.n_rows} rows of {T.n_columns}")
        return T
    array = numbers(T, "T")
    if array.ndim != 3 or array.shape[1] != array.shape[2] or not array.size:
        raise ModelError(f"T must have shape (A, S, S), not {array.shape}")
    return from_dense(array)


def observation_rows(Z: ArrayLike | SparseRows | None, A: int, S: int) -> SparseRows:
    """Z as sparse rows a * S + s', the identity for None; raises ModelError."""
    if isinstance(Z, SparseRows):
        if Z.n_rows != A * S:
            raise ModelError(f"Z has {Z.n_rows} rows, but {A} actions x {S} states = {A * S}")
        return Z
    if Z is None:
        state = np.tile(np.arange(S), A)
        return from_entries(A * S, S, np.arange(A * S), state, np.ones(A * S))
    array = numbers(Z, "Z")
    if array.ndim == 2:
        array = np.broadcast_to(array, (A, *array.shape))
    if array.ndim != 3 or array.shape[:2] != (A, S) or not array.size:
        shape = np.shape(Z)
        raise ModelError(f"Z must have shape ({A}, {S}, Z) or ({S}, Z), not {shape}")
    return from_dense(array)


def names_of(names: Sequence[str] | int | None, n: int, kind: str) -> tuple[str, ...]:
    """N distinct names of a kind, by default "0", "1", ...; raises ModelError."""
    if isinstance(names, int) and names != n:
        raise ModelError(f"the tables have {n} {kind}s, not {names}")
    if names is None or isinstance(names, int):
        return tuple(map(str, range(n)))
    names = tuple(names)
    if not all(isinstance(name, str) for name in names):
        raise ModelError(f"{kind} names must be text")
    if first_surrogate("".join(names)) is not None:
        wrong = next(name for name in names if first_surrogate(name) is not None)
        raise ModelError(f"the {kind} name {wrong!r} is not text: it contains a lone surrogate")
    if len(names) != n:
        raise ModelError(f"{len(names)} {kind} names for {n} {kind}s")
    if len(set(names)) < n:
        twice, _ = Counter(names).most_common(1)[0]
        raise ModelError(f"the {kind} name {twice!r} occurs twice")
    return names
