"""One step of the exact belief update, on the sparse tables of a model.

After action a and observation o the belief b becomes
b'[s'] = Z[a, s', o] * sum over s of b[s] T[a, s, s'] / P(o | b, a).
"""

from __future__ import annotations

import numpy as np

from pomdptool.sparse import BoolArray, FloatArray, IntArray, SparseRows


def arrivals(
    T: SparseRows, Z: SparseRows, b: FloatArray, a: int
) -> tuple[IntArray, IntArray, FloatArray]:
    """Next states and observations after an action, and their joint probabilities."""
    S = T.n_columns
    rows = slice(int(T.indptr[a * S]), int(T.indptr[(a + 1) * S]))
    weight = np.repeat(b, np.diff(T.indptr[a * S : (a + 1) * S + 1])) * T.data[rows]
    arrived = np.bincount(T.indices[rows], weights=weight, minlength=S)
    rows = slice(int(Z.indptr[a * S]), int(Z.indptr[(a + 1) * S]))
    state = np.repeat(np.arange(S), np.diff(Z.indptr[a * S : (a + 1) * S + 1]))
    return state, Z.indices[rows].astype(np.int64), arrived[state] * Z.data[rows]


def posterior(
    n_states: int, state: IntArray, chance: FloatArray, observed: BoolArray
) -> tuple[FloatArray, float]:
    """Belief over the next states given that `observed` holds, and the probability of that."""
    joint = np.zeros(n_states)
    joint[state[observed]] = chance[observed]
    probability = float(joint.sum())
    return (joint / probability if probability > 0 else joint), probability
