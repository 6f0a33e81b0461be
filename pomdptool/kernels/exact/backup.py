"""Bellman backups at single beliefs over the vectors of each action's projections.

With the rewards r_a and, for each branch i of action a, the projected vectors in Branches,

    V(b) = max over a of  r_a . b + sum over branches i of a of max over rows w of i of w . b;

the maximising action and rows, summed, are the backed-up alpha vector (Sondik 1971).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pomdptool.kernels.jit import kernel


class Branches(NamedTuple):
    """The projections of one Bellman backup: a branch for each action and observation.

    rewards (A, d); vectors (n, d), discounted and projected through the model, those of branch i in
    starts[i]:starts[i + 1]; actions (n_branches,), the action of each branch, ascending.
    """

    rewards: np.ndarray
    starts: np.ndarray
    vectors: np.ndarray
    actions: np.ndarray


@kernel
def weigh(columns, n, b, values):
    """Values at b of the first n vectors, which are stored as columns."""
    for j in range(n):
        values[j] = 0.0
    for s in range(b.shape[0]):
        x = b[s]
        if x != 0.0:
            for j in range(n):
                values[j] += x * columns[s, j]


@kernel
def backup(b, branches, choice):
    """Value and action of the backup at b; `choice` receives the maximising row of each branch."""
    d = branches.rewards.shape[1]
    n_branches = branches.actions.shape[0]
    best, action, i = -np.inf, -1, 0
    for a in range(branches.rewards.shape[0]):
        value = 0.0
        for s in range(d):
            value += branches.rewards[a, s] * b[s]
        while i < n_branches and branches.actions[i] == a:
            most, at = -np.inf, -1
            for j in range(branches.starts[i], branches.starts[i + 1]):
                x = 0.0
                for s in range(d):
                    x += branches.vectors[j, s] * b[s]
                if x > most:
                    most, at = x, j
            value += most
            choice[i] = at
            i += 1
        if value > best:
            best, action = value, a
    return best, action


@kernel
def write_backup(branches, action, choice, w):
    """Write the alpha vector of an action and the chosen rows of its branches to w."""
    d = w.shape[0]
    for s in range(d):
        w[s] = branches.rewards[action, s]
    for i in range(branches.actions.shape[0]):
        if branches.actions[i] == action:
            for s in range(d):
                w[s] += branches.vectors[choice[i], s]


@kernel
def backups(beliefs, branches, vectors, actions):
    """Alpha vectors and actions of the backups at some beliefs."""
    choice = np.zeros(max(branches.actions.shape[0], 1), np.int64)
    for i in range(beliefs.shape[0]):
        _, actions[i] = backup(beliefs[i], branches, choice)
        write_backup(branches, actions[i], choice, vectors[i])


@kernel
def choices(beliefs, branches, actions, rows):
    """Best actions at some beliefs, and the maximising row of every branch."""
    choice = np.zeros(max(branches.actions.shape[0], 1), np.int64)
    for i in range(beliefs.shape[0]):
        _, actions[i] = backup(beliefs[i], branches, choice)
        for j in range(branches.actions.shape[0]):
            rows[i, j] = choice[j] - branches.starts[j]
