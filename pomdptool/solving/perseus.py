"""Perseus: randomised point-based value iteration (Spaan and Vlassis 2005).

Beliefs that random actions meet from the start are collected once. A stage takes one of them at
random, backs it up,

    alpha = argmax over a of b . (r[a] + g sum over o of T[a] Z[a, ., o] best vector after (a, o)),

and goes on among the beliefs whose value that has not raised, until none is left; a vector often
serves many. The first vectors are those of the blind policies, so that every set is a lower bound
everywhere: what a backup makes of a lower bound is one. The upper bound is FIB's, and stays.

A backup is linked to the vectors ahead, which other stages may drop. The policy graph that follows
these links from the initial belief's vector earns what that says, and is the policy that acts.

It stops when the bounds are close, or when a stage that backs up every belief raises no value by
more than a tenth of (1 - g) times the gap asked for ("fixed-point"), or than rounding explains
("rounding"); such a stage follows any that raised no more.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pomdptool.graph import NOWHERE, PolicyGraph
from pomdptool.model import Model
from pomdptool.policy import AlphaVectors, Bounds
from pomdptool.solving.bounds import fixed_point
from pomdptool.solving.observed.policy_iteration import UNIT, at_start
from pomdptool.solving.solution import LimitReached, Monitor, Solution, require_discount
from pomdptool.sparse import FloatArray, IntArray
from pomdptool.steps import arrival_rows

BELIEFS = 1000
"""Most beliefs that are collected."""

NUMBERS = 1 << 27
"""Most numbers that the beliefs are made of: large models get fewer."""


def solve_perseus(
    model: Model,
    *,
    rng: np.random.Generator,
    precision: float = 1e-3,
    beliefs: int = BELIEFS,
    monitor: Monitor | None = None,
) -> Solution:
    """Improve vectors at sampled beliefs until the bounds at the start are close, or no more rise.

    Parameters
    ----------
    precision
        The gap between the bounds at which to stop, relative to max(1, |lower bound|).
    beliefs
        How many beliefs to collect at most.

    Raises
    ------
    PomdpError
        With discount 1.
    """
    require_discount(model, None)
    monitor = monitor or Monitor()
    blind = fixed_point(model, "blind", precision=precision, horizon=None, monitor=monitor)
    fib = fixed_point(model, "fib", precision=precision, horizon=None, monitor=monitor)
    upper = at_start(model, fib.Q)[1]
    run = _Run(model, rng, monitor, upper, AlphaVectors(np.arange(model.n_actions), blind.Q))
    reasons = {blind.stop_reason, fib.stop_reason} - {None, "rounding"}
    reason = reasons.pop() if reasons else None
    if reason is None:
        try:
            reason = run.until_no_more_rise(precision, beliefs)
        except LimitReached as stopped:
            reason = stopped.reason
    return run.solution(reason)


@dataclass(slots=True)
class _Run:
    """One run: the vectors so far, and the model's entries as backups need them.

    Every vector ever made is a node of a policy graph: `links` holds the nodes that follow each
    observation, and `nodes` which ones the present vectors are.
    """

    model: Model
    rng: np.random.Generator
    monitor: Monitor
    upper: float
    vectors: AlphaVectors
    stages: int = 0
    backups: int = 0
    steps: _Steps = field(init=False)
    nodes: IntArray = field(init=False)
    actions: list[int] = field(init=False)
    links: list[IntArray] = field(init=False)

    def __post_init__(self) -> None:
        self.steps = _Steps(self.model)
        self.nodes = np.arange(self.model.n_actions)
        self.actions = self.nodes.tolist()
        self.links = [self.steps.linked(a, np.array([a])) for a in self.actions]

    @property
    def noise(self) -> float:
        """Rounding of a backup, at most."""
        largest = float(np.abs(self.vectors.values).max())
        return UNIT * self.steps.longest * largest

    @property
    def bounds(self) -> Bounds:
        """Certified bounds at the start belief."""
        error = self.noise / (1.0 - self.model.discount) * bool(self.stages)
        lower = at_start(self.model, self.vectors.values)[0] - error
        return Bounds(lower, max(lower, self.upper))

    def until_no_more_rise(self, precision: float, beliefs: int) -> str:
        """Run stages; return why they ended. Raises LimitReached."""
        most = max(1, min(beliefs, NUMBERS // self.model.n_states))
        points = explored(self.steps, most, self.rng, self.monitor)
        wanted = 0.1 * (1.0 - self.model.discount) * precision
        every = False
        while not self.bounds.closed(precision):
            rise = self.stage(points, every=every)
            self.stages += 1
            bounds = self.bounds
            self.monitor.step(self.stages, len(self.vectors.actions), bounds, beliefs=len(points))
            enough = wanted * max(1.0, abs(bounds.lower))
            if every and rise <= max(enough, self.noise):
                return "fixed-point" if enough >= self.noise else "rounding"
            every = rise <= max(enough, self.noise)
        return "precision"

    def stage(self, points: FloatArray, *, every: bool) -> float:
        """Raise every point's value, or keep it; return the largest rise. Raises LimitReached.

        With `every` all points are backed up, also those that another's vector has raised.
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
                action, row, ahead = self.steps.backup(points[k], old.values)
                self.backups += 1
                if row @ points[k] < before[k]:
                    best = int(np.argmax(old.values @ points[k]))
                    action, row = int(old.actions[best]), old.values[best]
                    nodes.append(int(self.nodes[best]))
                else:
                    nodes.append(len(self.actions))
                    self.actions.append(action)
                    self.links.append(self.steps.linked(action, self.nodes[ahead]))
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
        """The controller of the initial belief's vector; None where it is too large."""
        root = int(self.nodes[np.argmax(self.vectors.values @ self.model.start)])
        if len(self.links) * self.model.n_observations > NUMBERS:
            return None
        graph = PolicyGraph(np.array(self.actions), np.array(self.links), root)
        if self.model.mdp:
            return graph.with_initial_nodes(self.nodes[self.vectors.values.argmax(axis=0)])
        return graph.subgraph(graph.breadth_first())

    def solution(self, reason: str) -> Solution:
        """Put the result together."""
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


class _Steps:
    """The entries of T, and those of Z by branch: number a * Z + o for action a, observation o."""

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
        self.longest = 2 + int(np.diff(T.indptr).max()) + int(np.diff(Z.indptr).max())

    def linked(self, action: int, ahead: IntArray) -> IntArray:
        """Nodes after each observation, NOWHERE where the action cannot lead to it."""
        n = self.model.n_observations
        possible = np.diff(self.first)[action * n : (action + 1) * n] > 0
        return np.where(possible, ahead, NOWHERE)

    def weights(self, b: FloatArray) -> FloatArray:
        """Chance, for each entry of Z, of its state and observation after its action from b."""
        T, model = self.model.sparse_T, self.model
        n = model.n_actions * model.n_states
        moved = b[self.source] * T.data
        arrived = np.bincount(self.arrival, weights=moved, minlength=n)
        weights: FloatArray = self.probability * arrived[self.row]
        return weights

    def backup(self, b: FloatArray, values: FloatArray) -> tuple[int, FloatArray, IntArray]:
        """The action and vector that a backup of `values`, shape (n, S), has at belief b.

        And which of the values follows each observation.
        """
        from scipy.sparse import csr_array

        model, T = self.model, self.model.sparse_T
        shape = (len(self.first) - 1, model.n_states)
        after = csr_array((self.weights(b), self.state, self.first), shape=shape)
        best = (after @ values.T).argmax(axis=1)
        ahead = np.bincount(
            self.row,
            weights=self.probability * values[best[self.branch], self.state],
            minlength=model.n_actions * model.n_states,
        )
        summed = T.sum_rows(T.data * ahead[self.arrival])
        rows = model.expected_rewards + model.discount * summed.reshape(model.n_actions, -1)
        action = int(np.argmax(rows @ b))
        n = model.n_observations
        return action, rows[action], best[action * n : (action + 1) * n]

    def after(self, b: FloatArray, rng: np.random.Generator) -> FloatArray:
        """A belief that a random action from b leads to."""
        n = self.model.n_observations
        weights = self.weights(b)
        first = int(rng.integers(self.model.n_actions)) * n
        chance = np.bincount(self.branch, weights=weights, minlength=first + n)[first : first + n]
        branch = first + int(rng.choice(n, p=chance / chance.sum()))
        part = slice(self.first[branch], self.first[branch + 1])
        joint = np.zeros(self.model.n_states)
        joint[self.state[part]] = weights[part]
        joint /= joint.sum()
        return joint


def explored(steps: _Steps, most: int, rng: np.random.Generator, monitor: Monitor) -> FloatArray:
    """Different beliefs that random actions meet, the start's first; at most so many.

    An episode ends after each step with a chance of 1 - discount. Raises LimitReached.
    """
    start = steps.model.start
    found = {start.round(12).tobytes(): start}
    b = start
    for _ in range(3 * most):
        if len(found) == most:
            break
        monitor.check()
        b = start if rng.random() >= steps.model.discount else steps.after(b, rng)
        found.setdefault(b.round(12).tobytes(), b)
    return np.array(list(found.values()))
