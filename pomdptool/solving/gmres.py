"""Large sparse systems x = c + M x, where M shrinks what it is applied to.

A round of GMRES (Saad and Schultz 1986) corrects x by what is best in the span of r, M r, M^2 r,
... of the residual r = c + M x - x. That is at least as good, by Euclid's norm, as as many sweeps
of the equation itself, each of which gains a factor of M's norm. Where that takes long, as in long
cycles without chance, a small system is factorised. Rounds end when the residual, computed anew
from the equation, is down to rounding.

`scipy.sparse.linalg.gmres` gives the same x but took two to five times as long on chains of 10 to
3,000 states: it makes a vector orthogonal to the earlier ones one by one.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pomdptool.sparse import FloatArray, IntArray

BASIS = 25
"""Products with P in a round of GMRES."""

ROUNDS = 20
"""Rounds after which a system is one that takes long."""

MAX_FACTORED = 5_000
"""Most (node, state) pairs that are factorised: for 11,000 of a random graph it took 5 s."""

QUICKLY_FACTORED = 1_500
"""Most pairs that are factorised where there is no time: a quarter of a second."""

ROUNDING = 1e-13
"""Residual, relative to the largest value, that a solution may have."""

Product = Callable[[FloatArray], FloatArray]


def fixed_vector(
    rows: IntArray,
    columns: IntArray,
    data: FloatArray,
    given: FloatArray,
    sweeps: int | None,
) -> tuple[FloatArray, float]:
    """Solve x = given + M x.

    Parameters
    ----------
    rows, columns, data
        Entries of M.
    given
        Shape (n,).
    sweeps
        Products with M, beyond the first rounds and some more, that it may take where it takes
        long; None: it may not, and only what is small is solved then.

    Returns
    -------
    x, residual
        The largest residual is 0 where it is down to rounding.
    """
    times = _product(rows, columns, data, len(given))
    x, residual = _rounds(times, given, np.zeros_like(given), ROUNDS)
    if not residual:
        return x, residual
    if len(given) <= (QUICKLY_FACTORED if sweeps is None else MAX_FACTORED):
        x = _factored(rows, columns, data, given)
    elif sweeps is None:
        return x, residual
    return _rounds(times, given, x, ROUNDS if sweeps is None else 100 + sweeps // BASIS)


def _product(rows: IntArray, columns: IntArray, data: FloatArray, size: int) -> Product:
    """Multiplication by a sparse matrix."""
    order = np.argsort(rows, kind="stable")
    columns, data = columns[order], data[order]
    first = np.flatnonzero(np.diff(rows[order], prepend=-1))
    filled = rows[order][first]

    def times(x: FloatArray) -> FloatArray:
        result = np.zeros(size)
        result[filled] = np.add.reduceat(data * x[columns], first) if len(first) else 0.0
        return result

    return times


def _rounds(
    times: Product, given: FloatArray, x: FloatArray, most: int
) -> tuple[FloatArray, float]:
    """Better x in rounds of GMRES; the largest residual, 0 where it is down to rounding."""
    for left in range(most, -1, -1):
        residual = given + times(x) - x
        worst = float(np.abs(residual).max())
        if worst <= ROUNDING * max(float(np.abs(given).max()), float(np.abs(x).max())):
            return x, 0.0
        if left:
            x = x + _correction(times, residual)
    return x, worst


def improved(
    times: Product, given: FloatArray, x: FloatArray, target: float, check: Callable[[], None]
) -> FloatArray:
    """Better x in rounds of GMRES, until the largest residual is at most `target`.

    At most `ROUNDS`, and no more where one gains next to nothing. Each begins with a `check`.
    """
    least = np.inf
    for _ in range(ROUNDS):
        check()
        residual = given + times(x) - x
        worst = float(np.abs(residual).max())
        if worst <= target or worst > 0.95 * least:
            break
        least = worst
        x = x + _correction(times, residual)
    return x


def _factored(rows: IntArray, columns: IntArray, data: FloatArray, given: FloatArray) -> FloatArray:
    from scipy.sparse import csc_matrix, identity
    from scipy.sparse.linalg import splu

    matrix = csc_matrix((data, (rows, columns)), shape=(len(given), len(given)))
    x: FloatArray = splu((identity(len(given), format="csc") - matrix).tocsc()).solve(given)
    return x


def _correction(times: Product, residual: FloatArray) -> FloatArray:
    """Minimise the Euclidean norm of residual - (I - gP) y over y in the Krylov space."""
    scale = float(np.abs(residual).max())
    residual = residual / scale  # squares of very small numbers would be 0
    size = float(np.linalg.norm(residual))
    basis = np.zeros((BASIS + 1, len(residual)))
    images = np.zeros((BASIS + 1, BASIS))
    basis[0] = residual / size
    for j in range(BASIS):
        w = basis[j] - times(basis[j])
        for _ in range(2):  # twice is enough (Kahan, Parlett): rounding spoils one pass
            shares = basis[: j + 1] @ w
            w -= shares @ basis[: j + 1]
            images[: j + 1, j] += shares
        images[j + 1, j] = np.linalg.norm(w)
        if images[j + 1, j] <= 1e-14:
            break
        basis[j + 1] = w / images[j + 1, j]
    wanted = np.zeros(j + 2)
    wanted[0] = size
    weights = np.linalg.lstsq(images[: j + 2, : j + 1], wanted, rcond=None)[0]
    y: FloatArray = scale * (weights @ basis[: j + 1])
    return y
