"""Warnings about a learned model: parameters that the data do not identify."""

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
"""Expected visits below which a state counts as unused."""

MAX_WARNINGS = 10
"""Maximum number of warnings of one kind."""


def diagnose(
    episodes: Episodes,
    counts: ExpectedCounts,
    action_counts: IntArray,
    rewards: LearnedRewards | None,
    model: Model,
) -> Iterator[str]:
    """Warn of unused actions and states, and of states or rewards that are not identifiable."""
    yield from _first_items(
        np.flatnonzero(action_counts == 0),
        lambda a: f"action {model.actions[a]!r} never occurs: it keeps its initial probabilities",
    )
    observed = np.unique(episodes.observations[episodes.observations != NONE])
    hidden = model.n_states - bool(episodes.terminated.any())
    if len(observed) < 2 and hidden > 1 and (rewards is None or len(_values(episodes)) < 2):
        yield "the data have fewer than two distinct observations: states are not identifiable"
    if model.n_states > episodes.n_steps:
        yield f"more states, {model.n_states}, than steps of data, {episodes.n_steps}"
    visits = counts.start + counts.T.sum(axis=(0, 1))
    yield from _first_items(
        np.flatnonzero(visits < MIN_STATE_VISITS),
        lambda s: f"state {model.states[s]!r} is unused: {visits[s]:.2g} expected visits",
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
    yield from _first_items(
        np.argwhere(unknown),
        lambda at: (
            f"the reward of action {model.actions[at[0]]!r} in state {model.states[at[1]]!r} is "
            f"not identifiable: it is set to the lowest reward, {rewards.R[at[0], at[1]]:g}"
        ),
    )


def _values(episodes: Episodes) -> FloatArray:
    """The distinct rewards."""
    assert episodes.rewards is not None
    return np.unique(episodes.rewards[~np.isnan(episodes.rewards)])


def _first_items(items: IntArray, words: Callable[[Any], str]) -> Iterator[str]:
    """Report the first MAX_WARNINGS items, and the number of further ones."""
    yield from map(words, items[:MAX_WARNINGS])
    if len(items) > MAX_WARNINGS:
        yield f"... and {len(items) - MAX_WARNINGS} more like this"
