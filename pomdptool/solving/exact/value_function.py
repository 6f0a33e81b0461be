"""A value function on faces, and the projections that back it up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pomdptool.kernels.exact import dominance as kernel
from pomdptool.kernels.exact.backup import Branches
from pomdptool.lookahead import FaceVectors, on_faces
from pomdptool.policy import AlphaVectors
from pomdptool.solving.exact.faces import Face, Faces, Projection
from pomdptool.solving.exact.projections import stack_branches
from pomdptool.sparse import FloatArray, IntArray


@dataclass(frozen=True, eq=False, slots=True)
class VectorSet:
    """The vectors on one face.

    Attributes
    ----------
    vectors
        Shape (n, d).
    actions
        Shape (n,).
    beliefs
        Shape (m, d): beliefs where the vectors are maximal; one for each vector after a backup.
    """

    vectors: FloatArray
    actions: IntArray
    beliefs: FloatArray


FaceValues = tuple[VectorSet, ...]
"""A value function: the vectors on each face."""


def n_vectors(V: FaceValues) -> int:
    """Number of vectors on all faces."""
    return sum(len(on_face.vectors) for on_face in V)


def sorted_by_action(vector_set: VectorSet) -> AlphaVectors:
    """The vectors of the full simplex, sorted by their actions."""
    order = np.argsort(vector_set.actions, kind="stable")
    return AlphaVectors(vector_set.actions[order], vector_set.vectors[order])


def face_vectors(faces: Faces, V: FaceValues) -> FaceVectors:
    """All vectors, each with the states of its face."""
    pairs = zip(V, faces.faces, strict=True)
    vectors = [(AlphaVectors(own.actions, own.vectors), face.states) for own, face in pairs]
    return on_faces(vectors, faces.full_simplex.size)


def union(first: FaceValues, second: FaceValues) -> FaceValues:
    """The vectors of both; their beliefs are the same."""
    return tuple(
        VectorSet(np.vstack([a.vectors, b.vectors]), np.append(a.actions, b.actions), b.beliefs)
        for a, b in zip(first, second, strict=True)
    )


def undominated_union(first: FaceValues, second: FaceValues) -> FaceValues:
    """The vectors of both without dominated ones, each with its belief."""
    result = []
    for both in union(first, second):
        kept = undominated(both.vectors)
        beliefs = np.vstack([both.beliefs, both.beliefs])
        result.append(VectorSet(both.vectors[kept], both.actions[kept], beliefs[kept]))
    return tuple(result)


def project(face: Face, V: FaceValues) -> Branches:
    """Project a value function through all projections of a face, vector for vector."""
    sets = [
        (p.project(V[p.target].vectors, face.size), a)
        for a, of_action in enumerate(face.projections)
        for p in of_action
    ]
    return stack_branches(face.rewards, [rows for rows, _ in sets], [a for _, a in sets])


def project_undominated(face: Face, V: FaceValues) -> Branches:
    """Project as `project`, without dominated vectors.

    A branch with a single vector left is added to the rewards.
    """
    rewards = face.rewards.copy()
    sets: list[FloatArray] = []
    actions: list[int] = []
    for a, of_action in enumerate(face.projections):
        for projection in of_action:
            rows = projection.project(V[projection.target].vectors, face.size)
            rows = rows[undominated(rows)]
            if len(rows) == 1:
                rewards[a] += rows[0]
            else:
                sets.append(rows)
                actions.append(a)
    return stack_branches(rewards, sets, actions)


def undominated(vectors: FloatArray, slack: float = 1e-14) -> IntArray:
    """Indices of the vectors that are not dominated pointwise by a single other one.

    A dominating vector may be smaller by the slack, relative to the largest number.
    """
    slack *= float(np.abs(vectors).max())
    order = np.argsort(-vectors.sum(axis=1), kind="stable")
    kept = np.empty(len(order), np.int64)
    return order[kept[: kernel.undominated(np.ascontiguousarray(vectors[order]), slack, kept)]]


def lookahead_value(faces: Faces, V: FaceValues, b: FloatArray) -> float:
    """Value of a belief over all states, shape (S,), by one step of look-ahead.

    `LookAhead` maximises over all faces that contain the successor belief. Here each projection
    keeps to its own face, as the extracted controllers do (see `policy_graph`), so they earn this
    value.
    """
    values = faces.full_simplex.rewards @ b
    for a, of_action in enumerate(faces.full_simplex.projections):
        for projection in of_action:
            after = successor(projection, b, faces)
            values[a] += (V[projection.target].vectors @ after).max()
    return float(values.max())


def successor(projection: Projection, b: FloatArray, faces: Faces) -> FloatArray:
    """Successor belief over the target face, times the discount and the observation's probability.

    It may sum to 0.
    """
    lengths = np.diff(np.append(projection.first, len(projection.columns)))
    mass = np.repeat(b[projection.rows], lengths) * projection.weights
    after = np.zeros(faces.faces[projection.target].size)
    np.add.at(after, projection.columns, mass)
    return after
