"""What data do not tell: warnings about a model that was learned."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pomdptool.episodes import NONE, Episodes
from pomdptool.learning.expectation import Expected
from pomdptool.learning.rewards import LearnedRewards
from pomdptool.model import Model
from pomdptool.sparse import IntArray

EMPTY = 0.5
"""Expected visits below which a state is called empty."""


def remarks(
    episodes: Episodes,
    counts: Expected,
    tried: IntArray,
    rewards: LearnedRewards | None,
    model: Model,
) -> Iterator[str]:
    """Say what the data do not tell."""
    for a in np.flatnonzero(tried == 0):
        yield f"action {model.actions[a]!r} never occurs: its rows are those of the start"
    seen = np.unique(episodes.observations[episodes.observations != NONE])
    hidden = model.n_states - bool(episodes.terminated.any())
    if len(seen) < 2 and hidden > 1:
        yield "the data have fewer than two observations: nothing tells states apart"
    if model.n_states > episodes.n_steps:
        yield f"there are more states, {model.n_states}, than steps, {episodes.n_steps}"
    visits = counts.start + counts.T.sum(axis=(0, 1))
    for s in np.flatnonzero(visits < EMPTY):
        yield f"state {model.states[s]!r} is empty: {visits[s]:.2g} visits are expected"
    if rewards is None or episodes.rewards is None:
        return
    if np.isnan(episodes.rewards).any():
        yield f"{int(np.isnan(episodes.rewards).sum())} steps have no reward"
    if rewards.R.ndim > 2:
        return
    for a, s in np.argwhere(~np.isfinite(rewards.error) & (tried > 0)[:, np.newaxis]):
        yield (
            f"the reward of action {model.actions[a]!r} in state {model.states[s]!r} is not known: "
            f"it is set to the least one, {rewards.R[a, s]:g}"
        )
