"""One step of a model: draw the next state, the observation and the reward; filter a belief.

A model is two flat arrays (see `search` for why). The integers begin with named slots that say
where the rest begins.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pomdptool.kernels.jit import kernel

# Sizes; then where these begin in the integers: rows of T (action * S + state), the states arrived
# in, rows of Z (action * S + state arrived in), the observations, whether a state is terminal, and
# for rewards that are listed by step, each T entry's first one. In the floats: sums of T and of Z
# along each row so far, their entries, and rewards.
N_STATES, N_ACTIONS, N_OBSERVATIONS = range(3)
T_ROWS, ARRIVED, Z_ROWS, SEEN, TERMINAL, FIRST_REWARD = range(3, 9)
T_SUMS, Z_SUMS, T_CHANCES, Z_CHANCES, REWARDS = range(9, 14)
# Which reward a step has: a table with strides for a, s, s' and o (0 along an axis that it does not
# have), one for each T entry, or one for each T entry and observation that is possible then.
REWARD_KIND, STRIDE_A, STRIDE_S, STRIDE_NEXT, STRIDE_O = range(14, 19)
BY_TABLE, BY_ENTRY, BY_STEP = range(3)
# Where rows are short, all that can happen is listed as well, by row of T: where the rows begin (0:
# they are not listed), and in the floats outcomes: running sum, state arrived in, observation,
# reward.
JOINT_ROWS, JOINT = range(19, 21)
SUM, NEXT, SIGHT, REWARD = range(4)
OUTCOME = 4
HEADER = 21


class Simulator(NamedTuple):
    """A model to draw steps from."""

    i: np.ndarray
    f: np.ndarray

    @property
    def read_by_number(self) -> bool:
        """Kernels read single numbers of the arrays."""
        return True


@kernel(inner=True)
def drawn(f, first, last, u):
    """Entry of a row of running sums, which ends at 1, for a number in [0, 1)."""
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
    """State arrived in, observation and reward of an action in a state, for a number in [0, 1)."""
    row = a * m.i[N_STATES] + s
    if m.i[JOINT_ROWS] > 0:
        first, last = m.i[m.i[JOINT_ROWS] + row], m.i[m.i[JOINT_ROWS] + row + 1] - 1
        at = m.i[JOINT] + OUTCOME * first
        while first < last and m.f[at + SUM] <= u:
            first += 1
            at += OUTCOME
        return int(m.f[at + NEXT]), int(m.f[at + SIGHT]), m.f[at + REWARD]
    entry, last = m.i[m.i[T_ROWS] + row], m.i[m.i[T_ROWS] + row + 1] - 1
    if entry < last:
        begin = m.i[T_SUMS] + entry
        at = drawn(m.f, begin, m.i[T_SUMS] + last, u)
        # What is left of the number, stretched, draws the observation.
        below = m.f[at - 1] if at > begin else 0.0
        u = (u - below) / (m.f[at] - below)
        entry = at - m.i[T_SUMS]
    arrived = m.i[m.i[ARRIVED] + entry]
    row = m.i[Z_ROWS] + a * m.i[N_STATES] + arrived
    first, last = m.i[row], m.i[row + 1] - 1
    seen = first
    if first < last:
        seen = drawn(m.f, m.i[Z_SUMS] + first, m.i[Z_SUMS] + last, u) - m.i[Z_SUMS]
    o = m.i[m.i[SEEN] + seen]
    if m.i[REWARD_KIND] == BY_TABLE:
        at = a * m.i[STRIDE_A] + s * m.i[STRIDE_S] + arrived * m.i[STRIDE_NEXT] + o * m.i[STRIDE_O]
    elif m.i[REWARD_KIND] == BY_ENTRY:
        at = entry
    else:
        at = m.i[m.i[FIRST_REWARD] + entry] + seen - first
    return arrived, o, m.f[m.i[REWARDS] + at]


@kernel(inner=True)
def chance_of(m, a, arrived, o):
    """Probability of an observation on arrival in a state."""
    row = m.i[Z_ROWS] + a * m.i[N_STATES] + arrived
    first, last = m.i[row], m.i[row + 1]
    k = first
    while last - k > 8:
        middle = (k + last) // 2
        if m.i[m.i[SEEN] + middle] <= o:
            k = middle
        else:
            last = middle
    while k < last:
        if m.i[m.i[SEEN] + k] == o:
            return m.f[m.i[Z_CHANCES] + k]
        k += 1
    return 0.0


@kernel(inner=True)
def filtered(m, b, a, o, after):
    """Belief after an action and an observation; returns the observation's probability.

    Where that is 0, `after` is all zeros.
    """
    n_states, total = m.i[N_STATES], 0.0
    for s in range(n_states):
        after[s] = 0.0
    for s in range(n_states):
        if b[s] > 0.0:
            row = m.i[T_ROWS] + a * n_states + s
            for entry in range(m.i[row], m.i[row + 1]):
                after[m.i[m.i[ARRIVED] + entry]] += b[s] * m.f[m.i[T_CHANCES] + entry]
    for s in range(n_states):
        if after[s] > 0.0:
            after[s] *= chance_of(m, a, s, o)
            total += after[s]
    if total > 0.0:
        for s in range(n_states):
            after[s] /= total
    return total


@kernel(nogil=True)
def filter_belief(m, b, a, o, after):
    """Belief after an action and an observation; returns the observation's probability."""
    return filtered(m, b, a, o, after)


@kernel(inner=True)
def start_state(f, rng):
    """State drawn from running sums over all states."""
    return drawn(f, 0, f.shape[0] - 1, rng.random())
