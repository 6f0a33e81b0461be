"""Bounds on the optimal value without belief search: MDP, QMDP and FIB above, blind policies below.

    MDP    V[s]    = max over a of Q[a, s]
    QMDP   Q[a, s] = r[a, s] + g sum over s' of T[a, s, s'] max over a' of Q[a', s']
    FIB    Q[a, s] = r[a, s] + g sum over o of max over a' of sum over s' of T Z Q[a', s']
    blind  Q[a, s] = r[a, s] + g sum over s' of T[a, s, s'] Q[a, s']

The optimal value at belief b is at most V . b for the MDP, and max over a of Q[a] . b for QMDP and
FIB, each tighter than the one before (Littman, Cassandra and Kaelbling 1995; Hauskrecht 2000). It
is at least max over a of Q[a] . b for blind policies, which repeat one action.

With an infinite horizon each equation is solved by policy iteration, and the certified end of the
final enclosure is returned (see `policy_iteration`); FIB starts from QMDP's upper bound. With a
finite horizon the right-hand side is iterated from 0; the result is exact up to rounding.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from pomdptool.graph import NOWHERE, PolicyGraph
from pomdptool.model import Model
from pomdptool.policy import AlphaVectors, Bounds
from pomdptool.solving.observed.policy_iteration import (
    BellmanBackup,
    Enclosure,
    enclose_initial_value,
    iterate,
    rounding_of,
)
from pomdptool.solving.solution import (
    LimitReached,
    Monitor,
    Solution,
    remaining_return,
    require_discount,
)
from pomdptool.sparse import FloatArray, IntArray
from pomdptool.steps import arrival_rows

Method = Literal["mdp", "qmdp", "fib", "blind"]

GRAPH_CELLS = 1_000_000
"""Maximum nodes times observations of a blind policy's graph."""


@dataclass(frozen=True, eq=False, slots=True)
class Table:
    """A fixed point Q[a, s]; `stop_reason` is None if it was reached to the precision."""

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
    """Compute one bound; the opposite bound comes from the blind policies or the MDP."""
    require_discount(model, horizon)
    monitor = monitor or Monitor()
    upper_method: Method = "mdp" if method == "blind" else method
    lower = fixed_point(model, "blind", precision=precision, horizon=horizon, monitor=monitor)
    upper = fixed_point(model, upper_method, precision=precision, horizon=horizon, monitor=monitor)
    above = upper.Q.max(axis=0)[np.newaxis] if upper_method == "mdp" else upper.Q
    below = enclose_initial_value(model, lower.Q)[0]
    bounds = Bounds(below, max(below, enclose_initial_value(model, above)[1]))
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
        graph=blind_policy_graph(model, lower.Q, horizon),
    )


def blind_policy_graph(model: Model, Q: FloatArray, horizon: int | None) -> PolicyGraph | None:
    """Graph of the best blind policy (in an MDP, by initial state); None if it is too large."""
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
    """Solve one of the four equations; the result is a valid bound on the fixed point.

    Unless stopped early it is within 0.001 * precision * max(1, |values|).
    """
    if horizon is not None:
        return _finite_horizon(model, method, horizon, monitor)

    def enough(best: Enclosure, rounds: int) -> bool:  # noqa: ARG001
        largest = max(float(np.abs(best.low).max()), float(np.abs(best.high).max()))
        return best.width <= 0.001 * precision * max(1.0, largest)

    if method == "blind":
        shape = (model.n_actions, model.n_states)
        done = iterate(BlindOperator(model), np.zeros(shape), enough, monitor)
        return Table(done.best.low, done.rounds, done.reason)
    done = iterate(MdpOperator(model), np.zeros((1, model.n_states)), enough, monitor)
    Q, rounds = done.best.high, done.rounds
    if method == "fib":
        done = iterate(FibOperator(model), Q.reshape(1, -1), enough, monitor)
        Q, rounds = np.minimum(Q, done.best.high), rounds + done.rounds
    return Table(Q, rounds, done.reason)


def _finite_horizon(model: Model, method: Method, horizon: int, monitor: Monitor) -> Table:
    operator = OPERATORS[method](model)
    x = np.zeros(operator.shape)
    Q = np.zeros((model.n_actions, model.n_states))
    for h in range(horizon):
        try:
            monitor.check()
        except LimitReached as stopped:
            rest = remaining_return(model, h, horizon)
            return Table(Q + (rest.lower if method == "blind" else rest.upper), h, stopped.reason)
        backup = operator.apply(x)
        Q, x = backup.Q, backup.value
    return Table(Q, horizon, None)


class MdpOperator:
    """MDP and QMDP: x = V, shape (1, S)."""

    def __init__(self, model: Model) -> None:
        from scipy.sparse import csr_matrix

        T, self.discount, self.r = model.sparse_T, model.discount, model.expected_rewards
        entries = (model.discount * T.data, T.indices, T.indptr)
        self.matrix: Any = csr_matrix(entries, shape=(T.n_rows, T.n_columns))
        self.max_row_entries = int(np.diff(T.indptr).max())
        self.shape = (1, self.r.shape[1])

    def action_values(self, V: FloatArray) -> FloatArray:
        """Compute Q[a, s] from V."""
        Q: FloatArray = self.r + (self.matrix @ V).reshape(self.r.shape)
        return Q

    def apply(self, x: FloatArray) -> BellmanBackup:
        """Compute H x."""
        V = x[0]
        Q = self.action_values(V)
        mass = (self.matrix @ np.abs(V)).reshape(Q.shape)
        error = rounding_of(mass, Q, self.max_row_entries)
        low, high, value = (q.max(axis=0)[np.newaxis] for q in (Q - error, Q + error, Q))
        return BellmanBackup(Q, error, low, value, high, lambda: self._policy(Q))

    def _policy(self, Q: FloatArray) -> tuple[Any, FloatArray]:
        rows = Q.argmax(axis=0) * Q.shape[1] + np.arange(Q.shape[1])
        return self.matrix[rows], self.r.ravel()[rows]


class BlindOperator:
    """Blind policies: x = Q, a closed class for each action."""

    def __init__(self, model: Model) -> None:
        from scipy.sparse import csr_matrix

        T, self.discount, self.r = model.sparse_T, model.discount, model.expected_rewards
        entries = (model.discount * T.data, arrival_rows(T), T.indptr)
        self.matrix: Any = csr_matrix(entries, shape=(T.n_rows, T.n_rows))
        self.max_row_entries = int(np.diff(T.indptr).max())
        self.shape = self.r.shape

    def apply(self, x: FloatArray) -> BellmanBackup:
        """Compute H x."""
        Q: FloatArray = self.r + (self.matrix @ x.ravel()).reshape(x.shape)
        mass = (self.matrix @ np.abs(x).ravel()).reshape(x.shape)
        error = rounding_of(mass, Q, self.max_row_entries)
        return BellmanBackup(
            Q, error, Q - error, Q, Q + error, lambda: (self.matrix, self.r.ravel())
        )


class FibOperator:
    """FIB: x = Q as one row. A branch is a state, an action and an observation.

    A policy chooses a next action for each branch.
    """

    def __init__(self, model: Model) -> None:
        self.discount, self.r = model.discount, model.expected_rewards
        branch = model.steps.row * model.n_observations + model.steps.observation
        order = np.argsort(branch, kind="stable")
        steps = model.steps[order]
        self.target, self.row = steps.next_state, steps.row
        self.weight = model.discount * steps.probability
        self.first: IntArray = np.flatnonzero(np.diff(branch[order], prepend=-1))
        self.max_row_entries = 2 + int(np.bincount(self.row).max())
        self.shape = (1, self.r.size)

    def apply(self, x: FloatArray) -> BellmanBackup:
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
        error = rounding_of(mass, Q, self.max_row_entries)
        low, value, high = (q.reshape(1, -1) for q in (Q - error, Q, Q + error))
        return BellmanBackup(Q, error, low, value, high, lambda: self._policy(choice))

    def _sums(self, q: FloatArray) -> FloatArray:
        """Sum over each branch's successors."""
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


OPERATORS: dict[Method, type[MdpOperator | BlindOperator | FibOperator]] = {
    "mdp": MdpOperator,
    "qmdp": MdpOperator,
    "fib": FibOperator,
    "blind": BlindOperator,
}
