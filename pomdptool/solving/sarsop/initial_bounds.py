"""Bounds before any search: blind policies below, the MDP above.

They cost little, so that there is something certain to return at any moment from here on. With a
time limit each of the two may take a share of it; what is certain by then is kept (see `bounds`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pomdptool.kernels.sarsop.layout import ROUNDING
from pomdptool.model import Model
from pomdptool.policy import AlphaVectors, Bounds
from pomdptool.solving.bounds import fixed_point, repeated
from pomdptool.solving.solution import Monitor, Solution
from pomdptool.sparse import BoolArray, FloatArray
from pomdptool.steps import arrival_rows

SHARE = 0.1
"""Share of the time limit that each of the bounds may take."""


@dataclass(frozen=True, eq=False, slots=True)
class FirstBounds:
    """Values of repeating an action for ever, and of the MDP's actions, both of shape (A, S).

    Every value of a blind policy is at most what its action and the values that follow earn in
    floats, rounding included.
    """

    model: Model
    blind: FloatArray
    mdp: FloatArray

    @property
    def bounds(self) -> Bounds:
        """Bounds at the initial belief."""
        b = self.model.start
        lower = float((self.blind @ b).max())
        return Bounds(lower, max(lower, float(self.mdp.max(axis=0) @ b)))

    def solution(self, reason: str, monitor: Monitor) -> Solution:
        """The result of a search that did not begin: the best blind policy."""
        best = [int((self.blind @ self.model.start).argmax())]
        return Solution.of(
            self.model,
            "sarsop",
            monitor,
            AlphaVectors(np.array(best), self.blind[best]),
            self.bounds,
            reason,
            converged=False,
            counts={
                "iterations": 0,
                "vectors": 1,
                "backups": 0,
            },
            graph=repeated(self.model, self.blind, None),
        )


def first_bounds(model: Model, monitor: Monitor) -> FirstBounds:
    """Compute both, or what is certain of them within a share of the time limit."""
    blind = fixed_point(model, "blind", precision=1.0, horizon=None, monitor=_share(monitor))
    mdp = fixed_point(model, "mdp", precision=1.0, horizon=None, monitor=_share(monitor))
    first = FirstBounds(model, earned(model, blind.Q), mdp.Q)
    monitor.step(0, model.n_actions, first.bounds)
    return first


def _share(monitor: Monitor) -> Monitor:
    """The same monitor, with a limit so soon that the work is a share of all."""
    if monitor.time_limit is None:
        return monitor
    return replace(monitor, time_limit=monitor.seconds + SHARE * monitor.time_limit)


def earned(model: Model, Q: FloatArray) -> FloatArray:
    """Lower blind policies' values until each is at most what a step earns, rounding included.

    Where values exceed a step's by at most d they are lowered by d / (1 - g), and so are those
    of states that lead there.
    """
    r, T, g = model.expected_rewards, model.sparse_T, model.discount
    ahead = T.data * Q.ravel()[arrival_rows(T)]
    terms = (np.diff(T.indptr) + 4).reshape(r.shape)
    size = np.abs(r) + g * T.sum_rows(np.abs(ahead)).reshape(r.shape)
    short = Q - (r + g * T.sum_rows(ahead).reshape(r.shape) - ROUNDING * terms * size)
    lowered = Q.copy()
    for a in np.flatnonzero(short.max(axis=1) > 0.0).tolist():
        lowered[a, _leading_to(model, a, short[a] > 0.0)] -= 1.01 * short[a].max() / (1.0 - g)
    return lowered


def _leading_to(model: Model, action: int, states: BoolArray) -> BoolArray:
    """Which states an action, repeated, may take to some states; shape (S,)."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import breadth_first_order

    T, S = model.sparse_T, model.n_states
    first, last = T.indptr[action * S], T.indptr[(action + 1) * S]
    source = np.repeat(np.arange(S), np.diff(T.indptr[action * S : (action + 1) * S + 1]))
    goals = np.flatnonzero(states)
    # Against the steps, from a node of its own that leads to all goals.
    begin = np.concatenate([T.indices[first:last], np.full(len(goals), S)])
    end = np.concatenate([source, goals])
    graph = csr_matrix((np.ones(len(begin)), (begin, end)), shape=(S + 1, S + 1))
    found = np.zeros(S + 1, dtype=bool)
    found[breadth_first_order(graph, S, return_predecessors=False)] = True
    return found[:S]
