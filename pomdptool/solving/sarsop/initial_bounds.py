"""Bounds before the search: blind policies below, the MDP above.

They are cheap, so there is a certified result to return from the start. With a time limit each of
the two may use a share of it, and returns the bound reached by then (see `bounds`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pomdptool.kernels.sarsop.layout import ROUNDING
from pomdptool.model import Model
from pomdptool.policy import AlphaVectors, Bounds
from pomdptool.solving.bounds import blind_policy_graph, fixed_point
from pomdptool.solving.solution import Monitor, Solution
from pomdptool.sparse import BoolArray, FloatArray
from pomdptool.steps import arrival_rows

TIME_SHARE = 0.1
"""Share of the time limit that each bound may use."""


@dataclass(frozen=True, eq=False, slots=True)
class InitialBounds:
    """Values of the blind policies and Q-values of the MDP, both of shape (A, S).

    Every value of a blind policy is at most its own backup less rounding.
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
        """Return the best blind policy, if a limit is reached before the search starts."""
        best = [int((self.blind @ self.model.start).argmax())]
        return Solution.of(
            self.model,
            "sarsop",
            monitor,
            AlphaVectors(np.array(best), self.blind[best]),
            self.bounds,
            reason,
            converged=False,
            counts={"iterations": 0, "vectors": 1, "backups": 0},
            graph=blind_policy_graph(self.model, self.blind, None),
        )


def compute_initial_bounds(model: Model, monitor: Monitor) -> InitialBounds:
    """Compute both bounds, as far as a share of the time limit allows."""
    blind = fixed_point(
        model, "blind", precision=1.0, horizon=None, monitor=_with_time_share(monitor)
    )
    mdp = fixed_point(model, "mdp", precision=1.0, horizon=None, monitor=_with_time_share(monitor))
    first = InitialBounds(model, round_down(model, blind.Q), mdp.Q)
    monitor.step(0, model.n_actions, first.bounds)
    return first


def _with_time_share(monitor: Monitor) -> Monitor:
    """Return the monitor limited to a share of the time limit from now."""
    if monitor.time_limit is None:
        return monitor
    return replace(monitor, time_limit=monitor.seconds + TIME_SHARE * monitor.time_limit)


def round_down(model: Model, Q: FloatArray) -> FloatArray:
    """Lower the values of blind policies until each is at most its backup less rounding.

    Values that exceed their backup, by at most d, are lowered by d / (1 - g), and so are those of
    states from which such a state is reachable.
    """
    r, T, g = model.expected_rewards, model.sparse_T, model.discount
    next_value = T.data * Q.ravel()[arrival_rows(T)]
    terms = (np.diff(T.indptr) + 4).reshape(r.shape)
    size = np.abs(r) + g * T.sum_rows(np.abs(next_value)).reshape(r.shape)
    short = Q - (r + g * T.sum_rows(next_value).reshape(r.shape) - ROUNDING * terms * size)
    lowered = Q.copy()
    for a in np.flatnonzero(short.max(axis=1) > 0.0).tolist():
        lowered[a, _states_reaching(model, a, short[a] > 0.0)] -= 1.01 * short[a].max() / (1.0 - g)
    return lowered


def _states_reaching(model: Model, action: int, states: BoolArray) -> BoolArray:
    """Mask of the states from which repeating an action may reach some states; shape (S,)."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import breadth_first_order

    T, S = model.sparse_T, model.n_states
    first, last = T.indptr[action * S], T.indptr[(action + 1) * S]
    source = np.repeat(np.arange(S), np.diff(T.indptr[action * S : (action + 1) * S + 1]))
    goals = np.flatnonzero(states)
    # Backward search from an extra node S that is linked to all goals.
    begin = np.concatenate([T.indices[first:last], np.full(len(goals), S)])
    end = np.concatenate([source, goals])
    graph = csr_matrix((np.ones(len(begin)), (begin, end)), shape=(S + 1, S + 1))
    reaching = np.zeros(S + 1, dtype=bool)
    reaching[breadth_first_order(graph, S, return_predecessors=False)] = True
    return reaching[:S]
