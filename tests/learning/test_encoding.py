"""Encoding of episodes as sequences of symbols."""

from __future__ import annotations

import numpy as np

from episode_data import (
    episodes_of,
)
from naive_learning import Steps
from pomdptool.episodes import NONE, Episodes
from pomdptool.learning.encoding import encode


def test_equal_episodes_are_counted_once_with_their_weight() -> None:
    episodes: list[Steps] = [[(0, 0), (1, 1)], [(0, 0)], [(0, 0), (1, 1)], [(0, 1)], [(0, 0)]]
    sequences = encode(episodes_of(episodes))
    assert sequences.distinct.tolist() == [0, 1, 0, 2, 1]
    assert sequences.steps.weights.tolist() == [2.0, 2.0, 1.0]
    assert sequences.steps.first.tolist() == [0, 2, 3, 4]


def test_sparse_codes_are_numbered() -> None:
    n = 1 << 22
    names = tuple(map(str, range(n)))
    a = np.array([n - 1, 0, n - 1, 5])
    o = np.array([0, NONE, 0, n - 1])
    rewards = np.array([1.0, 2.0, 1.0, np.nan])
    data = Episodes(names, names, a, o, np.array([0, 4]), rewards)
    result = encode(data, np.array([1.5]))
    symbols = result.steps.symbols
    assert result.actions[symbols].tolist() == a.tolist()
    assert result.observations[symbols].tolist() == o.tolist()
    assert result.reward_bins[symbols].tolist() == [0, 1, 0, NONE]
