"""Bounds on the optimal value that do not search beliefs: MDP, QMDP and FIB above, blind below.

    MDP    V[s]    = max over a of Q[a, s]
    QMDP   Q[a, s] = r[a, s] + g sum over s' of T[a, s, s'] max over a' of Q[a', s']
    FIB    Q[a, s] = r[a, s] + g sum over o of max over a' of sum over s' of T Z Q[a', s']
    blind  Q[a, s] = r[a, s] + g sum over s' of T[a, s, s'] Q[a, s']

The optimum at belief b lies below V . b, max over a of Q[a] . b for QMDP, the same for FIB, in
this order ever tighter (Littman, Cassandra and Kaelbling 1995; Hauskrecht 2000), and above the
largest Q[a] . b of the blind policies, which repeat one action for ever.

Each equation's right-hand side H is monotone and H(Q + c) = H(Q) + g c, so after any sweep the
fixed point lies within Q + g / (1 - g) [min, max](Q - Q_before) (MacQueen 1966). Sweeps stop when
that interval is narrow, and its valid end is returned: every bound is certified, up to rounding.
With a horizon the sweeps are counted instead, from 0, and the result is exact.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pomdptool.model import Model
from pomdptool.policy import AlphaVectors, Bounds, SolvedPolicy, problem_of
from pomdptool.solving.solution import Solution, Stopped, Watch, require_end, rewards_ahead
from pomdptool.sparse import FloatArray, IntArray

Method = Literal["mdp", "qmdp", "fib", "blind"]

Sweep = Callable[[FloatArray], FloatArray]


@dataclass(frozen=True, eq=False, slots=True)
class Table:
    """A fixed point Q[a, s] and how it was reached; `stop_reason` is None where it was."""

    Q: FloatArray
    sweeps: int
    stop_reason: str | None


def solve_bound(
    model: Model,
    method: Method,
    *,
    precision: float = 1e-3,
    horizon: int | None = None,
    watch: Watch | None = None,
) -> Solution:
    """Compute one bound; the other side of the interval comes from the blind policies or the MDP.

    Raises
    ------
    PomdpError
        With discount 1 and no horizon.
    """
    require_end(model, horizon)
    watch = watch or Watch()
    upper_method: Method = "mdp" if method == "blind" else method
    lower = fixed_point(model, "blind", precision=precision, horizon=horizon, watch=watch)
    upper = fixed_point(model, upper_method, precision=precision, horizon=horizon, watch=watch)
    b = model.start
    at_start = (upper.Q.max(axis=0) if upper_method == "mdp" else upper.Q) @ b
    bounds = Bounds(float((lower.Q @ b).max()), float(at_start.max()))
    chosen = lower if method == "blind" else upper
    watch.step(chosen.sweeps, model.n_actions, bounds)
    reason = lower.stop_reason or upper.stop_reason or ("horizon" if horizon else "fixed-point")
    converged = reason == "horizon" or bounds.closed(precision)
    policy = SolvedPolicy(
        problem=problem_of(model),
        method=method,
        values=AlphaVectors(np.arange(model.n_actions), chosen.Q),
        bounds=bounds,
        converged=converged,
        stop_reason="precision" if converged and not horizon else reason,
        horizon=horizon,
        stats={
            "seconds": watch.seconds,
            "iterations": chosen.sweeps,
            "vectors": model.n_actions,
            "backups": (lower.sweeps + upper.sweeps) * model.n_actions * model.n_states,
        },
    )
    return Solution(policy, tuple(watch.trace))


def fixed_point(
    model: Model, method: Method, *, precision: float, horizon: int | None, watch: Watch
) -> Table:
    """Solve one of the four equations; the result is on the valid side of its fixed point.

    It is within a thousandth of `precision`, times max(1, |values|), unless stopped before.
    """
    sweep = _SWEEPS[method](model)
    Q = np.zeros((model.n_actions, model.n_states))
    if horizon is not None:
        return _counted_sweeps(model, method, sweep, Q, horizon, watch)
    side = np.min if method == "blind" else np.max
    ahead = model.discount / (1.0 - model.discount)
    sweeps, reason = 0, None
    while True:
        before, Q = Q, sweep(Q)
        sweeps += 1
        change = Q - before
        width = ahead * float(np.ptp(change))
        if width <= 0.001 * precision * max(1.0, float(np.abs(Q).max())):
            break
        try:
            watch.check()
        except Stopped as stopped:
            reason = stopped.reason
            break
    return Table(Q + ahead * float(side(change)), sweeps, reason)


def _counted_sweeps(
    model: Model, method: Method, sweep: Sweep, Q: FloatArray, horizon: int, watch: Watch
) -> Table:
    for h in range(horizon):
        try:
            watch.check()
        except Stopped as stopped:
            rest = rewards_ahead(model, h, horizon)
            return Table(Q + (rest.lower if method == "blind" else rest.upper), h, stopped.reason)
        Q = sweep(Q)
    return Table(Q, horizon, None)


def _mdp_sweep(model: Model) -> Sweep:
    """Sweep of QMDP, and of the MDP, whose V is the maximum of its Q over actions."""
    r, T, g = model.expected_rewards, model.sparse_T, model.discount
    return lambda Q: r + g * T.times(Q.max(axis=0)).reshape(r.shape)


def _blind_sweep(model: Model) -> Sweep:
    r, T, g = model.expected_rewards, model.sparse_T, model.discount
    row = T.row_of_entry()
    entry = (row // model.n_states) * model.n_states + T.indices

    def sweep(Q: FloatArray) -> FloatArray:
        return r + g * T.sum_rows(T.data * Q.ravel()[entry]).reshape(r.shape)

    return sweep


def _fib_sweep(model: Model) -> Sweep:
    r, T, Z, g = model.expected_rewards, model.sparse_T, model.sparse_Z, model.discount
    support = model.support
    row = T.row_of_entry()[support.t_entry]
    branch = row * model.n_observations + Z.indices[support.z_entry]
    order = np.argsort(branch, kind="stable")
    target = T.indices[support.t_entry[order]]
    weight = T.data[support.t_entry[order]] * Z.data[support.z_entry[order]]
    first: IntArray = np.flatnonzero(np.diff(branch[order], prepend=-1))
    row_of_branch = row[order][first]

    def sweep(Q: FloatArray) -> FloatArray:
        best = np.full(len(first), -np.inf)
        for q in Q:
            np.maximum(best, np.add.reduceat(weight * q[target], first), out=best)
        ahead = np.bincount(row_of_branch, weights=best, minlength=T.n_rows)
        return r + g * ahead.reshape(r.shape)

    return sweep


_SWEEPS: dict[Method, Callable[[Model], Sweep]] = {
    "mdp": _mdp_sweep,
    "qmdp": _mdp_sweep,
    "fib": _fib_sweep,
    "blind": _blind_sweep,
}
