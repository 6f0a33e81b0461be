"""Maximum of many inner products: single precision finds the candidates, double precision decides.

With u = 2^-24, an inner product of k terms |v_i b_i|, of sum at most w, is computed in single
precision with an error of at most about (k + 3) u w (Higham 2002, section 3.1). A vector that is
lower than the largest by twice that cannot be maximal; the few others are compared in double
precision, so that the result is the same as without single precision.
"""

from __future__ import annotations

import numpy as np

from pomdptool.sparse import FloatArray, IntArray

UNIT = 2.0**-24
"""Unit roundoff of single precision."""

FEW = 64
"""Number of vectors up to which single precision does not pay."""

CANDIDATES = 0.02
"""Fraction of candidates above which the maximum is computed in double precision."""


class Maxima:
    """The maximum over n vectors of their inner products with beliefs."""

    def __init__(self, vectors: FloatArray) -> None:
        self.vectors = vectors
        self.columns = np.ascontiguousarray(vectors.T)
        self.scale = float(np.abs(vectors).max())
        self.single = None
        if len(vectors) > FEW and self.scale > 0.0:
            self.single = (self.columns / self.scale).astype(np.float32)

    def at(self, beliefs: FloatArray, states: IntArray) -> FloatArray:
        """The maximum at each belief, shape (m,).

        Parameters
        ----------
        beliefs
            Shape (m, k), over some of the states; at least 0, of any sum.
        states
            Shape (k,): columns of the vectors.
        """
        whole = len(states) == len(self.columns)
        if self.single is not None:
            found = self._by_candidates(beliefs, states, whole=whole)
            if found is not None:
                return found
        columns = self.columns if whole else self.columns[states]
        best: FloatArray = (beliefs @ columns).max(axis=1)
        return best

    def _by_candidates(
        self, beliefs: FloatArray, states: IntArray, *, whole: bool
    ) -> FloatArray | None:
        """The maximum, with single precision; None if that leaves too many candidates."""
        assert self.single is not None
        total = beliefs.sum(axis=1, keepdims=True)
        normalised = np.divide(beliefs, total, out=np.zeros_like(beliefs), where=total > 0.0)
        products = normalised.astype(np.float32) @ (self.single if whole else self.single[states])
        error = 2.0 * (len(states) + 3) * UNIT  # twice the bound, which leaves room for its u^2
        least = products.max(axis=1, keepdims=True) - np.float32(2.0 * error)
        candidates = np.flatnonzero(products >= least)
        if len(candidates) > CANDIDATES * products.size:
            return None
        belief, vector = np.divmod(candidates, len(self.vectors))
        chosen = self.vectors[vector] if whole else self.vectors[vector[:, np.newaxis], states]
        exact = np.einsum("ij,ij->i", chosen, beliefs[belief])
        best: FloatArray = np.maximum.reduceat(exact, np.searchsorted(belief, range(len(beliefs))))
        return best
