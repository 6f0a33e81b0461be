"""MDPs, small and large; the large ones are also used by the benchmark."""

from __future__ import annotations

import numpy as np

from pomdptool.model import Model, make_model
from pomdptool.sparse import SparseRows, from_entries


def random_mdp(seed: int, n_states: int = 4, n_actions: int = 3, discount: float = 0.9) -> Model:
    """An MDP with some zeros, rewards over three axes, and a start among some of the states."""
    rng = np.random.default_rng(seed)
    S, A = n_states, n_actions
    R = rng.normal(size=(A, S, S))
    return make_model(_rows(rng, A, S, S), None, R, discount=discount, start=_rows(rng, S))


def renamed(model: Model, seed: int) -> Model:
    """The same with one observation or two for each state, other ones under each action.

    What the observations of states that an action cannot lead to tell is arbitrary.
    """
    rng = np.random.default_rng(seed)
    A, S = model.n_actions, model.n_states
    Z = np.zeros((A, S, 2 * S))
    for a in range(A):
        names = rng.permutation(2 * S)
        for s in range(S):
            mine = names[2 * s : 2 * s + 1 + rng.integers(2)]
            Z[a, s, mine] = rng.dirichlet(np.ones(len(mine)))
            if not model.T[a, :, s].any():
                Z[a, s] = rng.dirichlet(np.ones(2 * S))
    return make_model(model.T, Z, model.R[..., 0], discount=model.discount, start=model.start)


def _rows(rng: np.random.Generator, *shape: int) -> np.ndarray:
    weights = rng.random(shape) * (rng.random(shape) < 0.6)
    weights[..., rng.integers(shape[-1])] += 0.1
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def grid_world(side: int = 100, discount: float = 0.95) -> Model:
    """A walk to the last cell, a step costs 1; the rover slips to either side with 1/10 each."""
    S = side * side
    y, x = np.divmod(np.arange(S), side)
    steps = [(-1, 0), (0, 1), (1, 0), (0, -1)]
    moved = [(y + dy).clip(0, side - 1) * side + (x + dx).clip(0, side - 1) for dy, dx in steps]
    ways = [np.stack([moved[a], moved[(a + 1) % 4], moved[a - 1]], axis=1) for a in range(4)]
    to = np.array(ways)
    to[:, S - 1] = S - 1
    rewards = np.full((4, S), -1.0)
    rewards[:, S - 1] = 0.0
    T = _transitions(to, np.broadcast_to([0.8, 0.1, 0.1], to.shape))
    return make_model(T, None, rewards, discount=discount, name="grid-world")


def random_sparse(n_states: int = 10_000, discount: float = 0.95, seed: int = 0) -> Model:
    """Four actions, five successors of each state, anywhere; normal rewards."""
    rng = np.random.default_rng(seed)
    to = rng.integers(n_states, size=(4, n_states, 5))
    T = _transitions(to, rng.dirichlet(np.ones(5), size=to.shape[:2]))
    rewards = rng.normal(size=(4, n_states))
    return make_model(T, None, rewards, discount=discount, name="random-sparse")


def corridor(n_states: int = 1000, discount: float = 0.9999) -> Model:
    """A random walk between two ends, steered a little; its beliefs forget slowly."""
    s = np.arange(n_states)
    left, right = np.maximum(s - 1, 0), np.minimum(s + 1, n_states - 1)
    to = np.array([np.stack([right, left], axis=1), np.stack([left, right], axis=1)])
    rewards = np.zeros((2, n_states))
    rewards[:, 0], rewards[:, -1] = 0.1, 1.0
    T = _transitions(to, np.broadcast_to([0.6, 0.4], to.shape))
    return make_model(T, None, rewards, discount=discount, name="corridor")


def _transitions(to: np.ndarray, probabilities: np.ndarray) -> SparseRows:
    """Sparse T from successors and their probabilities, shape (A, S, k); equal ones add up."""
    A, S, k = to.shape
    key, place = np.unique(np.repeat(np.arange(A * S), k) * S + to.ravel(), return_inverse=True)
    weights = np.bincount(place.ravel(), weights=probabilities.ravel()).astype(np.float64)
    return from_entries(A * S, S, key // S, key % S, weights)
