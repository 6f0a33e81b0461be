"""Perseus: randomised point-based value iteration (Spaan and Vlassis 2005).

Beliefs are sampled once, by random actions from the initial belief. A stage picks one at random,
backs it up,

    alpha = argmax over a of b . (r[a] + g sum over o of T[a] Z[a, ., o] best vector after (a, o)),

and continues with the beliefs whose value has not yet risen, until none is left; one vector often
improves many beliefs. The initial vectors are those of the blind policies, so every set is a lower
bound: backups preserve lower bounds. The upper bound is FIB's and does not change.

A new vector is linked to the vectors it was backed up from, which later stages may drop. The policy
graph that follows these links from the initial belief's vector attains its value, and is executed.

The iteration stops when the bounds are close enough, or when a stage that backs up every belief
raises no value by more than a tenth of (1 - g) times the target gap ("fixed-point") or more than
rounding explains ("rounding"). Such a full stage follows any stage that raised no more.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pomdptool.graph import NOWHERE, PolicyGraph
from pomdptool.model import Model
from pomdptool.policy import AlphaVectors, Bounds
from pomdptool.solving.bounds import fixed_point
from pomdptool.solving.observed.policy_iteration import UNIT_ROUNDOFF, enclose_initial_value
from pomdptool.solving.solution import LimitReached, Monitor, Solution, require_discount
from pomdptool.sparse import FloatArray, IntArray
from pomdptool.steps import arrival_rows

BELIEFS = 1000
"""Maximum number of sampled beliefs."""

MAX_ENTRIES = 1 << 27
"""Maximum entries of all sampled beliefs; limits their number in large models."""


def solve_perseus(
    model: Model,
    *,
    rng: np.random.Generator,
    precision: float = 1e-3,
    beliefs: int = BELIEFS,
    monitor: Monitor | None = None,
) -> Solution:
    """Run Perseus with at most `beliefs` sampled beliefs (other parameters as for `solve`)."""
    require_discount(model, None)
    monitor = monitor or Monitor()
    blind = fixed_point(model, "blind", precision=precision, horizon=None, monitor=monitor)
    fib = fixed_point(model, "fib", precision=precision, horizon=None, monitor=monitor)
    upper = enclose_initial_value(model, fib.Q)[1]
    run = _Perseus(model, rng, monitor, upper, AlphaVectors(np.arange(model.n_actions), blind.Q))
    reasons = {blind.stop_reason, fib.stop_reason} - {None, "rounding"}
    reason = reasons.pop() if reasons else None
    if reason is None:
        try:
            reason = run.run(precision, beliefs)
        except LimitReached as stopped:
            reason = stopped.reason
    return run.solution(reason)


@dataclass(slots=True)
class _Perseus:
    """State of the iteration.

    Every vector ever created is a node of a policy graph, with its successors by observation in
    `links`; `nodes` are the nodes of the current `vectors`.
    """

    model: Model
    rng: np.random.Generator
    monitor: Monitor
    upper: float
    vectors: AlphaVectors
    stages: int = 0
    backups: int = 0
    steps: _PointBackup = field(init=False)
    nodes: IntArray = field(init=False)
    actions: list[int] = field(init=False)
    links: list[IntArray] = field(init=False)

    def __post_init__(self) -> None:
        self.steps = _PointBackup(self.model)
        self.nodes = np.arange(self.model.n_actions)
        self.actions = self.nodes.tolist()
        self.links = [self.steps.linked(a, np.array([a])) for a in self.actions]

    @property
    def rounding(self) -> float:
        """Bound on the rounding of a backup."""
        largest = float(np.abs(self.vectors.values).max())
        return UNIT_ROUNDOFF * self.steps.max_row_entries * largest

    @property
    def bounds(self) -> Bounds:
        """Certified bounds at the initial belief."""
        error = self.rounding / (1.0 - self.model.discount) * bool(self.stages)
        lower = enclose_initial_value(self.model, self.vectors.values)[0] - error
        return Bounds(lower, max(lower, self.upper))

    def run(self, precision: float, beliefs: int) -> str:
        """Run stages; return the stop reason. Raises LimitReached."""
        most = max(1, min(beliefs, MAX_ENTRIES // self.model.n_states))
        points = sample_beliefs(self.steps, most, self.rng, self.monitor)
        target = 0.1 * (1.0 - self.model.discount) * precision
        every = False
        while not self.bounds.closed(precision):
            rise = self.stage(points, every=every)
            self.stages += 1
            bounds = self.bounds
            self.monitor.step(self.stages, len(self.vectors.actions), bounds, beliefs=len(points))
            enough = target * max(1.0, abs(bounds.lower))
            if every and rise <= max(enough, self.rounding):
                return "fixed-point" if enough >= self.rounding else "rounding"
            every = rise <= max(enough, self.rounding)
        return "precision"

    def stage(self, points: FloatArray, *, every: bool) -> float:
        """Improve or keep the value of every point; return the largest rise. Raises LimitReached.

        With `every`, points already improved by another's vector are backed up as well.
        """
        old, before = self.vectors, (points @ self.vectors.values.T).max(axis=1)
        after = np.full(len(points), -np.inf)
        actions: list[int] = []
        rows: list[FloatArray] = []
        nodes: list[int] = []
        left = np.arange(len(points))
        try:
            while len(left):
                k = int(self.rng.choice(left))
                action, row, links = self.steps.backup(points[k], old.values)
                self.backups += 1
                if row @ points[k] < before[k]:
                    best = int(np.argmax(old.values @ points[k]))
                    action, row = int(old.actions[best]), old.values[best]
                    nodes.append(int(self.nodes[best]))
                else:
                    nodes.append(len(self.actions))
                    self.actions.append(action)
                    self.links.append(self.steps.linked(action, self.nodes[links]))
                actions.append(action)
                rows.append(row)
                np.maximum(after, points @ row, out=after)
                left = left[(every | (after[left] < before[left])) & (left != k)]
                self.monitor.check(len(rows))
        except LimitReached:
            self.vectors = AlphaVectors(
                np.append(old.actions, actions).astype(np.int64), np.vstack([old.values, *rows])
            )
            self.nodes = np.append(self.nodes, nodes).astype(np.int64)
            raise
        kept = np.unique((points @ np.array(rows).T).argmax(axis=1))
        self.vectors = AlphaVectors(np.array(actions)[kept], np.array(rows)[kept])
        self.nodes = np.array(nodes)[kept]
        return float((after - before).max())

    def graph(self) -> PolicyGraph | None:
        """Policy graph of the initial belief's vector; None if it is too large."""
        root = int(self.nodes[np.argmax(self.vectors.values @ self.model.start)])
        if len(self.links) * self.model.n_observations > MAX_ENTRIES:
            return None
        graph = PolicyGraph(np.array(self.actions), np.array(self.links), root)
        if self.model.mdp:
            return graph.with_initial_nodes(self.nodes[self.vectors.values.argmax(axis=0)])
        return graph.subgraph(graph.breadth_first())

    def solution(self, reason: str) -> Solution:
        """Return the result."""
        bounds = self.bounds
        if not self.monitor.trace:
            self.monitor.step(self.stages, len(self.vectors.actions), bounds)
        return Solution.of(
            self.model,
            "perseus",
            self.monitor,
            self.vectors,
            bounds,
            reason,
            converged=reason == "precision",
            counts={
                "iterations": self.stages,
                "vectors": len(self.vectors.actions),
                "backups": self.backups,
            },
            graph=self.graph(),
        )


class _PointBackup:
    """Point-based backups, with the entries of Z sorted by branch, a * Z + o."""

    def __init__(self, model: Model) -> None:
        T, Z, S = model.sparse_T, model.sparse_Z, model.n_states
        self.model = model
        self.action, self.source = np.divmod(T.row_of_entry(), S)
        self.arrival = arrival_rows(T)
        row = Z.row_of_entry()
        branch = (row // S) * model.n_observations + Z.indices
        order = np.argsort(branch, kind="stable")
        self.row, self.branch, self.probability = row[order], branch[order], Z.data[order]
        self.state = self.row % S
        n_branches = model.n_actions * model.n_observations
        self.first = np.searchsorted(self.branch, np.arange(n_branches + 1))
        self.max_row_entries = 2 + int(np.diff(T.indptr).max()) + int(np.diff(Z.indptr).max())

    def linked(self, action: int, nodes: IntArray) -> IntArray:
        """Successors by observation, NOWHERE if that is impossible after the action."""
        n = self.model.n_observations
        possible = np.diff(self.first)[action * n : (action + 1) * n] > 0
        return np.where(possible, nodes, NOWHERE)

    def weights(self, b: FloatArray) -> FloatArray:
        """Joint probability of the state and observation of each entry of Z, from b."""
        T, model = self.model.sparse_T, self.model
        n = model.n_actions * model.n_states
        moved = b[self.source] * T.data
        arrived = np.bincount(self.arrival, weights=moved, minlength=n)
        weights: FloatArray = self.probability * arrived[self.row]
        return weights

    def backup(self, b: FloatArray, values: FloatArray) -> tuple[int, FloatArray, IntArray]:
        """Back up `values`, shape (n, S), at belief b.

        Returns the action, the vector, and the row of `values` that follows each observation.
        """
        from scipy.sparse import csr_array

        model, T = self.model, self.model.sparse_T
        shape = (len(self.first) - 1, model.n_states)
        after = csr_array((self.weights(b), self.state, self.first), shape=shape)
        best = (after @ values.T).argmax(axis=1)
        next_value = np.bincount(
            self.row,
            weights=self.probability * values[best[self.branch], self.state],
            minlength=model.n_actions * model.n_states,
        )
        summed = T.sum_rows(T.data * next_value[self.arrival])
        rows = model.expected_rewards + model.discount * summed.reshape(model.n_actions, -1)
        action = int(np.argmax(rows @ b))
        n = model.n_observations
        return action, rows[action], best[action * n : (action + 1) * n]

    def after(self, b: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Sample the belief after a random action in b."""
        n = self.model.n_observations
        weights = self.weights(b)
        first = int(rng.integers(self.model.n_actions)) * n
        p = np.bincount(self.branch, weights=weights, minlength=first + n)[first : first + n]
        branch = first + int(rng.choice(n, p=p / p.sum()))
        part = slice(self.first[branch], self.first[branch + 1])
        joint = np.zeros(self.model.n_states)
        joint[self.state[part]] = weights[part]
        joint /= joint.sum()
        return joint


def sample_beliefs(
    steps: _PointBackup, most: int, rng: np.random.Generator, monitor: Monitor
) -> FloatArray:
    """Sample up to `most` distinct beliefs by random actions, the initial belief first.

    Episodes end with probability 1 - discount after each step. Raises LimitReached.
    """
    start = steps.model.start
    sampled = {start.round(12).tobytes(): start}
    b = start
    for _ in range(3 * most):
        if len(sampled) == most:
            break
        monitor.check()
        b = start if rng.random() >= steps.model.discount else steps.after(b, rng)
        sampled.setdefault(b.round(12).tobytes(), b)
    return np.array(list(sampled.values()))
