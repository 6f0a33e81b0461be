"""Models whose observations reveal the state, and values of their solutions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

import mdps
from pomdptool.model import Model, make_model
from pomdptool.solving.solution import Solution


def mdp_with_terminal_state(seed: int) -> Model:
    """MDP with a terminal state and an absorbing state with rewards."""
    model = mdps.random_mdp(seed)
    T, R = model.T.copy(), model.R.copy()
    T[:, 2:] = np.eye(4)[2:]
    R[:, 2], R[:, 3] = 0.7, 0.0
    return make_model(T, None, R[..., 0], discount=0.9, start=model.start)


MAKERS: dict[str, Callable[[int], Model]] = {
    "mdp": mdps.random_mdp,
    "renamed": lambda seed: mdps.renamed(mdps.random_mdp(seed), seed),
    "end": mdp_with_terminal_state,
    "costs": lambda seed: replace(mdps.random_mdp(seed), costs=True),
    "one-state": lambda seed: mdps.random_mdp(seed, n_states=1, n_actions=2),
}


every_make = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def vectors_of(solution: Solution) -> np.ndarray:
    """Vectors over all states, one per action."""
    rows = list(solution.policy.values.rows())
    assert all(row.states is None for row in rows)
    assert [row.action for row in rows] == list(range(len(rows)))
    return np.array([row.values for row in rows])


def at_start(model: Model, Q: np.ndarray) -> float:
    """Value at the initial belief; an MDP's state is observed there."""
    return float(Q.max(axis=0) @ model.start if model.mdp else (Q @ model.start).max())
