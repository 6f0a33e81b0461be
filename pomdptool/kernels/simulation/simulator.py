"""One step of a model: sample the next state, the observation and the reward; update a belief.

    s' ~ T(. | s, a),  o ~ Z(. | s', a),  r = R(s, a, s', o)
    b'(s') proportional to Z(o | s', a) * sum over s of T(s' | s, a) b(s)

A model is two flat arrays, as in `sarsop.layout`; `Simulator.i` begins with a header.

    slot                        contents
    N_STATES .. N_OBSERVATIONS  sizes
    T_ROWS, NEXT_STATES         first entry of each row (a * S + s) of T; next state of each entry
    Z_ROWS, OBSERVATIONS        first entry of each row (a * S + s') of Z; observation of each entry
    TERMINAL                    1 for each terminal state
    FIRST_REWARD                first reward of each T entry, with BY_STEP
    T_SUMS, Z_SUMS              in the floats: running sums along each row of T, of Z
    T_PROBABILITIES, ...        in the floats: their entries
    REWARDS                     in the floats: rewards
    REWARD_KIND                 how a step's reward is addressed: see below
    STRIDE_A .. STRIDE_O        with BY_TABLE, strides for a, s, s' and o, 0 for an axis it lacks
    JOINT_ROWS, JOINT           first outcome of each row of T (0: none); in the floats: outcomes

Rewards are a table (BY_TABLE), one for each T entry (BY_ENTRY), or one for each T entry and
possible observation (BY_STEP). If rows are short, the joint outcomes of each are listed as well:
running sum, next state, observation, reward.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pomdptool.kernels.jit import kernel

N_STATES, N_ACTIONS, N_OBSERVATIONS = range(3)
T_ROWS, NEXT_STATES, Z_ROWS, OBSERVATIONS, TERMINAL, FIRST_REWARD = range(3, 9)
T_SUMS, Z_SUMS, T_PROBABILITIES, Z_PROBABILITIES, REWARDS = range(9, 14)
REWARD_KIND, STRIDE_A, STRIDE_S, STRIDE_NEXT, STRIDE_O = range(14, 19)
JOINT_ROWS, JOINT = range(19, 21)
HEADER = 21

BY_TABLE, BY_ENTRY, BY_STEP = range(3)

# Fields of a joint outcome.
SUM, NEXT_STATE, OBSERVATION, REWARD = range(4)
OUTCOME = 4


class Simulator(NamedTuple):
    """A model to simulate."""

    i: np.ndarray
    f: np.ndarray

    @property
    def read_by_number(self) -> bool:
        """Interpreted kernels read the arrays number by number."""
        return True


@kernel(inner=True)
def sample_index(f, first, last, u):
    """Inverse transform sampling: entry of a row of running sums, up to 1, for u in [0, 1)."""
    while last - first > 8:
        middle = (first + last) // 2
        if f[middle] > u:
            last = middle
        else:
            first = middle + 1
    while first < last and f[first] <= u:
        first += 1
    return first


@kernel(inner=True)
def step(m, s, a, u):
    """Next state, observation and reward of action a in state s, for a number u in [0, 1)."""
    row = a * m.i[N_STATES] + s
    if m.i[JOINT_ROWS] > 0:
        first, last = m.i[m.i[JOINT_ROWS] + row], m.i[m.i[JOINT_ROWS] + row + 1] - 1
        at = m.i[JOINT] + OUTCOME * first
        while first < last and m.f[at + SUM] <= u:
            first += 1
            at += OUTCOME
        return int(m.f[at + NEXT_STATE]), int(m.f[at + OBSERVATION]), m.f[at + REWARD]
    entry, last = m.i[m.i[T_ROWS] + row], m.i[m.i[T_ROWS] + row + 1] - 1
    if entry < last:
        begin = m.i[T_SUMS] + entry
        at = sample_index(m.f, begin, m.i[T_SUMS] + last, u)
        # The rest of u, rescaled to [0, 1), samples the observation.
        below = m.f[at - 1] if at > begin else 0.0
        u = (u - below) / (m.f[at] - below)
        entry = at - m.i[T_SUMS]
    arrived = m.i[m.i[NEXT_STATES] + entry]
    row = m.i[Z_ROWS] + a * m.i[N_STATES] + arrived
    first, last = m.i[row], m.i[row + 1] - 1
    z_entry = first
    if first < last:
        z_entry = sample_index(m.f, m.i[Z_SUMS] + first, m.i[Z_SUMS] + last, u) - m.i[Z_SUMS]
    o = m.i[m.i[OBSERVATIONS] + z_entry]
    if m.i[REWARD_KIND] == BY_TABLE:
        at = a * m.i[STRIDE_A] + s * m.i[STRIDE_S] + arrived * m.i[STRIDE_NEXT] + o * m.i[STRIDE_O]
    elif m.i[REWARD_KIND] == BY_ENTRY:
        at = entry
    else:
        at = m.i[m.i[FIRST_REWARD] + entry] + z_entry - first
    return arrived, o, m.f[m.i[REWARDS] + at]


@kernel(inner=True)
def observation_probability(m, a, arrived, o):
    """Probability of an observation, Z(o | s', a)."""
    row = m.i[Z_ROWS] + a * m.i[N_STATES] + arrived
    first, last = m.i[row], m.i[row + 1]
    k = first
    while last - k > 8:
        middle = (k + last) // 2
        if m.i[m.i[OBSERVATIONS] + middle] <= o:
            k = middle
        else:
            last = middle
    while k < last:
        if m.i[m.i[OBSERVATIONS] + k] == o:
            return m.f[m.i[Z_PROBABILITIES] + k]
        k += 1
    return 0.0


@kernel(inner=True)
def belief_update(m, b, a, o, after):
    """Write the belief after an action and an observation; returns the observation's probability.

    If that is 0, `after` is all zeros.
    """
    n_states, total = m.i[N_STATES], 0.0
    for s in range(n_states):
        after[s] = 0.0
    for s in range(n_states):
        if b[s] > 0.0:
            row = m.i[T_ROWS] + a * n_states + s
            for entry in range(m.i[row], m.i[row + 1]):
                after[m.i[m.i[NEXT_STATES] + entry]] += b[s] * m.f[m.i[T_PROBABILITIES] + entry]
    for s in range(n_states):
        if after[s] > 0.0:
            after[s] *= observation_probability(m, a, s, o)
            total += after[s]
    if total > 0.0:
        for s in range(n_states):
            after[s] /= total
    return total


@kernel(nogil=True)
def filter_belief(m, b, a, o, after):
    """Write the updated belief to `after`; returns the observation's probability."""
    return belief_update(m, b, a, o, after)


@kernel(inner=True)
def sample_initial_state(f, rng):
    """Sample a state from running sums over all states."""
    return sample_index(f, 0, f.shape[0] - 1, rng.random())
