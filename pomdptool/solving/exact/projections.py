"""Sets of vectors as the branches of a backup, and back."""

from __future__ import annotations

import numpy as np

from pomdptool.kernels.exact.backup import Branches
from pomdptool.sparse import FloatArray


def stack(rewards: FloatArray, sets: list[FloatArray], actions: list[int]) -> Branches:
    """Make a backup of rewards, shape (A, d), and branches: their vectors and ascending actions."""
    starts = np.cumsum([0, *map(len, sets)])
    stacked = np.vstack(sets) if sets else np.zeros((0, rewards.shape[1]))
    return Branches(rewards, starts, np.ascontiguousarray(stacked), np.array(actions, np.int64))


def joined(sets: list[FloatArray]) -> Branches:
    """Make a backup of one action without rewards, whose branches are some sets."""
    return stack(np.zeros((1, sets[0].shape[1])), sets, [0] * len(sets))


def rows_of(branches: Branches, action: int) -> list[FloatArray]:
    """Vectors of each branch of an action."""
    return [
        branches.vectors[branches.starts[i] : branches.starts[i + 1]]
        for i in np.flatnonzero(branches.actions == action).tolist()
    ]


def cross_sum(left: FloatArray, right: FloatArray) -> FloatArray:
    """All sums of a vector of one set and one of another."""
    sums = left[:, np.newaxis] + right[np.newaxis]
    return sums.reshape(-1, left.shape[1])
