"""Slow, obvious oracles of planning: plain loops over dense arrays."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pomdptool.model import Model

Array = NDArray[np.float64]


def update(model: Model, b: Array, a: int, o: int) -> tuple[Array, float]:
    """Belief after an action and an observation, and the observation's probability."""
    joint = np.zeros(model.n_states)
    for s in range(model.n_states):
        for s2 in range(model.n_states):
            joint[s2] += b[s] * model.T[a, s, s2] * model.Z[a, s2, o]
    p = joint.sum()
    return (joint / p if p > 0 else joint), p


def reward(model: Model, a: int, s: int, s2: int, o: int) -> float:
    """R, whatever axes it depends on."""
    index = [i if n > 1 else 0 for i, n in zip((a, s, s2, o), model.R.shape, strict=True)]
    return float(model.R[tuple(index)])


def expected_reward(model: Model, b: Array, a: int) -> float:
    """Expected reward of an action at a belief."""
    total = 0.0
    for s in range(model.n_states):
        for s2 in range(model.n_states):
            for o in range(model.n_observations):
                p = b[s] * model.T[a, s, s2] * model.Z[a, s2, o]
                total += p * reward(model, a, s, s2, o)
    return total


def expectimax(model: Model, b: Array, horizon: int, ends: Array | None = None) -> float:
    """Optimal value of a belief with some steps to go, by exhaustive search.

    The terminal value function is the maximum of the vectors `ends`, or 0.
    """
    if horizon == 0:
        return 0.0 if ends is None else max(float(v @ b) for v in ends)
    best = -np.inf
    for a in range(model.n_actions):
        value = expected_reward(model, b, a)
        for o in range(model.n_observations):
            after, p = update(model, b, a, o)
            if p > 0:
                value += model.discount * p * expectimax(model, after, horizon - 1, ends)
        best = max(best, value)
    return float(best)


def bound(model: Model, method: str, sweeps: int) -> Array:
    """Q[a, s] of the MDP, QMDP, FIB or blind recursion after some sweeps from 0."""
    A, S, Z = model.n_actions, model.n_states, model.n_observations
    Q = np.zeros((A, S))
    for _ in range(sweeps):
        after = np.zeros((A, S))
        for a in range(A):
            for s in range(S):
                after[a, s] = expected_reward(model, np.eye(S)[s], a)
                if method == "blind":
                    future = sum(model.T[a, s, s2] * Q[a, s2] for s2 in range(S))
                elif method == "fib":
                    future = sum(
                        max(
                            sum(model.T[a, s, s2] * model.Z[a, s2, o] * Q[k, s2] for s2 in range(S))
                            for k in range(A)
                        )
                        for o in range(Z)
                    )
                else:
                    future = sum(model.T[a, s, s2] * Q[:, s2].max() for s2 in range(S))
                after[a, s] += model.discount * future
        Q = after
    return Q


def blocks(model: Model, every_belief: bool) -> set[frozenset[int]]:
    """Belief blocks, by merging until nothing changes."""
    S = model.n_states
    seeds = set(range(S)) if every_belief else {int(s) for s in np.flatnonzero(model.start)}
    blocks: list[set[int]] = []
    waiting = [seeds]
    while waiting:
        source = waiting.pop()
        for a in range(model.n_actions):
            for o in range(model.n_observations):
                after = {
                    s2
                    for s2 in range(S)
                    for s in source
                    if model.T[a, s, s2] > 0 and model.Z[a, s2, o] > 0
                }
                if not after or any(after <= block for block in blocks):
                    continue
                touched = [block for block in blocks if block & after]
                blocks = [block for block in blocks if not block & after]
                merged = after.union(*touched)
                blocks.append(merged)
                waiting.append(merged)
    return {frozenset(block) for block in blocks}


def bellman_residual(model: Model, V: Callable[[Array], float], b: Array) -> float:
    """(HV)(b) - V(b), one belief, action and observation after the other."""
    best = -np.inf
    for a in range(model.n_actions):
        value = expected_reward(model, b, a)
        for o in range(model.n_observations):
            after, p = update(model, b, a, o)
            if p > 0:
                value += model.discount * p * V(after)
        best = max(best, value)
    return float(best) - V(b)
