"""A value function kept on faces, and the backup of one source from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pomdptool.kernels.exact import dominance as kernel
from pomdptool.kernels.exact.backup import Branches
from pomdptool.lookahead import FaceVectors, on_faces
from pomdptool.policy import AlphaVectors
from pomdptool.solving.exact.faces import Branch, Faces, Source
from pomdptool.solving.exact.projections import stack
from pomdptool.sparse import FloatArray, IntArray


@dataclass(frozen=True, eq=False, slots=True)
class Part:
    """The vectors on one face.

    Attributes
    ----------
    vectors
        Shape (n, d).
    actions
        Shape (n,).
    beliefs
        Shape (m, d): where the vectors are the largest; in a backed-up part one for each.
    """

    vectors: FloatArray
    actions: IntArray
    beliefs: FloatArray


Stage = tuple[Part, ...]
"""One part for each face."""


def n_vectors(stage: Stage) -> int:
    """How many vectors all faces have."""
    return sum(len(part.vectors) for part in stage)


def by_action(part: Part) -> AlphaVectors:
    """The vectors of a face that holds all states, in the order of their actions."""
    order = np.argsort(part.actions, kind="stable")
    return AlphaVectors(part.actions[order], part.vectors[order])


def face_vectors(faces: Faces, stage: Stage) -> FaceVectors:
    """All vectors of a stage, each with the states of its face."""
    pairs = zip(stage, faces.faces, strict=True)
    vectors = [(AlphaVectors(part.actions, part.vectors), face.states) for part, face in pairs]
    return on_faces(vectors, faces.whole.size)


def best_of(controller: Stage, stage: Stage) -> Stage:
    """What a controller earns and the vectors that describe it, less those exceeded singly."""
    parts = []
    for a, b in zip(controller, stage, strict=True):
        vectors = np.vstack([a.vectors, b.vectors])
        kept = undominated(vectors)
        actions, beliefs = np.append(a.actions, b.actions), np.vstack([b.beliefs, b.beliefs])
        parts.append(Part(vectors[kept], actions[kept], beliefs[kept]))
    return tuple(parts)


def joined(first: Stage, second: Stage) -> Stage:
    """Both stages' vectors; the beliefs are the same."""
    return tuple(
        Part(np.vstack([a.vectors, b.vectors]), np.append(a.actions, b.actions), b.beliefs)
        for a, b in zip(first, second, strict=True)
    )


def pack(source: Source, stage: Stage) -> Branches:
    """Project a stage through a source's branches, for kernels: pruned, certain ones folded in.

    A branch ahead of which only one vector is left is added to the rewards.
    """
    rewards = source.rewards.copy()
    vectors: list[FloatArray] = []
    actions: list[int] = []
    for a, branches in enumerate(source.branches):
        for branch in branches:
            projected = branch.project(stage[branch.target].vectors, source.size)
            projected = projected[undominated(projected)]
            if len(projected) == 1:
                rewards[a] += projected[0]
            else:
                vectors.append(projected)
                actions.append(a)
    return stack(rewards, vectors, actions)


def undominated(vectors: FloatArray, slack: float = 1e-14) -> IntArray:
    """Indices of the vectors that no single other one exceeds everywhere.

    One may be smaller by the slack, relative to the largest number, and still count as exceeding.
    """
    slack *= float(np.abs(vectors).max())
    order = np.argsort(-vectors.sum(axis=1), kind="stable")
    kept = np.empty(len(order), np.int64)
    return order[kept[: kernel.undominated(np.ascontiguousarray(vectors[order]), slack, kept)]]


def value_at(faces: Faces, stage: Stage, b: FloatArray) -> float:
    """Value at a belief over all states, shape (S,), by a step of look-ahead along the branches.

    `LookAhead` takes the best vector of all faces that hold the belief after the step. Here a
    branch keeps to its own face, as controllers do that are made of a stage (see `extraction`):
    so they earn this value.
    """
    values = faces.whole.rewards @ b
    for a, branches in enumerate(faces.whole.branches):
        for branch in branches:
            values[a] += (stage[branch.target].vectors @ ahead(branch, b, faces)).max()
    return float(values.max())


def ahead(branch: Branch, b: FloatArray, faces: Faces) -> FloatArray:
    """Belief after a branch from a source, times g and its probability, over the branch's face."""
    lengths = np.diff(np.append(branch.first, len(branch.columns)))
    mass = np.repeat(b[branch.rows], lengths) * branch.weights
    size = faces.faces[branch.target].size
    ahead = np.zeros(size)
    np.add.at(ahead, branch.columns, mass)
    return ahead
