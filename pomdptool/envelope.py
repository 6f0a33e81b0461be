"""The upper envelope of lines: the value function of vectors over two states.

With b = (1 - x, x) a vector v is the line v[0] + (v[1] - v[0]) x for x in [0, 1] (Smallwood and
Sondik 1973). Lines are added by ascending slope; each removes those that it exceeds from the start
of their interval on.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pomdptool.sparse import FloatArray

BLOCK = 2000
"""Lines between calls of `check`."""


def upper_envelope(
    lines: FloatArray, check: Callable[[], None] | None = None
) -> list[tuple[int, float, float]]:
    """Lines that are maximal somewhere on [0, 1], from left to right.

    Parameters
    ----------
    lines
        Shape (n, 2): values of each line at 0 and at 1. Of equal lines the first is kept.
    check
        Called regularly; may raise.

    Returns
    -------
    Index of each line, and the interval on which it is maximal.
    """
    slope = lines[:, 1] - lines[:, 0]
    kept: list[int] = []
    begins: list[float] = []
    order = np.lexsort((np.arange(len(slope)), -lines[:, 0], slope))
    for n, i in enumerate(order.tolist()):
        if n % BLOCK == 0 and check is not None:
            check()
        begin = 0.0
        while kept:
            top = kept[-1]
            rise = slope[i] - slope[top]
            if rise > 0.0:
                begin = float((lines[top, 0] - lines[i, 0]) / rise)
            else:
                begin = 2.0 if lines[i, 0] <= lines[top, 0] else 0.0
            if begin > begins[-1]:
                break
            kept.pop()
            begins.pop()
            begin = 0.0
        if begin < 1.0:
            kept.append(i)
            begins.append(begin)
    return list(zip(kept, begins, [*begins[1:], 1.0], strict=True))
