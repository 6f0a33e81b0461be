"""Policy iteration with certified bounds, for equations x = max over policies of r + g P x.

The MDP, QMDP, FIB and blind policies are such equations (see `bounds` and `mdp`). Their right-hand
side H is monotone, and H(x + c) = H x + g c for a constant c, since the rows of P sum to 1. So any
x certifies, with d = H x - x (MacQueen 1966, Porteus 1971),

    H x + g / (1 - g) min d  <=  x*  <=  H x + g / (1 - g) max d,

in each closed class of P by itself. Only the span of d matters, not its level. The lower end is
also what the policy that is greedy for x earns.

This is modified policy iteration (Puterman and Shin 1978): apply H, then evaluate the greedy policy
until the span has fallen by a factor of ten. A policy is evaluated by sweeps and, where these take
long, by sparse LU or GMRES. However x was found, the bounds come from one application of H, with
an error term for its rounding: u (k + 2) (|r| + g P |x|) for k entries a row and u = 2^-53. The
iteration stops when the bounds are close enough, at a limit, or, with reason "rounding", when the
span is no larger than the error terms explain.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from pomdptool.model import Model
from pomdptool.solving.gmres import improved
from pomdptool.solving.solution import LimitReached, Monitor
from pomdptool.sparse import FloatArray, IntArray

GAIN = 0.1
"""A policy is evaluated until the span of a sweep's change has fallen by this factor."""

PATIENCE = 100
"""Sweeps of a policy after which its linear system is solved instead."""

MAX_FACTORING = 2_000_000_000
"""Most multiplications that a factorisation may take; 10,000 states of a grid take 0.1 s."""

MAX_FACTORS = 20_000_000
"""Most numbers in a factor."""

CONTRACTED = 40.0
"""Sweeps of a policy at most, times 1 - g: errors are then smaller by a factor of exp(-40)."""

STUCK = 3
"""Rounds without progress after which a span near the error terms counts as rounding."""

UNIT = 2.0**-53
"""Largest relative error of one rounding."""


@dataclass(frozen=True, eq=False, slots=True)
class Applied:
    """H x, enclosed.

    Attributes
    ----------
    Q, Q_error
        Shape (A, S): values of actions if x is what follows, and their rounding at most.
    low, value, high
        H x in the shape (classes, n) of x: a closed class of P in each row.
    policy
        Builds g P and r of the policy that is greedy for x.
    """

    Q: FloatArray
    Q_error: FloatArray
    low: FloatArray
    value: FloatArray
    high: FloatArray
    policy: Callable[[], tuple[Any, FloatArray]]


class Equation(Protocol):
    """The right-hand side H; `longest` is the most entries in a row of P."""

    discount: float
    longest: int

    def apply(self, x: FloatArray) -> Applied:
        """Compute H x."""


@dataclass(frozen=True, eq=False, slots=True)
class Enclosure:
    """The fixed point lies between these, shape (A, S); `width` is the largest shift between."""

    low: FloatArray
    high: FloatArray
    width: float


@dataclass(frozen=True, eq=False, slots=True)
class Iterated:
    """The narrowest enclosure, the applications of H, and why they ended; None: it is enough."""

    best: Enclosure
    rounds: int
    reason: str | None


def iterate(
    equation: Equation,
    x: FloatArray,
    enough: Callable[[Enclosure, int], bool],
    monitor: Monitor,
    vectors: int = 0,
) -> Iterated:
    """Improve x until the enclosure is enough.

    Parameters
    ----------
    enough
        Asked after each application of H, with the narrowest enclosure and their number.
    vectors
        How many there are, for the monitor.
    """
    best, least, rounds, stuck = None, np.inf, 0, 0
    while True:
        applied = equation.apply(x)
        rounds += 1
        found = enclosed(equation, x, applied)
        if best is None or found.width < best.width:
            best = found
        if enough(best, rounds):
            return Iterated(best, rounds, None)
        spans = np.ptp(applied.value - x, axis=1)
        noise = (applied.high - applied.low).max(axis=1)
        stuck = 0 if spans.max() < 0.5 * least else stuck + 1
        least = min(least, float(spans.max()))
        reach = noise if stuck < STUCK else 4.0 * noise / (1.0 - equation.discount)
        if (spans <= reach).all():
            return Iterated(best, rounds, "rounding")
        try:
            matrix, r = applied.policy()
            target = max(float(noise.max()), GAIN * float(spans.max()))
            x = evaluated(
                matrix,
                r,
                applied.value,
                target=target,
                sweeps=int(CONTRACTED / max(1.0 - equation.discount, UNIT)),
                monitor=monitor,
                vectors=vectors,
            )
        except LimitReached as stopped:
            return Iterated(best, rounds, stopped.reason)


def enclosed(equation: Equation, x: FloatArray, applied: Applied) -> Enclosure:
    """Bounds on the fixed point from H x."""
    g, off = equation.discount, 2.0 * UNIT * (equation.longest + 2)  # of a row's sum from 1
    fall = (applied.low - x).min(axis=1, keepdims=True)
    rise = (applied.high - x).max(axis=1, keepdims=True)
    fall -= UNIT * np.abs(fall)
    rise += UNIT * np.abs(rise)
    fall *= _ahead(np.where(fall < 0.0, g * (1.0 + off), g * (1.0 - off)))
    rise *= _ahead(np.where(rise > 0.0, g * (1.0 + off), g * (1.0 - off)))
    low = applied.Q - applied.Q_error + fall
    high = applied.Q + applied.Q_error + rise
    low -= 2.0 * UNIT * np.where(fall == 0.0, 0.0, np.abs(low))
    high += 2.0 * UNIT * np.where(rise == 0.0, 0.0, np.abs(high))
    return Enclosure(low, high, float((high - low).max()))


def _ahead(g: FloatArray) -> FloatArray:
    """Compute g / (1 - g); where rounding cannot tell g from 1, for the largest g below."""
    return g / np.maximum(1.0 - g, UNIT) * (1.0 + 4.0 * UNIT)


def at_belief(vectors: FloatArray, b: FloatArray) -> tuple[float, float]:
    """Enclose max over the rows v of v . b; exact at a state that is certain."""
    values = vectors @ b
    n = np.count_nonzero(b)
    error = UNIT * n * (np.abs(vectors) @ b) if n > 1 else np.zeros(len(vectors))
    return float((values - error).max()), float((values + error).max())


def at_start(model: Model, vectors: FloatArray) -> tuple[float, float]:
    """Enclose the value of vectors over all states at the initial belief.

    In an MDP the state is observed before the first action, and the best vector there chosen.
    """
    known = vectors.max(axis=0)[np.newaxis] if model.mdp else vectors
    return at_belief(known, model.start)


def rounding_of(mass: FloatArray, sums: FloatArray, longest: int) -> FloatArray:
    """Bound the rounding of r + g P x; `mass` is g P |x|, and where that is 0 there is none."""
    return UNIT * ((longest + 2) * mass + np.where(mass > 0.0, np.abs(sums), 0.0))


def evaluated(
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

    It stops when a sweep changes x by a span of at most `target`, where LU is cheap, or after
    `sweeps`, which contract all but rounding away.

    Raises
    ------
    LimitReached
        Where the monitor says so.
    """
    shape, x = x.shape, x.ravel()
    for k in range(1, sweeps + 1):
        monitor.check(vectors)
        before, x = x, r + matrix @ x
        if np.ptp((x - before).reshape(shape), axis=1).max() <= target:
            break
        if k == PATIENCE:
            solved = factored(matrix, r)
            if solved is not None:
                return solved.reshape(shape)
            x = improved(lambda v: matrix @ v, r, x, 0.5 * target, lambda: monitor.check(vectors))
    return x.reshape(shape)


def factored(matrix: Any, r: FloatArray) -> FloatArray | None:
    """Solve x = r + matrix x by LU; None where no order of the rows makes that cheap.

    With all entries within a band about the diagonal the factors stay inside it (Cuthill and McKee
    1969); the diagonal dominates, so there is no need of pivots. The solution is refined once.
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
    except RuntimeError:  # singular: the discount is 1 up to rounding
        return None
    x: FloatArray = factors.solve(r[order])[place]
    x += factors.solve((r + matrix @ x - x)[order])[place]
    return x
