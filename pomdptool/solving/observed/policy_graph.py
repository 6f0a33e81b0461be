"""Policy graphs for models whose observations reveal the state: a node for each state.

A node takes its state's action, and each observation leads to the node of the state it reveals. The
root takes the initial belief's action; an MDP, whose state is observed before the first action, has
an initial node for each state instead. Graphs of more than `GRAPH_CELLS` nodes times observations
are not built.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pomdptool.graph import NOWHERE, PolicyGraph
from pomdptool.model import Model
from pomdptool.sparse import FloatArray, IntArray
from pomdptool.steps import steps_from

GRAPH_CELLS = 1_000_000
"""Maximum number of nodes times observations, before equal nodes are merged."""


def infinite_horizon_graph(model: Model, Q: FloatArray) -> PolicyGraph | None:
    """Graph of the stationary policy that is greedy for Q[a, s], from the initial belief."""
    S, Z = model.n_states, model.n_observations
    if (S + 1) * Z > GRAPH_CELLS:
        return None
    policy = Q.argmax(axis=0)
    layer = _layer(model, np.arange(S), policy)
    if model.mdp:
        next_node = np.full((S, Z), NOWHERE)
        next_node[layer.origin, layer.observation] = layer.next_state
        return PolicyGraph(policy, next_node, n_initial=S).minimised()
    first = _root_layer(model, Q)
    next_node = np.full((S + 1, Z), NOWHERE)
    next_node[layer.origin, layer.observation] = layer.next_state
    next_node[S, first.observation] = first.next_state
    return PolicyGraph(np.append(policy, first.actions[0]), next_node, start=S).minimised()


def finite_horizon_graph(
    model: Model, Q: FloatArray, policies: Sequence[IntArray]
) -> PolicyGraph | None:
    """Graph of a finite-horizon policy.

    `Q`, shape (A, S), holds the Q-values of the first step, `policies` the actions by state, shape
    (S,) each, with 1, 2, ... steps to go, without the first step.
    """
    all_states = np.arange(model.n_states)
    layers = [_layer(model, all_states, Q.argmax(axis=0)) if model.mdp else _root_layer(model, Q)]
    for policy in reversed(policies):
        states = np.unique(layers[-1].next_state)
        layers.append(_layer(model, states, policy[states]))
        if sum(len(layer.states) for layer in layers) * model.n_observations > GRAPH_CELLS:
            return None
    node = np.full(model.n_states, NOWHERE)  # of each state in the next layer
    tables: list[IntArray] = []
    n_nodes = 0
    for layer in reversed(layers):
        table, label = _merge_rows(layer, node, model.n_observations)
        node = np.full(model.n_states, NOWHERE)
        node[layer.states] = n_nodes + label
        tables.append(table)
        n_nodes += len(table)
    rows = np.concatenate(tables)
    graph = PolicyGraph(rows[:, 0], rows[:, 1:], start=n_nodes - 1)
    if model.mdp:
        return graph.with_initial_nodes(node)
    return graph.subgraph(graph.breadth_first())


class _Layer(NamedTuple):
    """States at one step, their actions, and every (origin, observation, next state).

    `origin` is an index into `states`.
    """

    states: IntArray
    actions: IntArray
    origin: IntArray
    observation: IntArray
    next_state: IntArray


def _root_layer(model: Model, Q: FloatArray) -> _Layer:
    """The first step, where all states of the initial belief share one origin."""
    states = np.flatnonzero(model.start)
    action = int(np.argmax(Q @ model.start))
    layer = _layer(model, states, np.full(len(states), action))
    return layer._replace(
        states=states[:1], actions=layer.actions[:1], origin=np.zeros_like(layer.origin)
    )


def _layer(model: Model, states: IntArray, actions: IntArray) -> _Layer:
    rows = actions * model.n_states + states
    origin, steps = steps_from(model.sparse_T, model.sparse_Z, rows)
    return _Layer(states, actions, origin, steps.observation, steps.next_state)


def _merge_rows(layer: _Layer, node: IntArray, n_observations: int) -> tuple[IntArray, IntArray]:
    """Distinct rows (action, successors) of a layer, and the index of each state's row."""
    rows = np.full((len(layer.states), 1 + n_observations), NOWHERE)
    rows[:, 0] = layer.actions
    rows[layer.origin, 1 + layer.observation] = node[layer.next_state]
    table, label = np.unique(rows, axis=0, return_inverse=True)
    return table, label.reshape(-1)
