"""Random backups of one face, checks by enumeration, and a model with faces."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.testing import assert_allclose

from models import random_beliefs
from pomdptool.kernels.exact.backup import Branches
from pomdptool.model import Model, make_model
from pomdptool.solving.exact.backup import FaceBackup
from pomdptool.solving.exact.projections import stack_branches
from pomdptool.solving.exact.value_function import VectorSet
from pomdptool.sparse import FloatArray


def make_branches(seed: int, d: int, kind: str) -> Branches:
    """Three actions of 0, 1 and 3 branches; integers (`whole`) tie within and across actions."""
    rng = np.random.default_rng(seed)

    def numbers(*shape: int) -> FloatArray:
        x = rng.normal(size=shape)
        if kind == "whole":
            x = np.round(2.0 * x)
        elif kind == "sparse":
            x *= rng.random(shape) < 0.5
        elif kind == "equal":
            x = np.full(shape, 3.0)
        return np.asarray(x)

    actions = [1, 2, 2, 2]
    sets = [numbers(int(rng.integers(2, 6)), d) for _ in actions]
    sets[2] = np.vstack([sets[2], sets[2][:2]])
    return stack_branches(numbers(3, d), sets, actions)


def old_vectors(seed: int, d: int) -> VectorSet:
    """Old vectors, identified by actions from 100 on."""
    vectors = np.random.default_rng(seed).normal(size=(5, d))
    return VectorSet(vectors, np.arange(100, 105), random_beliefs(5, d, seed))


def sums(branches: Branches, action: int) -> list[FloatArray]:
    """Every vector of an action."""
    sets = [
        branches.vectors[branches.starts[i] : branches.starts[i + 1]]
        for i in np.flatnonzero(branches.actions == action)
    ]
    return [branches.rewards[action] + sum(rows, np.zeros(1)) for rows in product(*sets)]


def check_backup(
    step: FaceBackup, branches: Branches, old: VectorSet, *, keep_old: bool, within: float = 1e-8
) -> None:
    """Check the backup, its certificates, and that each vector is a sum of its action."""
    d = branches.rewards.shape[1]
    beliefs = np.vstack([np.eye(d), random_beliefs(2000, d)])
    every = [sums(branches, a) for a in range(len(branches.rewards))]
    backup = (beliefs @ np.vstack([v for vectors in every for v in vectors]).T).max(axis=1)
    before = (beliefs @ old.vectors.T).max(axis=1)
    expected = np.maximum(backup, before) if keep_old else backup
    values = (beliefs @ step.new.vectors.T).max(axis=1)
    assert_allclose(values, expected, atol=within)
    assert (expected - values).max() <= step.loss + 1e-13
    assert (values - expected).max() <= 1e-12
    assert 0.0 <= step.loss <= 1.001 * within
    assert (backup - before).max() <= step.residual + 1e-13
    for v, a, b in zip(step.new.vectors, step.new.actions, step.new.beliefs, strict=True):
        mine = [old.vectors[a - 100]] if keep_old and a >= 100 else every[a]
        assert min(float(np.abs(w - v).max()) for w in mine) < 1e-12
        assert v @ b >= (step.new.vectors @ b).max() - within


def random_branches(seed: int, d: int, *, integers: bool = False) -> Branches:
    rng = np.random.default_rng(seed)

    def numbers(*shape: int) -> np.ndarray:
        x = rng.normal(size=shape)
        return np.round(2 * x) if integers else x

    rewards, parts, actions = numbers(3, d), [], []
    for a in range(3):
        for _ in range(a):
            parts.append(numbers(int(rng.integers(2, 7)), d))
            actions.append(a)
    starts = np.cumsum([0, *map(len, parts)])
    return Branches(rewards, starts, np.ascontiguousarray(np.vstack(parts)), np.array(actions))


def backup_values(branches: Branches, beliefs: np.ndarray) -> np.ndarray:
    """Value of the backup at each belief."""
    best = np.full(len(beliefs), -np.inf)
    for a in range(len(branches.rewards)):
        value = beliefs @ branches.rewards[a]
        for j in np.flatnonzero(branches.actions == a):
            rows = branches.vectors[branches.starts[j] : branches.starts[j + 1]]
            value = value + (beliefs @ rows.T).max(axis=1)
        best = np.maximum(best, value)
    return best


def model_with_faces(seed: int, discount: float = 0.9) -> Model:
    """Five states in faces of three and two, separated by the first two observations."""
    rng = np.random.default_rng(seed)
    T = rng.dirichlet(np.ones(5), size=(2, 5))
    Z = np.zeros((2, 5, 4))
    Z[:, :2, 0] = 1.0
    Z[:, 2:4, 1] = 1.0
    Z[:, 2:5, 2:] = rng.dirichlet(np.ones(2), size=(2, 3))
    Z /= Z.sum(axis=2, keepdims=True)
    return make_model(T, Z, rng.normal(size=(2, 5, 5, 4)), discount=discount)
