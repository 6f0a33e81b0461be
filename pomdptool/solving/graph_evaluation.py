"""Policy evaluation of policy graphs, occupancies and edge probabilities.

A graph and a model define a Markov chain over pairs of a node n and a state s, with

    P[(n, s), (m, s')] = sum over the o that lead from n to m of  T[a_n, s, s'] Z[a_n, s', o].

The value solves V = r + g P V, the discounted occupancy from the initial belief d = e + g P' d
(Hansen 1998). Acyclic graphs are solved by substitution, last layer first, others by GMRES (see
`gmres`), with an error of at most the residual / (1 - g).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from pomdptool.errors import PolicyError, PomdpError
from pomdptool.graph import NOWHERE, PolicyGraph
from pomdptool.model import Model
from pomdptool.policy import SolvedPolicy
from pomdptool.solving.gmres import MAX_LU, solve_fixed_point
from pomdptool.sparse import FloatArray, IntArray
from pomdptool.steps import steps_from

CHEAP = 200_000
"""Entries of P up to which policy evaluation takes about a second."""


class _Steps(NamedTuple):
    """Steps of one action from `s` to `s2`, with observation `o` and probability `p`."""

    s: IntArray
    s2: IntArray
    o: IntArray
    p: FloatArray


def _steps(model: Model) -> list[_Steps]:
    _, s, s2, o = model.steps.indices
    p, first = model.steps.probability, _first_of_action(model).tolist()
    return [_Steps(s[i:j], s2[i:j], o[i:j], p[i:j]) for i, j in pairwise(first)]


def _first_of_action(model: Model) -> IntArray:
    """Offset of each action's first step, and the number of all steps."""
    return np.searchsorted(model.steps.t_entry, model.sparse_T.indptr[:: model.n_states])


class _MarkovChain:
    """Markov chain of a model and a graph."""

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
        """Rows, columns and values of g P; pair (n, s) has index n * S + s."""
        graph, S = self.graph, self.model.n_states
        rows, columns, data = [], [], []
        for a, steps in enumerate(self.steps):
            nodes = np.flatnonzero(graph.actions == a)
            successors = graph.next[nodes][:, steps.o]
            node, step = np.nonzero(successors != NOWHERE)
            rows.append(nodes[node] * S + steps.s[step])
            columns.append(successors[node, step] * S + steps.s2[step])
            data.append(self.model.discount * steps.p[step])
        return np.concatenate(rows), np.concatenate(columns), np.concatenate(data)

    def solve(
        self,
        constant: FloatArray,
        *,
        forward: bool,
        patient: bool = True,
        check: Callable[[], None] = lambda: None,
    ) -> FloatArray:
        """Solve x = constant + g P x, or x = constant + g P' x (`forward`).

        Raises PomdpError if the residual stays above rounding, or if convergence is slow and
        `patient` is not set.
        """
        rows, columns, data = self.entries()
        nodes = rows // self.model.n_states
        to, source = (columns, rows) if forward else (rows, columns)
        return self.solve_system(
            to, source, data, nodes, constant, forward=forward, patient=patient, check=check
        )

    def solve_system(
        self,
        to: IntArray,
        source: IntArray,
        data: FloatArray,
        nodes: IntArray,
        constant: FloatArray,
        *,
        forward: bool = False,
        patient: bool = True,
        check: Callable[[], None] = lambda: None,
    ) -> FloatArray:
        """Solve x = constant + M x, where M has these entries, each of a step from these nodes."""
        if self.layers is None:
            sweeps = int(40.0 / (1.0 - self.model.discount)) if patient else None
            x, residual = solve_fixed_point(to, source, data, constant, sweeps, check)
            if residual:
                raise PomdpError(
                    "the linear system of the policy graph converges slowly (it was stopped at "
                    f"residual {residual:.3g})"
                )
            return x
        x = constant.copy()
        of_layer = list(_entries_by_layer(self.layers, nodes))
        for entries in reversed(of_layer) if forward else of_layer:
            np.add.at(x, to[entries], data[entries] * x[source[entries]])
        return x

    def reachable(
        self, start: FloatArray, most: int, check: Callable[[], None]
    ) -> tuple[IntArray, IntArray, IntArray, FloatArray] | None:
        """Pairs reachable from an initial belief, and entries of g P in their rows.

        Rows and columns are positions in the pairs, which ascend. None if there are more entries
        than `most`.
        """
        graph, model, S = self.graph, self.model, self.model.n_states
        support = np.flatnonzero(start)
        wave = (support if graph.n_initial else graph.start) * S + support
        seen, found, n = wave, [], 0
        while len(wave):
            check()
            nodes, states = np.divmod(wave, S)
            item, steps = steps_from(
                model.sparse_T, model.sparse_Z, graph.actions[nodes] * S + states
            )
            after = graph.next[nodes[item], steps.observation]
            on = after != NOWHERE
            columns = after[on] * S + steps.next_state[on]
            found.append((wave[item[on]], columns, model.discount * steps.probability[on]))
            n += len(columns)
            if n > most:
                return None
            wave = np.setdiff1d(columns, seen)
            seen = np.union1d(seen, wave)
        rows, columns, data = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return seen, np.searchsorted(seen, rows), np.searchsorted(seen, columns), data


def _entries_by_layer(layers: list[IntArray], nodes: IntArray) -> Iterator[IntArray]:
    """Positions of each layer's nodes in a list of nodes."""
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
    """Whether policy evaluation takes about a second at most."""
    return n_entries(model, graph) <= CHEAP


def n_entries(model: Model, graph: PolicyGraph) -> int:
    """Upper bound on the entries of P."""
    return int(np.diff(_first_of_action(model))[graph.actions].sum())


def initial_value(
    model: Model,
    graph: PolicyGraph,
    *,
    most: int = CHEAP,
    check: Callable[[], None] = lambda: None,
) -> float | None:
    """Value of a graph at the initial belief, from the reachable pairs of a node and a state.

    None if their system has more than `most` coefficients. `check` is called regularly and may
    raise; otherwise raises as `evaluate`, also if a large system converges slowly.
    """
    chain = _MarkovChain(model, graph)
    reachable = chain.reachable(model.start, most, check)
    if reachable is None:
        return None
    pairs, rows, columns, data = reachable
    nodes, states = np.divmod(pairs, model.n_states)
    rewards = model.expected_rewards[chain.graph.actions[nodes], states]
    patient = len(pairs) <= MAX_LU
    x = chain.solve_system(rows, columns, data, nodes[rows], rewards, patient=patient, check=check)
    support = np.flatnonzero(model.start)
    first = (support if graph.n_initial else graph.start) * model.n_states + support
    return float(x[np.searchsorted(pairs, first)] @ model.start[support])


def evaluate(
    model: Model,
    graph: PolicyGraph,
    rewards: FloatArray | None = None,
    *,
    patient: bool = True,
    check: Callable[[], None] = lambda: None,
) -> FloatArray:
    """Value of every node in every state, in rewards; shape (n, S).

    The return ends where there is no successor (-1). An extracted graph has none after observations
    that its node's face rules out, so its values hold for states inside the face only.

    Parameters
    ----------
    rewards
        Expected reward of a step in each node, shape (n, S), instead of that of its action.
    patient
        Continue if convergence is slow.
    check
        Called regularly; may raise.

    Raises
    ------
    PolicyError
        If the graph does not fit the model.
    PomdpError
        With discount 1 and a cycle in the graph, or if convergence is slow and not `patient`.
    """
    chain = _MarkovChain(model, graph)
    if rewards is None:
        rewards = model.expected_rewards[graph.actions]
    values = chain.solve(rewards.ravel(), forward=False, patient=patient, check=check)
    return values.reshape(graph.n_nodes, model.n_states)


def occupancy(
    model: Model, graph: PolicyGraph, start_belief: FloatArray, *, patient: bool = True
) -> FloatArray:
    """Discounted occupancy of each node and state, from this belief on; shape (n, S).

    Raises PolicyError and PomdpError as `evaluate` does.
    """
    began = np.zeros((graph.n_nodes, model.n_states))
    if graph.n_initial:
        np.fill_diagonal(began[: graph.n_initial], start_belief)
    else:
        began[graph.start] = start_belief
    occupied = _MarkovChain(model, graph).solve(began.ravel(), forward=True, patient=patient)
    return np.maximum(occupied, 0.0).reshape(began.shape)  # rounding may leave negative values


def probabilities_along(model: Model, policy: SolvedPolicy) -> FloatArray | None:
    """Edge probabilities of a policy's graph; None if they are expensive.

    The model is the policy's, except for the discount.
    """
    model = replace(model, discount=policy.problem.discount)
    if policy.graph is None or not is_cheap(model, policy.graph):
        return None
    try:
        return edge_probabilities(model, policy.graph, model.start, patient=False)
    except PomdpError:  # convergence is slow
        return None


def edge_probabilities(
    model: Model, graph: PolicyGraph, start_belief: FloatArray, *, patient: bool = True
) -> FloatArray:
    """Probability of each observation, conditional on the node; shape (n, Z).

    The belief in a node is its normalised discounted occupancy from this belief, shape (S,), on.
    Rows of unreachable nodes are 0; the others sum to 1. Raises as `evaluate` does.
    """
    occupied = occupancy(model, graph, start_belief, patient=patient)
    total = occupied.sum(axis=1, keepdims=True)
    beliefs = np.divide(occupied, total, out=np.zeros_like(occupied), where=total > 0)
    result = np.zeros((graph.n_nodes, model.n_observations))
    for a, steps in enumerate(_steps(model)):
        nodes = np.flatnonzero(graph.actions == a)
        likelihood = np.zeros((model.n_states, model.n_observations))
        np.add.at(likelihood, (steps.s, steps.o), steps.p)
        result[nodes] = beliefs[nodes] @ likelihood
    return result
