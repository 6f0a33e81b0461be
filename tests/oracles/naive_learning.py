"""Slow, obvious oracles of learning: every path of states is enumerated."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pomdptool.episodes import NONE

Array = NDArray[np.float64]
Steps = list[tuple[int, int]]
"""Action and observation of each step; NONE for no action in the first one, or none observed."""


@dataclass(frozen=True)
class Paths:
    """Paths of states that an episode can take, and how likely each is together with the data.

    `states` has one row a path: the state before each step with an action, and the last state.
    """

    states: NDArray[np.int64]
    probability: Array

    @property
    def likelihood(self) -> float:
        return float(self.probability.sum())


def paths(T: Array, Z: Array, start: Array, steps: Steps) -> Paths:
    """Enumerate; Z has an entry per action."""
    acted = [step for step in steps if step[0] != NONE]
    rows, values = [], []
    for path in itertools.product(range(len(start)), repeat=len(acted) + 1):
        p = start[path[0]]
        if steps and steps[0][0] == NONE and steps[0][1] != NONE:
            p *= Z[0][path[0], steps[0][1]]
        for t, (a, o) in enumerate(acted):
            p *= T[a][path[t], path[t + 1]]
            p *= 1.0 if o == NONE else Z[a][path[t + 1], o]
        rows.append(path)
        values.append(p)
    return Paths(np.array(rows), np.array(values))


def counts(T: Array, Z: Array, start: Array, steps: Steps) -> tuple[Array, Array, Array]:
    """Expected counts of T, Z (per action; before any action at 0) and start."""
    result = paths(T, Z, start, steps)
    posterior = result.probability / result.likelihood
    acted = [step for step in steps if step[0] != NONE]
    nT, nZ, n0 = np.zeros_like(T), np.zeros_like(Z), np.zeros_like(start)
    for path, p in zip(result.states, posterior, strict=True):
        n0[path[0]] += p
        if steps and steps[0][0] == NONE and steps[0][1] != NONE:
            nZ[0, path[0], steps[0][1]] += p
        for t, (a, o) in enumerate(acted):
            nT[a, path[t], path[t + 1]] += p
            if o != NONE:
                nZ[a, path[t + 1], o] += p
    return nT, nZ, n0


def filtered(T: Array, Z: Array, start: Array, steps: Steps) -> Array:
    """Probability of each state after each step, given the steps up to it."""
    rows = []
    for n in range(1, len(steps) + 1):
        result = paths(T, Z, start, steps[:n])
        last = np.bincount(result.states[:, -1], result.probability, minlength=len(start))
        rows.append(last / result.likelihood)
    return np.array(rows)


def smoothed(T: Array, Z: Array, start: Array, steps: Steps) -> Array:
    """Probability of each state after each step, given all steps."""
    result = paths(T, Z, start, steps)
    after = result.states[:, -len(steps) :]
    p = result.probability / result.likelihood
    return np.array([np.bincount(s, p, minlength=len(start)) for s in after.T])


def best_path(T: Array, Z: Array, start: Array, steps: Steps) -> tuple[NDArray[np.int64], float]:
    """States after each step of the likeliest path, and its log-probability."""
    result = paths(T, Z, start, steps)
    k = int(result.probability.argmax())
    return result.states[k, -len(steps) :], float(np.log(result.probability[k]))


def baum_welch(T: Array, Z: Array, start: Array, symbols: list[int]) -> tuple[Array, Array, Array]:
    """One iteration for one sequence and one action, its first symbol observed in the first state.

    A plain loop over unscaled probabilities (Rabiner 1989), with nothing of the package.
    """
    n, S = len(symbols), len(start)
    alpha, beta = np.zeros((n, S)), np.ones((n, S))
    alpha[0] = start * Z[:, symbols[0]]
    for t in range(1, n):
        alpha[t] = (alpha[t - 1] @ T) * Z[:, symbols[t]]
    for t in range(n - 2, -1, -1):
        beta[t] = T @ (Z[:, symbols[t + 1]] * beta[t + 1])
    gamma = alpha * beta / alpha[-1].sum()
    xi = np.zeros((S, S))
    for t in range(n - 1):
        onward = Z[:, symbols[t + 1]] * beta[t + 1]
        xi += alpha[t][:, None] * T * onward / alpha[-1].sum()
    emitted = np.zeros_like(Z)
    for t, o in enumerate(symbols):
        emitted[:, o] += gamma[t]
    return (
        xi / xi.sum(axis=1, keepdims=True),
        emitted / emitted.sum(axis=1, keepdims=True),
        gamma[0],
    )
