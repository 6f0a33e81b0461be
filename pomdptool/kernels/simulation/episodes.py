"""Episodes of agents that need no search: random, scripted, controllers, vectors at a belief.

An episode ends in a terminal state, after a number of steps, with the script's last action, or
where a controller has no successor for an observation.

CompiledAgent.i begins with the agent's kind, a number of rows and a start. By kind follow

    CONTROLLER  nodes (start: the initial node); each node's action, its successors by observation
    VECTORS     vectors; the action of each. CompiledAgent.f: initial belief, values (vectors, S)
    SCRIPT      actions; the actions

The start is OBSERVED if the initial state is observed before the first action: a controller then
starts in the node of that state, vectors in the belief that is certain of it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pomdptool.kernels.jit import kernel
from pomdptool.kernels.simulation.simulator import (
    N_ACTIONS,
    N_OBSERVATIONS,
    N_STATES,
    TERMINAL,
    belief_update,
    sample_initial_state,
    step,
)

RANDOM, CONTROLLER, VECTORS, SCRIPT = range(4)
KIND, N_ROWS, START = range(3)
AGENT_HEADER = 3

NOWHERE = -1
OBSERVED = -2

# How episodes ended.
DONE, TERMINATED, LOST = range(3)


class CompiledAgent(NamedTuple):
    """An agent: the arrays of its kind."""

    i: np.ndarray
    f: np.ndarray

    @property
    def read_by_number(self) -> bool:
        """Interpreted kernels read the arrays number by number."""
        return True


class Log(NamedTuple):
    """Arrays that steps are written to: state, action, observation, next state; reward."""

    states: np.ndarray
    actions: np.ndarray
    observations: np.ndarray
    arrived: np.ndarray
    rewards: np.ndarray


@kernel(inner=True)
def best_vector(agent, b, support, n_states):
    """Action of the alpha vector that is maximal at a belief."""
    count = 0
    for s in range(n_states):
        if b[s] > 0.0:
            support[count] = s
            count += 1
    best, action = -np.inf, 0
    for v in range(agent.i[N_ROWS]):
        value, row = 0.0, (v + 1) * n_states
        for k in range(count):
            value += b[support[k]] * agent.f[row + support[k]]
        if value > best:
            best, action = value, agent.i[AGENT_HEADER + v]
    return action


@kernel(inner=True)
def play(m, agent, start, rng, log, at, most, beliefs, support):
    """Simulate an episode of at most `most` steps, written to the log from row `at` on.

    `beliefs`, shape (2, S), and `support`, shape (S,), are scratch for vectors. Returns the number
    of steps, and how the episode ended.
    """
    n_states, n_observations, kind = m.i[N_STATES], m.i[N_OBSERVATIONS], agent.i[KIND]
    s, node, now = sample_initial_state(start, rng), agent.i[START], 0
    observed = node == OBSERVED
    if observed:
        node = s
    if kind == VECTORS:
        for k in range(n_states):
            beliefs[0, k] = agent.f[k]
            if observed:
                beliefs[0, k] = 1.0 if k == s else 0.0
    for t in range(most):
        if m.i[m.i[TERMINAL] + s] == 1:
            return t, TERMINATED
        if kind == RANDOM:
            a = int(rng.random() * m.i[N_ACTIONS])
        elif kind == CONTROLLER:
            if node == NOWHERE:
                return t, LOST
            a = agent.i[AGENT_HEADER + node]
        elif kind == SCRIPT:
            if t == agent.i[N_ROWS]:
                return t, DONE
            a = agent.i[AGENT_HEADER + t]
        else:
            a = best_vector(agent, beliefs[now], support, n_states)
        arrived, o, r = step(m, s, a, rng.random())
        log.states[at + t], log.actions[at + t], log.observations[at + t] = s, a, o
        log.arrived[at + t], log.rewards[at + t] = arrived, r
        if kind == CONTROLLER:
            node = agent.i[AGENT_HEADER + agent.i[N_ROWS] + node * n_observations + o]
        elif kind == VECTORS:
            belief_update(m, beliefs[now], a, o, beliefs[1 - now])
            now = 1 - now
        s = arrived
    return most, TERMINATED if m.i[m.i[TERMINAL] + s] == 1 else DONE


@kernel(nogil=True)
def play_many(m, agent, start, rng, log, lengths, ends, most, beliefs, support):
    """Simulate episodes one after the other; returns their total number of steps.

    The log must be long enough for all of them. `lengths` and `ends` receive the number of steps of
    each, and how it ended.
    """
    at = 0
    for k in range(lengths.shape[0]):
        lengths[k], ends[k] = play(m, agent, start, rng, log, at, most, beliefs, support)
        at += lengths[k]
    return at
