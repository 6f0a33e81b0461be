"""Bounds on the optimal value that do not search beliefs: MDP, QMDP and FIB above, blind below.

    MDP    V[s]    = max over a of Q[a, s]
    QMDP   Q[a, s] = r[a, s] + g sum over s' of T[a, s, s'] max over a' of Q[a', s']
    FIB    Q[a, s] = r[a, s] + g sum over o of max over a' of sum over s' of T Z Q[a', s']
    blind  Q[a, s] = r[a, s] + g sum over s' of T[a, s, s'] Q[a, s']

The optimum at belief b lies below V . b, max over a of Q[a] . b for QMDP, the same for FIB, in
this order ever tighter (Littman, Cassandra and Kaelbling 1995; Hauskrecht 2000), and above the
largest Q[a] . b of the blind policies, which repeat one action for ever.

Each equation is solved by policy iteration, and the certified end of the enclosure that this ends
with is returned (see `policy_iteration`). FIB starts from QMDP's upper bound. With a horizon the
right-hand side is applied that many times instead, from 0; the result is exact up to rounding.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from pomdptool.graph import NOWHERE, PolicyGraph
from pomdptool.model import Model
from pomdptool.policy import AlphaVectors, Bounds
from pomdptool.solving.observed.policy_iteration import (
    Applied,
    Enclosure,
    at_start,
    iterate,
    rounding_of,
)
from pomdptool.solving.solution import (
    LimitReached,
    Monitor,
    Solution,
    require_discount,
    rewards_ahead,
)
from pomdptool.sparse import FloatArray, IntArray
from pomdptool.steps import arrival_rows

Method = Literal["mdp", "qmdp", "fib", "blind"]

GRAPH_CELLS = 1_000_000
"""Most nodes times observations of the graph of a blind policy with a horizon."""


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
    monitor: Monitor | None = None,
) -> Solution:
    """Compute one bound; the other side of the interval comes from the blind policies or the MDP.

    Raises
    ------
    PomdpError
        With discount 1 and no horizon.
    """
    require_discount(model, horizon)
    monitor = monitor or Monitor()
    upper_method: Method = "mdp" if method == "blind" else method
    lower = fixed_point(model, "blind", precision=precision, horizon=horizon, monitor=monitor)
    upper = fixed_point(model, upper_method, precision=precision, horizon=horizon, monitor=monitor)
    above = upper.Q.max(axis=0)[np.newaxis] if upper_method == "mdp" else upper.Q
    below = at_start(model, lower.Q)[0]
    bounds = Bounds(below, max(below, at_start(model, above)[1]))
    chosen = lower if method == "blind" else upper
    monitor.step(chosen.sweeps, model.n_actions, bounds)
    reason = lower.stop_reason or upper.stop_reason or ("horizon" if horizon else "fixed-point")
    converged = reason == "horizon" or bounds.closed(precision)
    return Solution.of(
        model,
        method,
        monitor,
        AlphaVectors(np.arange(model.n_actions), chosen.Q),
        bounds,
        "precision" if converged and not horizon else reason,
        converged=converged,
        counts={
            "iterations": chosen.sweeps,
            "vectors": model.n_actions,
            "backups": (lower.sweeps + upper.sweeps) * model.n_actions * model.n_states,
        },
        horizon=horizon,
        graph=repeated(model, lower.Q, horizon),
    )


def repeated(model: Model, Q: FloatArray, horizon: int | None) -> PolicyGraph | None:
    """Graph of the best blind policy, in an MDP for each initial state; None if it is too large."""
    A, n, Z = model.n_actions, horizon or 1, model.n_observations
    if A * n * Z > GRAPH_CELLS:
        return None
    after = np.arange(A * n).reshape(A, n) + (horizon is not None)
    if horizon is not None:
        after[:, -1] = NOWHERE
    actions = np.repeat(np.arange(A), n)
    graph = PolicyGraph(actions, np.repeat(after.reshape(-1, 1), Z, axis=1))
    if model.mdp:
        return graph.with_initial_nodes(n * Q.argmax(axis=0)).minimised()
    graph = replace(graph, start=n * int((Q @ model.start).argmax()))
    return graph.subgraph(graph.breadth_first())


def fixed_point(
    model: Model, method: Method, *, precision: float, horizon: int | None, monitor: Monitor
) -> Table:
    """Solve one of the four equations; the result is on the valid side of its fixed point.

    It is within a thousandth of `precision`, times max(1, |values|), unless stopped before.
    """
    if horizon is not None:
        return _finite_horizon(model, method, horizon, monitor)

    def enough(found: Enclosure, rounds: int) -> bool:  # noqa: ARG001
        largest = max(float(np.abs(found.low).max()), float(np.abs(found.high).max()))
        return found.width <= 0.001 * precision * max(1.0, largest)

    shape = (model.n_actions, model.n_states)
    if method == "blind":
        done = iterate(Blind(model), np.zeros(shape), enough, monitor)
        return Table(done.best.low, done.rounds, done.reason)
    done = iterate(ObservedState(model), np.zeros((1, model.n_states)), enough, monitor)
    Q, rounds = done.best.high, done.rounds
    if method == "fib":
        done = iterate(FastInformed(model), Q.reshape(1, -1), enough, monitor)
        Q, rounds = np.minimum(Q, done.best.high), rounds + done.rounds
    return Table(Q, rounds, done.reason)


def _finite_horizon(model: Model, method: Method, horizon: int, monitor: Monitor) -> Table:
    equation = EQUATIONS[method](model)
    x = equation.zero()
    Q = np.zeros((model.n_actions, model.n_states))
    for h in range(horizon):
        try:
            monitor.check()
        except LimitReached as stopped:
            rest = rewards_ahead(model, h, horizon)
            return Table(Q + (rest.lower if method == "blind" else rest.upper), h, stopped.reason)
        applied = equation.apply(x)
        Q, x = applied.Q, applied.value
    return Table(Q, horizon, None)


class ObservedState:
    """MDP and QMDP: x = V, shape (1, S)."""

    def __init__(self, model: Model) -> None:
        from scipy.sparse import csr_matrix

        T, self.discount, self.r = model.sparse_T, model.discount, model.expected_rewards
        entries = (model.discount * T.data, T.indices, T.indptr)
        self.matrix: Any = csr_matrix(entries, shape=(T.n_rows, T.n_columns))
        self.longest = int(np.diff(T.indptr).max())

    def zero(self) -> FloatArray:
        """A vector of zeros."""
        return np.zeros((1, self.r.shape[1]))

    def look_ahead(self, V: FloatArray) -> FloatArray:
        """Q[a, s] where arriving in s' is worth V[s']."""
        Q: FloatArray = self.r + (self.matrix @ V).reshape(self.r.shape)
        return Q

    def apply(self, x: FloatArray) -> Applied:
        """Compute H x."""
        V = x[0]
        Q = self.look_ahead(V)
        mass = (self.matrix @ np.abs(V)).reshape(Q.shape)
        error = rounding_of(mass, Q, self.longest)
        low, high, value = (q.max(axis=0)[np.newaxis] for q in (Q - error, Q + error, Q))
        return Applied(Q, error, low, value, high, lambda: self._policy(Q))

    def _policy(self, Q: FloatArray) -> tuple[Any, FloatArray]:
        rows = Q.argmax(axis=0) * Q.shape[1] + np.arange(Q.shape[1])
        return self.matrix[rows], self.r.ravel()[rows]


class Blind:
    """Blind policies: x = Q, a closed class for each action."""

    def __init__(self, model: Model) -> None:
        from scipy.sparse import csr_matrix

        T, self.discount, self.r = model.sparse_T, model.discount, model.expected_rewards
        entries = (model.discount * T.data, arrival_rows(T), T.indptr)
        self.matrix: Any = csr_matrix(entries, shape=(T.n_rows, T.n_rows))
        self.longest = int(np.diff(T.indptr).max())

    def zero(self) -> FloatArray:
        """A table of zeros."""
        return np.zeros(self.r.shape)

    def apply(self, x: FloatArray) -> Applied:
        """Compute H x."""
        Q: FloatArray = self.r + (self.matrix @ x.ravel()).reshape(x.shape)
        mass = (self.matrix @ np.abs(x).ravel()).reshape(x.shape)
        error = rounding_of(mass, Q, self.longest)
        return Applied(Q, error, Q - error, Q, Q + error, lambda: (self.matrix, self.r.ravel()))


class FastInformed:
    """FIB: x = Q as one row. A branch is an action, a state it is done in, and an observation.

    A policy chooses for each branch the action whose values are taken ahead.
    """

    def __init__(self, model: Model) -> None:
        self.discount, self.r = model.discount, model.expected_rewards
        branch = model.steps.row * model.n_observations + model.steps.observation
        order = np.argsort(branch, kind="stable")
        steps = model.steps[order]
        self.target, self.row = steps.next_state, steps.row
        self.weight = model.discount * steps.probability
        self.first: IntArray = np.flatnonzero(np.diff(branch[order], prepend=-1))
        self.longest = 2 + int(np.bincount(self.row).max())

    def zero(self) -> FloatArray:
        """A row of zeros."""
        return np.zeros((1, self.r.size))

    def apply(self, x: FloatArray) -> Applied:
        """Compute H x."""
        q = x.reshape(self.r.shape)
        best = self._sums(q[0])
        choice = np.zeros(len(best), np.int64)
        for a in range(1, len(q)):
            sums = self._sums(q[a])
            choice[sums > best] = a
            np.maximum(best, sums, out=best)
        Q = self.r + self._over_branches(best)
        mass = self._over_branches(self._sums(np.abs(q).max(axis=0)))
        error = rounding_of(mass, Q, self.longest)
        low, value, high = (q.reshape(1, -1) for q in (Q - error, Q, Q + error))
        return Applied(Q, error, low, value, high, lambda: self._policy(choice))

    def _sums(self, q: FloatArray) -> FloatArray:
        """Sum over a branch's successors."""
        sums: FloatArray = np.add.reduceat(self.weight * q[self.target], self.first)
        return sums

    def _over_branches(self, values: FloatArray) -> FloatArray:
        rows = self.row[self.first]
        sums = np.bincount(rows, weights=values, minlength=self.r.size)
        return sums.astype(np.float64, copy=False).reshape(self.r.shape)

    def _policy(self, choice: IntArray) -> tuple[Any, FloatArray]:
        from scipy.sparse import csr_matrix

        lengths = np.diff(np.append(self.first, len(self.row)))
        columns = np.repeat(choice, lengths) * self.r.shape[1] + self.target
        size = self.r.size
        matrix = csr_matrix((self.weight, (self.row, columns)), shape=(size, size))
        return matrix, self.r.ravel()


EQUATIONS: dict[Method, type[ObservedState | Blind | FastInformed]] = {
    "mdp": ObservedState,
    "qmdp": ObservedState,
    "fib": FastInformed,
    "blind": Blind,
}
