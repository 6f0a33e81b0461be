"""Small models for the tests of planning, and the folders of shared files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pomdptool.model import Model, make_model

ROOT = Path(__file__).parents[1]
PROBLEMS = sorted((ROOT / "problems").glob("*.pomdp"))
SHARED = ROOT.parent / "shared"


def tiger(discount: float = 0.95) -> Model:
    """Kaelbling, Littman and Cassandra (1998)."""
    hear = np.array([[0.85, 0.15], [0.15, 0.85]])
    half = np.full((2, 2), 0.5)
    return make_model(
        np.array([np.eye(2), half, half]),
        np.array([hear, half, half]),
        np.array([[-1.0, -1.0], [-100.0, 10.0], [10.0, -100.0]]),
        discount=discount,
        states=("tiger-left", "tiger-right"),
        actions=("listen", "open-left", "open-right"),
        observations=("hear-left", "hear-right"),
        name="tiger",
    )


def random_model(
    seed: int, n_states: int = 3, n_actions: int = 2, n_observations: int = 2, discount: float = 0.9
) -> Model:
    """A model with some zeros, and rewards over all four axes."""
    rng = np.random.default_rng(seed)

    def rows(*shape: int) -> np.ndarray:
        weights = rng.random(shape) * (rng.random(shape) < 0.7)
        weights[..., 0] += 1e-3
        return np.asarray(weights / weights.sum(axis=-1, keepdims=True))

    S, A, Z = n_states, n_actions, n_observations
    return make_model(
        rows(A, S, S),
        rows(A, S, Z),
        rng.normal(size=(A, S, S, Z)),
        discount=discount,
        start=rows(S),
        name=f"random-{seed}",
    )


def random_beliefs(n: int, n_states: int, seed: int = 0) -> np.ndarray:
    """Beliefs all over the simplex, including its boundary; shape (n, n_states)."""
    rng = np.random.default_rng(seed)
    weights = rng.exponential(size=(n, n_states)) * (rng.random((n, n_states)) < 0.7)
    weights[np.arange(n), rng.integers(n_states, size=n)] += 0.1
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))
