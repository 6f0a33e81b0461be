"""A value function kept on faces, and the backup of one source from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pomdptool.kernels.exact import dominance as kernel
from pomdptool.kernels.exact.vertex_enumeration import Branches
from pomdptool.policy import Row
from pomdptool.solving.branches import stack
from pomdptool.solving.faces import Branch, Faces, Source
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


@dataclass(frozen=True, eq=False, slots=True)
class FaceValues:
    """A value function over all beliefs: one step of look-ahead from the vectors on faces."""

    faces: Faces
    stage: Stage

    def value(self, b: FloatArray) -> float:
        """Value of the best action at belief `b`, shape (S,)."""
        return look_ahead(self.faces, self.stage, b)[0]

    def action(self, b: FloatArray) -> int:
        """Index of the best action at belief `b`, shape (S,)."""
        return look_ahead(self.faces, self.stage, b)[1]

    def vector(self, b: FloatArray) -> tuple[int, FloatArray]:
        """Action and vector over all states, shape (S,), that are best at belief `b`."""
        action = self.action(b)
        vector = self.faces.whole.rewards[action].copy()
        for branch in self.faces.whole.branches[action]:
            vectors = self.stage[branch.target].vectors
            best = int(np.argmax(vectors @ ahead(branch, b, self.faces)))
            vector += branch.project(vectors[best : best + 1], len(vector))[0]
        return action, vector

    def rows(self) -> Iterator[Row]:
        """Every vector: its action, its values, and the states that they belong to."""
        for source, part in zip(self.faces.faces, self.stage, strict=True):
            states = source.states.tolist()
            for action, vector in zip(part.actions.tolist(), part.vectors, strict=True):
                yield Row(action, vector, states)


@dataclass(frozen=True, eq=False, slots=True)
class StageValues:
    """Values with some steps to go, over all beliefs; `before` has a step less to go."""

    faces: Faces
    stage: Stage
    before: Stage

    def value(self, b: FloatArray) -> float:
        """Value of the best action at belief `b`, shape (S,)."""
        return look_ahead(self.faces, self.before, b)[0]

    def action(self, b: FloatArray) -> int:
        """Index of the best action at belief `b`, shape (S,)."""
        return look_ahead(self.faces, self.before, b)[1]

    def rows(self) -> Iterator[Row]:
        """Every vector: its action, its values, and the states that they belong to."""
        return FaceValues(self.faces, self.stage).rows()


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


def look_ahead(faces: Faces, stage: Stage, b: FloatArray) -> tuple[float, int]:
    """Value and action at a belief over all states, shape (S,), by one step from the faces."""
    values = faces.whole.rewards @ b
    for a, branches in enumerate(faces.whole.branches):
        for branch in branches:
            values[a] += (stage[branch.target].vectors @ ahead(branch, b, faces)).max()
    action = int(np.argmax(values))
    return float(values[action]), action


def ahead(branch: Branch, b: FloatArray, faces: Faces) -> FloatArray:
    """Belief after a branch from a source, times g and its probability, over the branch's face."""
    lengths = np.diff(np.append(branch.first, len(branch.columns)))
    mass = np.repeat(b[branch.rows], lengths) * branch.weights
    size = faces.faces[branch.target].size
    ahead = np.zeros(size)
    np.add.at(ahead, branch.columns, mass)
    return ahead
