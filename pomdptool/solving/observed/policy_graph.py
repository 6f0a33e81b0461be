"""Policy graphs where the state is observed: a node for each state that is known.

A node does what the policy does in its state, and each observation leads to the node of the state
that it tells. A root does the action of the start belief; in an MDP, whose state is observed before
the first action, there is an initial node for each state instead. Graphs of more than `GRAPH_CELLS`
nodes times observations are not built.
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
"""Most nodes times observations, before equal nodes are merged."""


def endless_graph(model: Model, Q: FloatArray) -> PolicyGraph | None:
    """Graph of the policy that is greedy for Q[a, s] at every step, from the start belief."""
    S, Z = model.n_states, model.n_observations
    if (S + 1) * Z > GRAPH_CELLS:
        return None
    policy = Q.argmax(axis=0)
    known = _wave(model, np.arange(S), policy)
    if model.mdp:
        after = np.full((S, Z), NOWHERE)
        after[known.origin, known.seen] = known.told
        return PolicyGraph(policy, after, n_initial=S).minimised()
    first = _root(model, Q)
    after = np.full((S + 1, Z), NOWHERE)
    after[known.origin, known.seen] = known.told
    after[S, first.seen] = first.told
    return PolicyGraph(np.append(policy, first.actions[0]), after, start=S).minimised()


def ending_graph(model: Model, Q: FloatArray, policies: Sequence[IntArray]) -> PolicyGraph | None:
    """Graph with a horizon.

    Parameters
    ----------
    Q
        Shape (A, S), of the first step.
    policies
        Actions of known states with 1, 2, ... steps to go, shape (S,) each; the first step is not
        among them.
    """
    every = np.arange(model.n_states)
    waves = [_wave(model, every, Q.argmax(axis=0)) if model.mdp else _root(model, Q)]
    for policy in reversed(policies):
        states = np.unique(waves[-1].told)
        waves.append(_wave(model, states, policy[states]))
        if sum(len(wave.states) for wave in waves) * model.n_observations > GRAPH_CELLS:
            return None
    node = np.full(model.n_states, NOWHERE)  # of each state, in the wave after
    tables: list[IntArray] = []
    n_nodes = 0
    for wave in reversed(waves):
        table, label = _merged(wave, node, model.n_observations)
        node = np.full(model.n_states, NOWHERE)
        node[wave.states] = n_nodes + label
        tables.append(table)
        n_nodes += len(table)
    rows = np.concatenate(tables)
    graph = PolicyGraph(rows[:, 0], rows[:, 1:], start=n_nodes - 1)
    if model.mdp:
        return graph.with_initial_nodes(node)
    return graph.subgraph(graph.breadth_first())


class _Wave(NamedTuple):
    """States in which a step begins, their actions, and every (origin, observation, state told).

    `origin` numbers the states of the wave.
    """

    states: IntArray
    actions: IntArray
    origin: IntArray
    seen: IntArray
    told: IntArray


def _root(model: Model, Q: FloatArray) -> _Wave:
    """The first step: all states that are possible are one origin."""
    states = np.flatnonzero(model.start)
    action = int(np.argmax(Q @ model.start))
    wave = _wave(model, states, np.full(len(states), action))
    return wave._replace(
        states=states[:1], actions=wave.actions[:1], origin=np.zeros_like(wave.origin)
    )


def _wave(model: Model, states: IntArray, actions: IntArray) -> _Wave:
    rows = actions * model.n_states + states
    origin, steps = steps_from(model.sparse_T, model.sparse_Z, rows)
    return _Wave(states, actions, origin, steps.observation, steps.next_state)


def _merged(wave: _Wave, node: IntArray, n_observations: int) -> tuple[IntArray, IntArray]:
    """Rows (action, successors) of a wave, equal ones once; and which one is each state's."""
    rows = np.full((len(wave.states), 1 + n_observations), NOWHERE)
    rows[:, 0] = wave.actions
    rows[wave.origin, 1 + wave.seen] = node[wave.told]
    table, label = np.unique(rows, axis=0, return_inverse=True)
    return table, label.reshape(-1)
