"""Pointwise dominance between vectors: one pass, each vector against those selected before it."""

from __future__ import annotations

from pomdptool.kernels.jit import kernel


@kernel
def undominated(vectors, slack, kept):
    """Select the vectors, sorted by descending sum, that no earlier selected one dominates.

    A vector dominates another if it is nowhere smaller by more than `slack`. Returns the number of
    vectors selected; their indices fill the front of `kept`.
    """
    n_kept = 0
    for i in range(vectors.shape[0]):
        dominated = False
        for q in range(n_kept):
            k = kept[q]
            dominated = True
            for s in range(vectors.shape[1]):
                if vectors[k, s] < vectors[i, s] - slack:
                    dominated = False
                    break
            if dominated:
                break
        if not dominated:
            kept[n_kept] = i
            n_kept += 1
    return n_kept
