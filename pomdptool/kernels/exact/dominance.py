"""Pointwise dominance between vectors."""

from __future__ import annotations

from pomdptool.kernels.jit import kernel


@kernel
def undominated(vectors, slack, kept):
    """Mark the vectors, sorted by descending sum, that no marked one before exceeds everywhere.

    One may be smaller by `slack` and still count as exceeding. Returns how many are kept; their
    indices fill the front of `kept`.
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
