"""GMRES for large sparse systems x = c + M x, where M is a contraction.

A round of GMRES (Saad and Schultz 1986) adds the correction in the span of r, M r, M^2 r, ... that
minimises the Euclidean norm of the residual r = c + M x - x: at least as good, in that norm, as the
same number of sweeps. If this converges slowly, as on long deterministic cycles, small systems are
solved by LU. Rounds end when the residual, computed from the equation, is down to rounding.

`scipy.sparse.linalg.gmres` gives the same x but took two to five times as long on chains of 10 to
3,000 states: it orthogonalises against the earlier vectors one by one.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pomdptool.sparse import FloatArray, IntArray

KRYLOV_DIMENSION = 25
"""Products with M in a round of GMRES."""

MAX_ROUNDS = 20
"""Rounds after which a system counts as slow."""

MAX_LU = 5_000
"""Largest system solved by LU; 11,000 unknowns of a random graph took 5 s."""

MAX_QUICK_LU = 1_500
"""Largest system solved by LU if time is short: a quarter of a second."""

ROUNDING = 1e-13
"""Admissible residual of a solution, relative to the largest value."""

Product = Callable[[FloatArray], FloatArray]


def solve_fixed_point(
    rows: IntArray,
    columns: IntArray,
    data: FloatArray,
    constant: FloatArray,
    sweeps: int | None,
    check: Callable[[], None] = lambda: None,
) -> tuple[FloatArray, float]:
    """Solve x = constant + M x.

    M has the entries `rows`, `columns` and `data`. A slow system may take `sweeps` products with M
    beyond the first rounds; with None it is solved only if it is small. `check` is called before
    each round and may raise. Returns x and the largest residual, 0 if it is down to rounding.
    """
    multiply = _product(rows, columns, data, len(constant))
    x, residual = _rounds(multiply, constant, np.zeros_like(constant), MAX_ROUNDS, check)
    if not residual:
        return x, residual
    if len(constant) <= (MAX_QUICK_LU if sweeps is None else MAX_LU):
        x = _solve_by_lu(rows, columns, data, constant)
    elif sweeps is None:
        return x, residual
    max_rounds = MAX_ROUNDS if sweeps is None else 100 + sweeps // KRYLOV_DIMENSION
    return _rounds(multiply, constant, x, max_rounds, check)


def _product(rows: IntArray, columns: IntArray, data: FloatArray, size: int) -> Product:
    """Return the product with a sparse matrix as a function."""
    order = np.argsort(rows, kind="stable")
    columns, data = columns[order], data[order]
    first = np.flatnonzero(np.diff(rows[order], prepend=-1))
    filled = rows[order][first]

    def multiply(x: FloatArray) -> FloatArray:
        result = np.zeros(size)
        result[filled] = np.add.reduceat(data * x[columns], first) if len(first) else 0.0
        return result

    return multiply


def _rounds(
    multiply: Product,
    constant: FloatArray,
    x: FloatArray,
    max_rounds: int,
    check: Callable[[], None],
) -> tuple[FloatArray, float]:
    """Refine x; return it with its largest residual, 0 if down to rounding."""
    for remaining in range(max_rounds, -1, -1):
        check()
        residual = constant + multiply(x) - x
        worst = float(np.abs(residual).max())
        if worst <= ROUNDING * max(float(np.abs(constant).max()), float(np.abs(x).max())):
            return x, 0.0
        if remaining:
            x = x + _correction(multiply, residual)
    return x, worst


def refine(
    multiply: Product, constant: FloatArray, x: FloatArray, target: float, check: Callable[[], None]
) -> FloatArray:
    """Refine x until the largest residual is at most `target`.

    Stops after `MAX_ROUNDS`, or if a round gains almost nothing. Calls `check` before each round.
    """
    least = np.inf
    for _ in range(MAX_ROUNDS):
        check()
        residual = constant + multiply(x) - x
        worst = float(np.abs(residual).max())
        if worst <= target or worst > 0.95 * least:
            break
        least = worst
        x = x + _correction(multiply, residual)
    return x


def _solve_by_lu(
    rows: IntArray, columns: IntArray, data: FloatArray, constant: FloatArray
) -> FloatArray:
    from scipy.sparse import csc_matrix, identity
    from scipy.sparse.linalg import splu

    matrix = csc_matrix((data, (rows, columns)), shape=(len(constant), len(constant)))
    x: FloatArray = splu((identity(len(constant), format="csc") - matrix).tocsc()).solve(constant)
    return x


def _correction(multiply: Product, residual: FloatArray) -> FloatArray:
    """Minimise the Euclidean norm of residual - (I - M) y over y in the Krylov space."""
    scale = float(np.abs(residual).max())
    residual = residual / scale  # squares of tiny numbers would underflow
    size = float(np.linalg.norm(residual))
    basis = np.zeros((KRYLOV_DIMENSION + 1, len(residual)))
    images = np.zeros((KRYLOV_DIMENSION + 1, KRYLOV_DIMENSION))
    basis[0] = residual / size
    for j in range(KRYLOV_DIMENSION):
        w = basis[j] - multiply(basis[j])
        for _ in range(2):  # twice is enough (Kahan, Parlett); one pass is not, because of rounding
            shares = basis[: j + 1] @ w
            w -= shares @ basis[: j + 1]
            images[: j + 1, j] += shares
        images[j + 1, j] = np.linalg.norm(w)
        if images[j + 1, j] <= 1e-14:
            break
        basis[j + 1] = w / images[j + 1, j]
    rhs = np.zeros(j + 2)
    rhs[0] = size
    weights = np.linalg.lstsq(images[: j + 2, : j + 1], rhs, rcond=None)[0]
    y: FloatArray = scale * (weights @ basis[: j + 1])
    return y
