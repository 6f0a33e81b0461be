"""Policy graphs: their exact value, and what happens along their edges.

A graph and a model make a Markov chain over pairs of a node n and a state s, with

    P[(n, s), (m, s')] = sum over the o that lead from n to m of  T[a_n, s, s'] Z[a_n, s', o].

The value of the nodes solves V = r + g P V, the discounted occupancy from the start belief solves
d = e + g P' d. Both are found by one sparse factorisation, or, where the graph has no cycle, by
substitution, the end first (Hansen 1998). Sweeps of the equation itself, which contract by g,
then take the residual down to rounding, or fail; the error is at most the residual / (1 - g).
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pomdptool.errors import PolicyError, PomdpError
from pomdptool.graph import NOWHERE, PolicyGraph
from pomdptool.model import Model
from pomdptool.sparse import FloatArray, IntArray

if TYPE_CHECKING:
    pass

MAX_FACTORED = 5_000
"""Most (node, state) pairs that are factorised. Beyond there are only sweeps: for 11,000 pairs of a
random graph the factors took 5 s, sweeps 0.1 s at discount 0.95."""

ROUNDING = 1e-13
"""Residual, relative to the largest value, that a solution may have."""


class _Steps(NamedTuple):
    """What can happen under one action: from `s` to `s2`, seeing `o`, with probability `p`."""

    s: IntArray
    s2: IntArray
    o: IntArray
    p: FloatArray


def _steps(model: Model) -> list[_Steps]:
    T, Z, support = model.sparse_T, model.sparse_Z, model.support
    row = T.row_of_entry()[support.t_entry]
    s2 = T.indices[support.t_entry].astype(np.int64)
    o = Z.indices[support.z_entry].astype(np.int64)
    p = T.data[support.t_entry] * Z.data[support.z_entry]
    first = np.searchsorted(row, np.arange(model.n_actions + 1) * model.n_states)
    return [
        _Steps(row[i:j] % model.n_states, s2[i:j], o[i:j], p[i:j])
        for i, j in pairwise(first.tolist())
    ]


class _Chain:
    """The Markov chain of a model and a graph."""

    def __init__(self, model: Model, graph: PolicyGraph) -> None:
        _check_fits(model, graph)
        self.model, self.steps = model, _steps(model)
        possible = np.zeros((model.n_actions, model.n_observations), dtype=bool)
        for a, steps in enumerate(self.steps):
            possible[a, steps.o] = True
        self.graph = replace(graph, next=np.where(possible[graph.actions], graph.next, NOWHERE))
        self.layers = self.graph.layers()
        if self.layers is None and model.discount == 1.0:
            raise PomdpError("with discount 1 a policy graph with a cycle may have no finite value")

    def matrix(self) -> Any:
        """P, as a sparse matrix in rows; pair (n, s) is number n * S + s."""
        from scipy.sparse import csr_matrix

        graph, S = self.graph, self.model.n_states
        rows, columns, data = [], [], []
        for a, steps in enumerate(self.steps):
            nodes = np.flatnonzero(graph.actions == a)
            ahead = graph.next[nodes][:, steps.o]
            node, step = np.nonzero(ahead != NOWHERE)
            rows.append(nodes[node] * S + steps.s[step])
            columns.append(ahead[node, step] * S + steps.s2[step])
            data.append(steps.p[step])
        size = graph.n_nodes * S
        places = (np.concatenate(rows), np.concatenate(columns))
        return csr_matrix((np.concatenate(data), places), shape=(size, size))

    def pairs(self, nodes: IntArray) -> IntArray:
        """Numbers of all pairs of some nodes."""
        S = self.model.n_states
        return (nodes[:, np.newaxis] * S + np.arange(S)).ravel()

    def solve(self, given: FloatArray, *, forward: bool) -> FloatArray:
        """Solve x = given + g P x, or, forward in time, x = given + g P' x.

        Raises
        ------
        PomdpError
            Where the residual stays above rounding.
        """
        matrix = self.matrix()
        if forward:
            matrix = matrix.T.tocsr()
        matrix = self.model.discount * matrix
        if self.layers is None:
            x = _factored(matrix, given) if len(given) <= MAX_FACTORED else given.copy()
            return _polished(matrix, given, x, self.model.discount)
        x = given.copy()
        for nodes in reversed(self.layers) if forward else self.layers:
            pairs = self.pairs(nodes)
            x[pairs] += matrix[pairs] @ x
        return x


def _check_fits(model: Model, graph: PolicyGraph) -> None:
    if graph.n_observations != model.n_observations:
        raise PolicyError(
            f"the policy graph is for {graph.n_observations} observations, "
            f"the model has {model.n_observations}"
        )
    if graph.actions.min() < 0 or graph.actions.max() >= model.n_actions:
        raise PolicyError(f"the policy graph names an action that is none of {model.n_actions}")
    if graph.next.min() < NOWHERE or graph.next.max() >= graph.n_nodes:
        raise PolicyError("the policy graph has an edge to a node that does not exist")


def _factored(matrix: Any, given: FloatArray) -> FloatArray:
    from scipy.sparse import identity
    from scipy.sparse.linalg import splu

    system = (identity(len(given), format="csr") - matrix).tocsc()
    x: FloatArray = splu(system).solve(given)
    return x


def _polished(matrix: Any, given: FloatArray, x: FloatArray, discount: float) -> FloatArray:
    """Sweep until the equation holds to rounding; each sweep gains a factor of the discount."""
    most = 100 + int(40.0 / (1.0 - discount))
    for _ in range(most):
        after: FloatArray = given + matrix @ x
        residual = float(np.abs(after - x).max())
        if residual <= ROUNDING * max(1.0, float(np.abs(after).max())):
            return after
        x = after
    raise PomdpError(f"the value of the policy graph keeps a residual of {residual:.3g}")


def evaluate(model: Model, graph: PolicyGraph) -> FloatArray:
    """Value of every node in every state, in rewards; shape (n, S).

    Where there is no successor (-1) nothing more is earned. An extracted graph has none after
    observations that its node's face rules out: its values hold for states inside the face.

    Raises
    ------
    PolicyError
        If the graph is of another model.
    PomdpError
        With discount 1 where the graph has a cycle.
    """
    chain = _Chain(model, graph)
    rewards = model.expected_rewards[graph.actions].ravel()
    return chain.solve(rewards, forward=False).reshape(graph.n_nodes, model.n_states)


def edge_probabilities(model: Model, graph: PolicyGraph, start_belief: FloatArray) -> FloatArray:
    """Probability of each observation given being in each node; shape (n, Z).

    The belief in a node is its share of the discounted occupancy, from the start node and this
    belief, shape (S,), on. Rows of nodes that are never reached are 0; the others sum to 1.

    Raises
    ------
    PolicyError, PomdpError
        As `evaluate`.
    """
    chain = _Chain(model, graph)
    began = np.zeros((graph.n_nodes, model.n_states))
    began[graph.start] = start_belief
    occupied = chain.solve(began.ravel(), forward=True).reshape(began.shape)
    occupied = np.maximum(occupied, 0.0)  # what rounding left below 0
    total = occupied.sum(axis=1, keepdims=True)
    beliefs = np.divide(occupied, total, out=np.zeros_like(occupied), where=total > 0)
    result = np.zeros((graph.n_nodes, model.n_observations))
    for a, steps in enumerate(chain.steps):
        nodes = np.flatnonzero(graph.actions == a)
        seen = np.zeros((model.n_states, model.n_observations))
        np.add.at(seen, (steps.s, steps.o), steps.p)
        result[nodes] = beliefs[nodes] @ seen
    return result
