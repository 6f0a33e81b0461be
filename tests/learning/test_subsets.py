"""Subsets of episodes keep their ends."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from episode_data import terminated_episodes
from pomdptool.errors import DataError
from pomdptool.learning.subsets import first_steps, select_episodes


def test_parts_of_data_keep_their_ends() -> None:
    _, data = terminated_episodes()
    assert select_episodes(data, np.array([True, False, True])).terminated.tolist() == [True, True]
    for steps, ends in ((6, [1, 2, 1]), (5, [1, 2]), (4, [1, 2]), (3, [1]), (2, [2])):
        part = first_steps(data, steps)
        assert part.ends is not None
        assert part.ends.tolist() == ends
    with pytest.raises(DataError, match="one entry per episode"):
        replace(data, ends=np.zeros(2, dtype=np.int64))
