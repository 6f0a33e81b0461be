"""Subsets of episodes, and their first steps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pomdptool.episodes import TERMINATED, TRUNCATED, Episodes
from pomdptool.sparse import IntArray


def select_episodes(episodes: Episodes, which: NDArray[np.bool_]) -> Episodes:
    """Select episodes by a mask of shape (n_episodes,)."""
    first = np.concatenate([[0], np.cumsum(episodes.lengths[which])])
    ends = None if episodes.ends is None else episodes.ends[which]
    return _take_steps(episodes, np.flatnonzero(np.repeat(which, episodes.lengths)), first, ends)


def first_steps(episodes: Episodes, steps: int) -> Episodes:
    """Return the first steps of the data; the last episode may be truncated."""
    first = episodes.first[episodes.first < steps]
    ends = None if episodes.ends is None else episodes.ends[: len(first)].copy()
    if ends is not None and steps < episodes.first[len(first)] and ends[-1] == TERMINATED:
        ends[-1] = TRUNCATED
    return _take_steps(episodes, np.arange(steps), np.append(first, steps), ends)


def random_subset(episodes: Episodes, steps: int, rng: np.random.Generator) -> Episodes:
    """Draw random episodes with this total number of steps; the last one may be truncated."""
    if episodes.n_steps <= steps:
        return episodes
    order = rng.permutation(episodes.n_episodes)
    needed = int(np.searchsorted(np.cumsum(episodes.lengths[order]), steps)) + 1
    which = np.zeros(episodes.n_episodes, dtype=bool)
    which[order[:needed]] = True
    return first_steps(select_episodes(episodes, which), steps)


def _take_steps(
    episodes: Episodes, at: IntArray, first: IntArray, ends: IntArray | None
) -> Episodes:
    rewards = episodes.rewards
    return Episodes(
        episodes.action_names,
        episodes.observation_names,
        episodes.actions[at],
        episodes.observations[at],
        first,
        None if rewards is None else rewards[at],
        ends=ends,
    )
