"""What data do not tell: warnings about a model that was learned."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from pomdptool.episodes import NONE, Episodes
from pomdptool.learning.e_step import ExpectedCounts
from pomdptool.learning.rewards import MIN_VISITS, LearnedRewards
from pomdptool.model import Model
from pomdptool.sparse import FloatArray, IntArray

MIN_STATE_VISITS = 0.5
"""Expected visits below which a state is called empty."""

MAX_WARNINGS = 10
"""Most warnings of one kind."""


def diagnose(
    episodes: Episodes,
    counts: ExpectedCounts,
    action_counts: IntArray,
    rewards: LearnedRewards | None,
    model: Model,
) -> Iterator[str]:
    """Say what the data do not tell."""
    yield from _at_most(
        np.flatnonzero(action_counts == 0),
        lambda a: f"action {model.actions[a]!r} never occurs: its rows are those of the start",
    )
    seen = np.unique(episodes.observations[episodes.observations != NONE])
    hidden = model.n_states - bool(episodes.terminated.any())
    if len(seen) < 2 and hidden > 1 and (rewards is None or len(_values(episodes)) < 2):
        yield "the data have fewer than two observations: nothing tells states apart"
    if model.n_states > episodes.n_steps:
        yield f"there are more states, {model.n_states}, than steps, {episodes.n_steps}"
    visits = counts.start + counts.T.sum(axis=(0, 1))
    yield from _at_most(
        np.flatnonzero(visits < MIN_STATE_VISITS),
        lambda s: f"state {model.states[s]!r} is empty: {visits[s]:.2g} visits are expected",
    )
    if rewards is None or episodes.rewards is None:
        return
    if np.isnan(episodes.rewards).any():
        yield f"{int(np.isnan(episodes.rewards).sum())} steps have no reward"
    if rewards.R.ndim > 2:
        return
    unknown = (rewards.visits < MIN_VISITS) & (action_counts > 0)[:, np.newaxis]
    if episodes.terminated.any():
        unknown[:, model.terminal_states] = False
    yield from _at_most(
        np.argwhere(unknown),
        lambda at: (
            f"the reward of action {model.actions[at[0]]!r} in state {model.states[at[1]]!r} is "
            f"not known: it is set to the least one, {rewards.R[at[0], at[1]]:g}"
        ),
    )


def _values(episodes: Episodes) -> FloatArray:
    """The rewards that occur."""
    assert episodes.rewards is not None
    return np.unique(episodes.rewards[~np.isnan(episodes.rewards)])


def _at_most(found: IntArray, words: Callable[[Any], str]) -> Iterator[str]:
    """Put a few of what was found into words, and say how many more there are."""
    yield from map(words, found[:MAX_WARNINGS])
    if len(found) > MAX_WARNINGS:
        yield f"... and {len(found) - MAX_WARNINGS} more like this"
