"""The result of backing up one face, and steps that several algorithms share.

The backup H V is the union over actions a of  r[a] + sum over the branches of a of one row each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pomdptool.kernels.exact.backup import Branches, backups
from pomdptool.solving.exact.lp_pruning import max_excess, prune
from pomdptool.solving.exact.value_function import VectorSet
from pomdptool.solving.solution import Monitor
from pomdptool.sparse import FloatArray, IntArray


@dataclass(frozen=True, eq=False, slots=True)
class FaceBackup:
    """The backup H V of the vectors V of one face.

    Attributes
    ----------
    new
        The new vectors W.
    residual
        Bellman residual: upper bound on H V - V over the face.
    loss
        Upper bound on H V - W over the face.
    vertices, programs, backups
        Vertices of the polytope, linear programs solved, and backups at single beliefs.
    """

    new: VectorSet
    residual: float
    loss: float
    vertices: int = 0
    programs: int = 0
    backups: int = 0


@dataclass(frozen=True, eq=False, slots=True)
class Candidates:
    """Vectors of one action's backup, shape (n, d), the loss so far, and linear programs solved."""

    vectors: FloatArray
    actions: IntArray
    loss: float
    programs: int


def prune_union(
    sets: list[Candidates], old: VectorSet, *, keep_old: bool, monitor: Monitor
) -> FaceBackup:
    """Prune the union of the actions' candidates, and of the old vectors with `keep_old`."""
    vectors = np.vstack([candidates.vectors for candidates in sets])
    actions = np.concatenate([candidates.actions for candidates in sets])
    if keep_old:
        vectors, actions = np.vstack([vectors, old.vectors]), np.append(actions, old.actions)
    pruned = prune(vectors, old.beliefs, monitor.check)
    new = VectorSet(vectors[pruned.kept], actions[pruned.kept], pruned.witnesses)
    loss = max(candidates.loss for candidates in sets) + pruned.loss
    excess, programs = max_excess(new.vectors, old.vectors, monitor.check)
    programs += pruned.programs + sum(candidates.programs for candidates in sets)
    return FaceBackup(new, loss + excess, loss, programs=programs)


def backup_single(branches: Branches, old: VectorSet, *, keep_old: bool) -> FaceBackup:
    """Back up a face of one state, whose value is a number."""
    b = np.ones((1, 1))
    vector, action = np.empty((1, 1)), np.zeros(1, np.int64)
    backups(b, branches, vector, action)
    best = int(np.argmax(old.vectors[:, 0]))
    residual = float(vector[0, 0] - old.vectors[best, 0])
    if keep_old and residual <= 0.0:
        vector, action = old.vectors[[best]], old.actions[[best]]
    return FaceBackup(VectorSet(vector, action, b), max(residual, 0.0), 0.0)
