"""Exact value iteration over the whole belief simplex, by incremental pruning.

One backup maps a set of vectors G to the set of the next stage,

    prune( union over a of  r[a] + sum over o of prune( g M[a, o] G ) ),
    M[a, o][s, s'] = T[a, s, s'] Z[a, s', o],

where sums of sets are all sums of their elements, pruned after each summand (Cassandra, Littman
and Zhang 1997).

Without a horizon the iteration starts from the blind policies, a lower bound that each backup H
raises. After each backup the controller that the vectors describe is evaluated and its values are
added: they are what a policy earns, so still a lower bound, and fewer backups are needed (Hansen
1998). If V is the set before a backup, V' the set after it, V' <= V + d everywhere, and pruning
lost at most e, then the optimum lies within (g d + e) / (1 - g) above V'. The iteration stops when
that is below the precision asked for, or when d no longer matters beside e ("rounding").
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pomdptool.model import Model
from pomdptool.policy import AlphaVectors, Bounds, SolvedPolicy, problem_of
from pomdptool.solving.bounds import fixed_point
from pomdptool.solving.prune import prune
from pomdptool.solving.solution import Solution, Stopped, Watch, require_end, rewards_ahead
from pomdptool.sparse import FloatArray, IntArray

MAX_WITNESSES = 2000
"""Beliefs that are kept to be tried before linear programs."""

EVALUATION_SWEEPS = 400
"""Most sweeps to evaluate a controller."""

INWARD = 1e-3
"""How far witnesses are moved towards the centre, where vectors that tie at the rim differ."""


def solve_exact(
    model: Model,
    *,
    precision: float = 1e-3,
    horizon: int | None = None,
    watch: Watch | None = None,
) -> Solution:
    """Solve by exact value iteration.

    Parameters
    ----------
    precision
        Without a horizon: the certified error, over the whole simplex, relative to
        max(1, |value at the start belief|), at which to stop.
    horizon
        Number of steps to go; the result is exact for it.

    Raises
    ------
    PomdpError
        With discount 1 and no horizon.
    """
    require_end(model, horizon)
    watch = watch or Watch()
    run = _Run(model, watch)
    if horizon is None:
        return _without_end(run, precision)
    return _with_horizon(run, horizon)


def _with_horizon(run: _Run, horizon: int) -> Solution:
    model, watch = run.model, run.watch
    stage = _Stage(np.zeros(1, np.int64), np.zeros((1, model.n_states)), None)
    done, reason = 0, "horizon"
    try:
        for done in range(horizon):
            stage = run.backup(stage)
            value = stage.value(model.start)
            watch.step(done + 1, len(stage.values), Bounds(value, value))
        done = horizon
    except Stopped as stopped:
        reason = stopped.reason
    value, rest = stage.value(model.start), rewards_ahead(model, done, horizon)
    loss = run.loss * sum(model.discount**t for t in range(done))
    bounds = Bounds(value + rest.lower, value + rest.upper + loss)
    return run.solution(stage, bounds, reason, reason == "horizon", done, horizon=done)


def _without_end(run: _Run, precision: float) -> Solution:
    model, watch = run.model, run.watch
    g = model.discount
    blind = fixed_point(model, "blind", precision=precision, horizon=None, watch=watch)
    above = fixed_point(model, "qmdp", precision=precision, horizon=None, watch=watch)
    upper = float((above.Q @ model.start).max())
    stage = _Stage(np.arange(model.n_actions), blind.Q, None)
    reason, epochs = "precision", 0
    try:
        while True:
            after = run.backup(stage)
            epochs += 1
            rise = g * run.rise(after, stage)
            error = (rise + run.loss) / (1.0 - g)
            value = after.value(model.start)
            upper = min(upper, value + error)
            watch.step(epochs, len(after.values), Bounds(value, max(upper, value)))
            if error <= precision * max(1.0, abs(value)) or rise <= run.loss:
                stage = after
                break
            stage = run.with_controller(after)
    except Stopped as stopped:
        reason = stopped.reason
    value = stage.value(model.start)
    bounds = Bounds(value, max(upper, value))
    if reason == "precision" and not bounds.closed(precision):
        reason = "rounding"
    return run.solution(stage, bounds, reason, reason == "precision", epochs, horizon=None)


@dataclass(frozen=True, eq=False, slots=True)
class _Stage:
    """A set of vectors; `witnesses` (n, S) are beliefs where each is the largest, if known."""

    actions: IntArray
    values: FloatArray
    witnesses: FloatArray | None

    def value(self, b: FloatArray) -> float:
        return float((self.values @ b).max())


@dataclass(frozen=True, eq=False, slots=True)
class _Branch:
    """M[a, o]: entries sorted by row; `first` begins the rows that have some."""

    rows: IntArray
    first: IntArray
    columns: IntArray
    weights: FloatArray

    def project(self, vectors: FloatArray, n_states: int) -> FloatArray:
        """M v for each v; shape (n, S)."""
        result = np.zeros((len(vectors), n_states))
        products = vectors[:, self.columns] * self.weights
        result[:, self.rows] = np.add.reduceat(products, self.first, axis=1)
        return result


@dataclass(slots=True)
class _Run:
    """One solve: the model's branches, the beliefs worth trying, and the counts."""

    model: Model
    watch: Watch
    branches: list[list[_Branch]] = field(init=False)
    beliefs: FloatArray = field(init=False)
    backups: int = 0
    lost: float = 0.0  # in the backup at hand, at most
    loss: float = 0.0  # the most in any backup

    def __post_init__(self) -> None:
        self.branches = _branches(self.model)
        self.beliefs = self.model.start[np.newaxis]

    def prune(self, vectors: FloatArray) -> tuple[IntArray, FloatArray]:
        """Prune, remembering the witnesses."""
        self.watch.check(len(vectors) if self.watch.max_vectors is not None else 0)
        pruned = prune(vectors, self.beliefs, self.watch.check)
        self.lost += pruned.lost
        return pruned.kept, pruned.witnesses

    def backup(self, stage: _Stage) -> _Stage:
        """One backup of a whole set."""
        model = self.model
        self.lost = 0.0
        actions, values, witnesses = [], [], []
        for a in range(model.n_actions):
            total = model.expected_rewards[a][np.newaxis]
            found = None
            for branch in self.branches[a]:
                projected = model.discount * branch.project(stage.values, model.n_states)
                projected = projected[self.prune(projected)[0]]
                sums = (total[:, np.newaxis] + projected[np.newaxis]).reshape(-1, model.n_states)
                self.backups += len(sums)
                kept, found = self.prune(sums)
                total = sums[kept]
            actions.append(np.full(len(total), a))
            values.append(total)
            witnesses.append(np.tile(model.start, (len(total), 1)) if found is None else found)
        union = np.vstack(values)
        self._remember(np.vstack(witnesses))
        kept, found = self.prune(union)
        self._remember(found)
        self.loss = max(self.loss, self.lost)
        return _Stage(np.concatenate(actions)[kept], union[kept], found)

    def _remember(self, witnesses: FloatArray) -> None:
        beliefs = np.vstack([self.model.start, witnesses, self.beliefs])
        _, first = np.unique(beliefs.round(9), axis=0, return_index=True)
        self.beliefs = beliefs[np.sort(first)[:MAX_WITNESSES]]

    def rise(self, after: _Stage, before: _Stage) -> float:
        """Bound how far one set exceeds another at any belief, by comparing vectors singly."""
        worst = 0.0
        for v in after.values:
            worst = max(worst, float((v - before.values).max(axis=1).min()))
        return worst

    def with_controller(self, stage: _Stage) -> _Stage:
        """Add the values of the controller that acts as the vectors do at their witnesses."""
        evaluated = self._evaluate(stage)
        both = np.vstack([evaluated, stage.values])
        kept, witnesses = self.prune(both)
        return _Stage(np.tile(stage.actions, 2)[kept], both[kept], witnesses)

    def _evaluate(self, stage: _Stage) -> FloatArray:
        """Value of each node: sweeps from below, so that any number of them is a lower bound."""
        model, n = self.model, len(stage.values)
        assert stage.witnesses is not None
        beliefs = (1.0 - INWARD) * stage.witnesses + INWARD / model.n_states
        groups = []
        for a in np.unique(stage.actions).tolist():
            nodes = np.flatnonzero(stage.actions == a)
            links = []
            for branch in self.branches[a]:
                worth = beliefs[nodes] @ branch.project(stage.values, model.n_states).T
                links.append(np.argmax(worth, axis=1))
            groups.append((a, nodes, links))
        values = stage.values
        for _ in range(EVALUATION_SWEEPS):
            self.watch.check()
            after = np.empty((n, model.n_states))
            for a, nodes, links in groups:
                after[nodes] = model.expected_rewards[a]
                for branch, link in zip(self.branches[a], links, strict=True):
                    ahead = branch.project(values, model.n_states)[link]
                    after[nodes] += model.discount * ahead
            change = float(np.abs(after - values).max())
            values = after
            if change <= 1e-10 * max(1.0, float(np.abs(values).max())):
                break
        return values

    def solution(
        self,
        stage: _Stage,
        bounds: Bounds,
        reason: str,
        converged: bool,
        iterations: int,
        horizon: int | None,
    ) -> Solution:
        """Put the result together."""
        policy = SolvedPolicy(
            problem=problem_of(self.model),
            method="exact",
            vectors=AlphaVectors(stage.actions, stage.values),
            bounds=bounds,
            converged=converged,
            stop_reason=reason,
            horizon=horizon,
            stats={
                "seconds": self.watch.seconds,
                "iterations": iterations,
                "vectors": len(stage.values),
                "backups": self.backups,
            },
        )
        return Solution(policy, tuple(self.watch.trace))


def _branches(model: Model) -> list[list[_Branch]]:
    """M[a, o] for every action and possible observation."""
    T, Z, S = model.sparse_T, model.sparse_Z, model.n_states
    support = model.support
    row = T.row_of_entry()[support.t_entry]
    o = Z.indices[support.z_entry]
    weight = T.data[support.t_entry] * Z.data[support.z_entry]
    column = T.indices[support.t_entry].astype(np.int64)
    order = np.lexsort((row, o, row // S))
    key = (row // S * model.n_observations + o)[order]
    bounds = np.flatnonzero(np.diff(key, prepend=-1))
    branches: list[list[_Branch]] = [[] for _ in range(model.n_actions)]
    for part in np.split(order, bounds[1:]):
        rows = row[part] % S
        first = np.flatnonzero(np.diff(rows, prepend=-1))
        branch = _Branch(rows[first], first, column[part], weight[part])
        branches[int(row[part[0]]) // S].append(branch)
    return branches
