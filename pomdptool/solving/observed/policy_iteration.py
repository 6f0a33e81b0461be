"""Policy iteration with certified bounds, for equations x = H x = max over policies of r + g P x.

The MDP, QMDP, FIB and blind policies have this form (see `bounds`). H is monotone, and H(x + c) =
H x + g c for a constant c, since the rows of P sum to 1. So any x certifies, with d = H x - x
(MacQueen 1966, Porteus 1971),

    H x + g / (1 - g) min d  <=  x*  <=  H x + g / (1 - g) max d,

separately in each closed class of P. Only the span of d matters, not its level. The lower end is
also a lower bound on the value of the policy that is greedy for x.

The method is modified policy iteration (Puterman and Shin 1978): apply H, then evaluate the greedy
policy until the span has fallen by a factor of ten, by sweeps and, if these converge slowly, by
sparse LU or GMRES. The bounds always come from one application of H and include an error term for
its rounding: u (k + 2) (|r| + g P |x|) with k entries a row and u = 2^-53. The iteration stops when
the bounds are close enough, at a limit, or, with reason "rounding", when the span is no larger than
the error terms explain.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from pomdptool.model import Model
from pomdptool.solving.gmres import refine
from pomdptool.solving.solution import LimitReached, Monitor
from pomdptool.sparse import FloatArray, IntArray

SPAN_FACTOR = 0.1
"""Policy evaluation stops when the span of a sweep's change has fallen by this factor."""

MAX_SWEEPS = 100
"""Sweeps after which policy evaluation solves the linear system instead."""

MAX_FACTORING = 2_000_000_000
"""Maximum multiplications of a factorisation; a grid of 10,000 states takes 0.1 s."""

MAX_FACTORS = 20_000_000
"""Maximum entries of a factor."""

CONTRACTION = 40.0
"""Maximum sweeps times 1 - g: they reduce errors by a factor of exp(-40)."""

MAX_STALLED = 3
"""Rounds without progress after which a span near the error terms is put down to rounding."""

UNIT_ROUNDOFF = 2.0**-53
"""Unit roundoff: largest relative error of one rounding."""


@dataclass(frozen=True, eq=False, slots=True)
class BellmanBackup:
    """H x and its enclosure.

    Attributes
    ----------
    Q, Q_error
        Shape (A, S): Q-values with continuation values x, and bounds on their rounding.
    low, value, high
        Enclosure of H x, in the shape (classes, n) of x: a closed class of P in each row.
    policy
        Returns g P and r of the policy that is greedy for x.
    """

    Q: FloatArray
    Q_error: FloatArray
    low: FloatArray
    value: FloatArray
    high: FloatArray
    policy: Callable[[], tuple[Any, FloatArray]]


class BellmanOperator(Protocol):
    """The right-hand side H; `max_row_entries` is the most entries in a row of P."""

    discount: float
    max_row_entries: int

    def apply(self, x: FloatArray) -> BellmanBackup:
        """Compute H x."""


@dataclass(frozen=True, eq=False, slots=True)
class Enclosure:
    """Bounds on the fixed point, shape (A, S); `width` is their largest difference."""

    low: FloatArray
    high: FloatArray
    width: float


@dataclass(frozen=True, eq=False, slots=True)
class IterationResult:
    """The narrowest enclosure, the applications of H, and why they stopped; None: close enough."""

    best: Enclosure
    rounds: int
    reason: str | None


def iterate(
    operator: BellmanOperator,
    x: FloatArray,
    enough: Callable[[Enclosure, int], bool],
    monitor: Monitor,
    vectors: int = 0,
) -> IterationResult:
    """Improve x until the enclosure is narrow enough.

    `enough` is called after each application of H, with the narrowest enclosure and the number of
    applications. `vectors` is the number of vectors reported to the monitor.
    """
    best, least, rounds, stalled = None, np.inf, 0, 0
    while True:
        backup = operator.apply(x)
        rounds += 1
        enclosure = enclose(operator, x, backup)
        if best is None or enclosure.width < best.width:
            best = enclosure
        if enough(best, rounds):
            return IterationResult(best, rounds, None)
        spans = np.ptp(backup.value - x, axis=1)
        rounding = (backup.high - backup.low).max(axis=1)
        stalled = 0 if spans.max() < 0.5 * least else stalled + 1
        least = min(least, float(spans.max()))
        factor = 1.0 if stalled < MAX_STALLED else 4.0 / (1.0 - operator.discount)
        if (spans <= factor * rounding).all():
            return IterationResult(best, rounds, "rounding")
        try:
            matrix, r = backup.policy()
            target = max(float(rounding.max()), SPAN_FACTOR * float(spans.max()))
            x = evaluate_policy(
                matrix,
                r,
                backup.value,
                target=target,
                sweeps=int(CONTRACTION / max(1.0 - operator.discount, UNIT_ROUNDOFF)),
                monitor=monitor,
                vectors=vectors,
            )
        except LimitReached as stopped:
            return IterationResult(best, rounds, stopped.reason)


def enclose(operator: BellmanOperator, x: FloatArray, backup: BellmanBackup) -> Enclosure:
    """Bound the fixed point from H x."""
    g, off = (
        operator.discount,
        2.0 * UNIT_ROUNDOFF * (operator.max_row_entries + 2),
    )  # deviation of a row's sum from 1
    fall = (backup.low - x).min(axis=1, keepdims=True)
    rise = (backup.high - x).max(axis=1, keepdims=True)
    fall -= UNIT_ROUNDOFF * np.abs(fall)
    rise += UNIT_ROUNDOFF * np.abs(rise)
    fall *= _discounted_sum(np.where(fall < 0.0, g * (1.0 + off), g * (1.0 - off)))
    rise *= _discounted_sum(np.where(rise > 0.0, g * (1.0 + off), g * (1.0 - off)))
    low = backup.Q - backup.Q_error + fall
    high = backup.Q + backup.Q_error + rise
    low -= 2.0 * UNIT_ROUNDOFF * np.where(fall == 0.0, 0.0, np.abs(low))
    high += 2.0 * UNIT_ROUNDOFF * np.where(rise == 0.0, 0.0, np.abs(high))
    return Enclosure(low, high, float((high - low).max()))


def _discounted_sum(g: FloatArray) -> FloatArray:
    """Compute g / (1 - g), with g capped at the largest float below 1."""
    return g / np.maximum(1.0 - g, UNIT_ROUNDOFF) * (1.0 + 4.0 * UNIT_ROUNDOFF)


def enclose_value(vectors: FloatArray, b: FloatArray) -> tuple[float, float]:
    """Enclose max over the rows v of v . b; exact if b is concentrated in one state."""
    values = vectors @ b
    n = np.count_nonzero(b)
    error = UNIT_ROUNDOFF * n * (np.abs(vectors) @ b) if n > 1 else np.zeros(len(vectors))
    return float((values - error).max()), float((values + error).max())


def enclose_initial_value(model: Model, vectors: FloatArray) -> tuple[float, float]:
    """Enclose the value of vectors over all states at the initial belief.

    In an MDP the state is observed before the first action, and its best vector is chosen.
    """
    known = vectors.max(axis=0)[np.newaxis] if model.mdp else vectors
    return enclose_value(known, model.start)


def rounding_of(mass: FloatArray, sums: FloatArray, max_row_entries: int) -> FloatArray:
    """Bound the rounding of `sums` = r + g P x; `mass` is g P |x|. It is 0 where the mass is 0."""
    return UNIT_ROUNDOFF * ((max_row_entries + 2) * mass + np.where(mass > 0.0, np.abs(sums), 0.0))


def evaluate_policy(
    matrix: Any,
    r: FloatArray,
    x: FloatArray,
    *,
    target: float,
    sweeps: int,
    monitor: Monitor,
    vectors: int,
) -> FloatArray:
    """Improve x towards the solution of x = r + matrix x; shape (classes, n).

    Stops when a sweep changes x by a span of at most `target`, when LU is cheap, or after `sweeps`,
    which contract the error to rounding. Raises LimitReached.
    """
    shape, x = x.shape, x.ravel()
    for k in range(1, sweeps + 1):
        monitor.check(vectors)
        before, x = x, r + matrix @ x
        if np.ptp((x - before).reshape(shape), axis=1).max() <= target:
            break
        if k == MAX_SWEEPS:
            solved = solve_by_lu(matrix, r)
            if solved is not None:
                return solved.reshape(shape)
            x = refine(lambda v: matrix @ v, r, x, 0.5 * target, lambda: monitor.check(vectors))
    return x.reshape(shape)


def solve_by_lu(matrix: Any, r: FloatArray) -> FloatArray | None:
    """Solve x = r + matrix x by LU; None if the bandwidth makes that expensive.

    Ordered by reverse Cuthill-McKee (1969), the factors stay inside the band. The matrix is
    diagonally dominant, so no pivoting is needed. The solution is refined once.
    """
    from scipy.sparse import identity
    from scipy.sparse.csgraph import reverse_cuthill_mckee
    from scipy.sparse.linalg import splu

    order = reverse_cuthill_mckee(matrix, symmetric_mode=False)
    place: IntArray = np.argsort(order)
    source, target = matrix.nonzero()
    band = float(np.abs(place[source] - place[target]).max(initial=0))
    if len(r) * band > MAX_FACTORS or len(r) * band**2 > MAX_FACTORING:
        return None
    system = (identity(len(r), format="csr") - matrix)[order][:, order]
    try:
        factors = splu(system.tocsc(), permc_spec="NATURAL", diag_pivot_thresh=0.0)
    except RuntimeError:  # singular: the discount rounds to 1
        return None
    x: FloatArray = factors.solve(r[order])[place]
    x += factors.solve((r + matrix @ x - x)[order])[place]
    return x
