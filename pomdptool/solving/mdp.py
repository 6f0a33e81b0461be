"""Planning where the state is observed: in MDPs, and wherever observations tell as much.

After every action the observation tells the state arrived in. A belief is then uncertain before
the first step at most, so the rows of

    Q[a, s] = r[a, s] + g sum over s' of T[a, s, s'] V[s'],    V[s] = max over a of Q[a, s]

are all the vectors that are needed: the optimum at any belief b is the largest Q[a] . b.

With a horizon the equation is swept that many times, from 0. Without one this is modified policy
iteration (Puterman and Shin 1978): a sweep takes V to HV and gives the greedy policy, which is then
evaluated, not further than pays. With d = HV - V the sweep certifies, in every state, both for what
the greedy policy earns and for the optimum (MacQueen 1966, Porteus 1971),

    HV + g / (1 - g) min d  <=  V_greedy  <=  V*  <=  HV + g / (1 - g) max d,

and the same with Q in place of HV. Only the span of d matters, not its level. The iteration stops
when g / (1 - g) times the span is below the precision asked for; the vectors are Q at its lower
end.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pomdptool.graph import PolicyGraph
from pomdptool.model import Model
from pomdptool.policy import AlphaVectors, Bounds, SolvedPolicy, problem_of
from pomdptool.solving.mdp_graph import GRAPH_CELLS, ending_graph, endless_graph
from pomdptool.solving.solution import Solution, Stopped, Watch, require_end, rewards_ahead
from pomdptool.sparse import FloatArray, IntArray

GAIN = 0.1
"""A policy is evaluated until the span of a sweep's change has fallen by this factor."""

PATIENCE = 100
"""Sweeps of a policy after which its equations are factorised instead, where that is cheap."""

MAX_FACTORING = 2_000_000_000
"""Most multiplications that a factorisation may take; 10,000 states of a grid take 0.1 s."""

MAX_FACTORS = 20_000_000
"""Most numbers in a factor."""


def observes_state(model: Model) -> bool:
    """Whether after every action the observation tells the state arrived in.

    No two states that the same action can lead to, from wherever, share an observation.
    """
    T, Z, S = model.sparse_T, model.sparse_Z, model.n_states
    arrived = np.zeros(T.n_rows, dtype=bool)
    arrived[T.row_of_entry() // S * S + T.indices] = True
    row = Z.row_of_entry()
    seen = np.flatnonzero(arrived[row])
    told = row[seen] // S * model.n_observations + Z.indices[seen]
    enough = len(told) <= model.n_actions * model.n_observations
    return enough and len(np.unique(told)) == len(told)


def solve_observed(
    model: Model,
    *,
    precision: float = 1e-3,
    horizon: int | None = None,
    terminal: FloatArray | None = None,
    all_stages: bool = False,
    watch: Watch | None = None,
) -> Solution:
    """Solve a model that observes its state (see `observes_state`), exactly at every belief.

    Parameters
    ----------
    precision
        Without a horizon: the certified error, at every belief, relative to
        max(1, |value at the start belief|), at which to stop.
    horizon
        Number of steps to go.
    terminal
        Shape (n, S), with a horizon: a belief after the last step is worth the largest of these
        vectors; by default 0.
    all_stages
        With a horizon: keep the values with 1, 2, ... steps to go.

    Raises
    ------
    PomdpError
        With discount 1 and no horizon.
    """
    require_end(model, horizon)
    watch = watch or Watch()
    steps = _Steps(model)
    if horizon is None:
        found = _endless(steps, precision, watch)
    else:
        found = _ending(steps, horizon, terminal, all_stages, watch)
    policy = SolvedPolicy(
        problem=problem_of(model),
        method="exact",
        values=AlphaVectors(np.arange(model.n_actions), found.Q),
        bounds=found.bounds,
        converged=found.stop_reason in ("precision", "horizon"),
        stop_reason=found.stop_reason,
        horizon=horizon,
        graph=found.graph,
        stats={
            "seconds": watch.seconds,
            "iterations": found.sweeps,
            "vectors": model.n_actions,
            "backups": found.sweeps * found.Q.size,
        },
        stages=tuple(AlphaVectors(np.arange(model.n_actions), Q) for Q in found.stages),
        terminal=terminal,
    )
    return Solution(policy, tuple(watch.trace))


@dataclass(frozen=True, eq=False, slots=True)
class _Found:
    """Q[a, s] after some sweeps, why these ended, bounds at the start belief, the policy graph.

    `stages` holds Q with 1, 2, ... steps to go, where they were asked for.
    """

    Q: FloatArray
    bounds: Bounds
    sweeps: int = 0
    stop_reason: str = ""
    graph: PolicyGraph | None = None
    stages: tuple[FloatArray, ...] = ()


def _endless(steps: _Steps, precision: float, watch: Watch) -> _Found:
    model = steps.model
    V = np.zeros(model.n_states)
    best, sweeps, reason = None, 0, ""
    while not reason:
        Q = steps.look_ahead(V)
        sweeps += 1
        after = Q.max(axis=0)
        found = _certified(model, Q, after - V)
        if best is None or found.bounds.gap < best.bounds.gap:
            best = found
        watch.step(sweeps, model.n_actions, best.bounds, error=best.bounds.gap)
        span, noise = float(np.ptp(after - V)), steps.rounding(Q)
        if best.bounds.closed(precision):
            reason = "precision"
        elif span <= noise:
            reason = "rounding"
        else:
            try:
                V = steps.evaluated(Q.argmax(axis=0), after, max(noise, GAIN * span), watch)
            except Stopped as stopped:
                reason = stopped.reason
    assert best is not None
    graph = endless_graph(model, best.Q)
    return replace(best, sweeps=sweeps, stop_reason=reason, graph=graph)


def _certified(model: Model, Q: FloatArray, change: FloatArray) -> _Found:
    """Q at the lower end of what a sweep certifies, and both ends at the start belief."""
    ahead = model.discount / (1.0 - model.discount)
    low, high = ahead * float(change.min()), ahead * float(change.max())
    value = float((Q @ model.start).max())
    return _Found(Q + low, Bounds(value + low, value + high))


def _ending(
    steps: _Steps, horizon: int, terminal: FloatArray | None, all_stages: bool, watch: Watch
) -> _Found:
    model = steps.model
    Q = np.zeros_like(steps.r) if terminal is None else terminal
    stages: list[FloatArray] = []
    policies: list[IntArray] = []
    kept = horizon * model.n_states <= GRAPH_CELLS
    done, reason = 0, ""
    while not reason:
        if done and kept:
            policies.append(Q.argmax(axis=0))
        Q = steps.look_ahead(Q.max(axis=0))
        done += 1
        if all_stages:
            stages.append(Q)
        value, rest = float((Q @ model.start).max()), rewards_ahead(model, done, horizon, terminal)
        bounds = Bounds(value + rest.lower, value + rest.upper)
        watch.step(done, model.n_actions, bounds)
        if done == horizon:
            reason = "horizon"
        else:
            try:
                watch.check(model.n_actions)
            except Stopped as stopped:
                reason = stopped.reason
    found = _Found(Q, bounds, done, reason, stages=tuple(stages))
    if not kept or reason != "horizon":
        return found
    return replace(found, graph=ending_graph(model, Q, policies))


class _Steps:
    """r[a, s], and g T as a sparse matrix of rows a * S + s."""

    def __init__(self, model: Model) -> None:
        from scipy.sparse import csr_matrix

        T, self.model, self.r = model.sparse_T, model, model.expected_rewards
        entries = (model.discount * T.data, T.indices, T.indptr)
        self.matrix: Any = csr_matrix(entries, shape=(T.n_rows, T.n_columns))
        self.longest = int(np.diff(T.indptr).max())

    def look_ahead(self, V: FloatArray) -> FloatArray:
        """Q[a, s] where arriving in s' is worth V[s']."""
        Q: FloatArray = self.r + (self.matrix @ V).reshape(self.r.shape)
        return Q

    def rounding(self, Q: FloatArray) -> float:
        """Span of a sweep's change that may be rounding alone."""
        return 2.0**-50 * (self.longest + 2) * float(np.abs(Q).max())

    def evaluated(self, policy: IntArray, V: FloatArray, target: float, watch: Watch) -> FloatArray:
        """Value of a policy, from V on, until a sweep changes it by a span of at most `target`."""
        rows = policy * len(V) + np.arange(len(V))
        matrix, r = self.matrix[rows], self.r.ravel()[rows]
        for sweeps in itertools.count(1):
            watch.check(self.model.n_actions)
            before, V = V, r + matrix @ V
            if np.ptp(V - before) <= target:
                break
            if sweeps == PATIENCE and (solved := _factored(matrix, r)) is not None:
                return solved
        return V


def _factored(matrix: Any, r: FloatArray) -> FloatArray | None:
    """Solve V = r + matrix V directly; None where no order of the states makes that cheap.

    With all entries within a band about the diagonal the factors stay inside it (Cuthill and McKee
    1969); the diagonal dominates, so there is no need of pivots.
    """
    from scipy.sparse import identity
    from scipy.sparse.csgraph import reverse_cuthill_mckee
    from scipy.sparse.linalg import splu

    order = reverse_cuthill_mckee(matrix, symmetric_mode=False)
    place = np.argsort(order)
    source, target = matrix.nonzero()
    band = float(np.abs(place[source] - place[target]).max(initial=0))
    if len(r) * band > MAX_FACTORS or len(r) * band**2 > MAX_FACTORING:
        return None
    system = (identity(len(r), format="csr") - matrix)[order][:, order]
    try:
        factors = splu(system.tocsc(), permc_spec="NATURAL", diag_pivot_thresh=0.0)
    except RuntimeError:  # singular: the discount is 1 up to rounding
        return None
    solved: FloatArray = factors.solve(r[order])[place]
    return solved
