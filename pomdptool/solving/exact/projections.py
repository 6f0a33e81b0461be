"""Sets of vectors as the branches of a backup."""

from __future__ import annotations

import numpy as np

from pomdptool.kernels.exact.backup import Branches
from pomdptool.sparse import FloatArray


def stack_branches(rewards: FloatArray, sets: list[FloatArray], actions: list[int]) -> Branches:
    """Branches from rewards, shape (A, d), and each branch's vectors and action, ascending."""
    starts = np.cumsum([0, *map(len, sets)])
    stacked = np.vstack(sets) if sets else np.zeros((0, rewards.shape[1]))
    return Branches(rewards, starts, np.ascontiguousarray(stacked), np.array(actions, np.int64))


def sum_branches(sets: list[FloatArray]) -> Branches:
    """Branches of one action without rewards, whose combinations are the cross-sum of the sets."""
    return stack_branches(np.zeros((1, sets[0].shape[1])), sets, [0] * len(sets))


def projected_sets(branches: Branches, action: int) -> list[FloatArray]:
    """The vectors of each branch of an action."""
    return [
        branches.vectors[branches.starts[i] : branches.starts[i + 1]]
        for i in np.flatnonzero(branches.actions == action).tolist()
    ]


def cross_sum(left: FloatArray, right: FloatArray) -> FloatArray:
    """All sums of one vector of each set."""
    sums = left[:, np.newaxis] + right[np.newaxis]
    return sums.reshape(-1, left.shape[1])
