"""Policy graphs: their exact value, and what happens along their edges.

A graph and a model make a Markov chain over pairs of a node n and a state s, with

    P[(n, s), (m, s')] = sum over the o that lead from n to m of  T[a_n, s, s'] Z[a_n, s', o].

The value of the nodes solves V = r + g P V, the discounted occupancy from the start belief solves d
= e + g P' d (Hansen 1998). Where the graph has no cycle both are found by substitution, the end
first, else by rounds of GMRES (see `gmres`), the error of which is at most the residual / (1 - g).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from pomdptool.errors import PolicyError, PomdpError
from pomdptool.graph import NOWHERE, PolicyGraph
from pomdptool.model import Model
from pomdptool.policy import SolvedPolicy
from pomdptool.solving.gmres import fixed_vector
from pomdptool.sparse import FloatArray, IntArray

CHEAP = 200_000
"""Entries of P up to which a graph's value is found in a second."""


class _Steps(NamedTuple):
    """Steps of one action: from `s` to `s2`, with observation `o` and probability `p`."""

    s: IntArray
    s2: IntArray
    o: IntArray
    p: FloatArray


def _steps(model: Model) -> list[_Steps]:
    _, s, s2, o = model.steps.indices
    p, first = model.steps.probability, _first_of_action(model).tolist()
    return [_Steps(s[i:j], s2[i:j], o[i:j], p[i:j]) for i, j in pairwise(first)]


def _first_of_action(model: Model) -> IntArray:
    """Number of each action's first step, and of all steps."""
    return np.searchsorted(model.steps.t_entry, model.sparse_T.indptr[:: model.n_states])


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

    def entries(self) -> tuple[IntArray, IntArray, FloatArray]:
        """Rows, columns and values of g P; pair (n, s) is number n * S + s."""
        graph, S = self.graph, self.model.n_states
        rows, columns, data = [], [], []
        for a, steps in enumerate(self.steps):
            nodes = np.flatnonzero(graph.actions == a)
            ahead = graph.next[nodes][:, steps.o]
            node, step = np.nonzero(ahead != NOWHERE)
            rows.append(nodes[node] * S + steps.s[step])
            columns.append(ahead[node, step] * S + steps.s2[step])
            data.append(self.model.discount * steps.p[step])
        return np.concatenate(rows), np.concatenate(columns), np.concatenate(data)

    def solve(self, given: FloatArray, *, forward: bool, patient: bool = True) -> FloatArray:
        """Solve x = given + g P x, or, forward in time, x = given + g P' x.

        Raises
        ------
        PomdpError
            Where the residual stays above rounding, or that takes long and `patient` is not set.
        """
        rows, columns, data = self.entries()
        to, source = (columns, rows) if forward else (rows, columns)
        if self.layers is None:
            sweeps = int(40.0 / (1.0 - self.model.discount)) if patient else None
            x, residual = fixed_vector(to, source, data, given, sweeps)
            if residual:
                raise PomdpError(f"the policy graph's value keeps a residual of {residual:.3g}")
            return x
        x = given.copy()
        of_layer = list(_split(self.layers, rows // self.model.n_states))
        for entries in reversed(of_layer) if forward else of_layer:
            np.add.at(x, to[entries], data[entries] * x[source[entries]])
        return x


def _split(layers: list[IntArray], nodes: IntArray) -> Iterator[IntArray]:
    """For each layer, where its nodes stand in a list of nodes."""
    depth = np.empty(sum(map(len, layers)), dtype=np.int64)
    for k, layer in enumerate(layers):
        depth[layer] = k
    order = np.argsort(depth[nodes], kind="stable")
    ends = np.searchsorted(depth[nodes][order], np.arange(len(layers) + 1))
    return (order[i:j] for i, j in pairwise(ends.tolist()))


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


def is_cheap(model: Model, graph: PolicyGraph) -> bool:
    """Whether the graph's value takes no more than a second."""
    return n_entries(model, graph) <= CHEAP


def n_entries(model: Model, graph: PolicyGraph) -> int:
    """Entries of P, at most."""
    return int(np.diff(_first_of_action(model))[graph.actions].sum())


def evaluate(
    model: Model,
    graph: PolicyGraph,
    rewards: FloatArray | None = None,
    *,
    patient: bool = True,
) -> FloatArray:
    """Value of every node in every state, in rewards; shape (n, S).

    Where there is no successor (-1) nothing more is earned. An extracted graph has none after
    observations that its node's face rules out: its values hold for states inside the face.

    Parameters
    ----------
    rewards
        Shape (n, S): what each node's step earns, where that is not what its action earns.
    patient
        Go on where the solution takes long.

    Raises
    ------
    PolicyError
        If the graph is of another model.
    PomdpError
        With discount 1 where the graph has a cycle; and where the solution takes long and
        `patient` is not set.
    """
    chain = _Chain(model, graph)
    if rewards is None:
        rewards = model.expected_rewards[graph.actions]
    values = chain.solve(rewards.ravel(), forward=False, patient=patient)
    return values.reshape(graph.n_nodes, model.n_states)


def occupancy(
    model: Model, graph: PolicyGraph, start_belief: FloatArray, *, patient: bool = True
) -> FloatArray:
    """How often, discounted, a node and state are held, from this belief on; shape (n, S).

    Raises
    ------
    PolicyError, PomdpError
        As `evaluate`.
    """
    began = np.zeros((graph.n_nodes, model.n_states))
    if graph.n_initial:
        np.fill_diagonal(began[: graph.n_initial], start_belief)
    else:
        began[graph.start] = start_belief
    occupied = _Chain(model, graph).solve(began.ravel(), forward=True, patient=patient)
    return np.maximum(occupied, 0.0).reshape(began.shape)  # rounding may leave less than 0


def probabilities_along(model: Model, policy: SolvedPolicy) -> FloatArray | None:
    """Edge probabilities of a policy's graph, where these are cheap.

    The model is the one that the policy was made for; only the discount may be another.
    """
    model = replace(model, discount=policy.problem.discount)
    if policy.graph is None or not is_cheap(model, policy.graph):
        return None
    try:
        return edge_probabilities(model, policy.graph, model.start, patient=False)
    except PomdpError:  # they take long
        return None


def edge_probabilities(
    model: Model, graph: PolicyGraph, start_belief: FloatArray, *, patient: bool = True
) -> FloatArray:
    """Probability of each observation given being in each node; shape (n, Z).

    The belief in a node is its share of the discounted occupancy, from the start node and this
    belief, shape (S,), on. Rows of nodes that are never reached are 0; the others sum to 1.

    Raises
    ------
    PolicyError, PomdpError
        As `evaluate`.
    """
    occupied = occupancy(model, graph, start_belief, patient=patient)
    total = occupied.sum(axis=1, keepdims=True)
    beliefs = np.divide(occupied, total, out=np.zeros_like(occupied), where=total > 0)
    result = np.zeros((graph.n_nodes, model.n_observations))
    for a, steps in enumerate(_steps(model)):
        nodes = np.flatnonzero(graph.actions == a)
        seen = np.zeros((model.n_states, model.n_observations))
        np.add.at(seen, (steps.s, steps.o), steps.p)
        result[nodes] = beliefs[nodes] @ seen
    return result
