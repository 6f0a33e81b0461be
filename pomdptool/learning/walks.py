"""Random walks through a model, to measure other models by: actions are uniformly random.

Unlike the episodes of `acting.sample` they go on in terminal states, which a learned model need not
have: walks through both models are of the same length.
"""

from __future__ import annotations

import numpy as np

from pomdptool.episodes import Episodes
from pomdptool.model import Model
from pomdptool.sparse import FloatArray, IntArray


def walks(model: Model, episodes: int, steps: int, rng: np.random.Generator) -> Episodes:
    """Draw episodes of a number of steps each, all at once step by step.

    Raises
    ------
    ModelError
        Where the model is too large for dense tables.
    """
    T, Z = np.cumsum(model.T, axis=2), np.cumsum(model.Z, axis=2)
    a = rng.integers(model.n_actions, size=(episodes, steps))
    o = np.empty_like(a)
    s = _drawn(np.broadcast_to(np.cumsum(model.start), (episodes, model.n_states)), rng)
    for t in range(steps):
        s = _drawn(T[a[:, t], s], rng)
        o[:, t] = _drawn(Z[a[:, t], s], rng)
    first = np.arange(episodes + 1) * steps
    return Episodes(model.actions, model.observations, a.ravel(), o.ravel(), first)


def _drawn(cumulative: FloatArray, rng: np.random.Generator) -> IntArray:
    """Draw one column of each row; the last sum stands for 1, however it was rounded."""
    u = rng.random((len(cumulative), 1)) * cumulative[:, -1:]
    return np.asarray((u >= cumulative).sum(axis=1))
