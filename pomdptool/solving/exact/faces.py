"""Faces of the belief simplex: after any action and observation the belief lies on one of them.

The faces are the maximal supports, by inclusion, of the successors of all states under each action
and observation; they may overlap. Value functions, polytopes and linear programs live on a face
and have as many dimensions as the face has states, often few. The value of a belief over all states
is one step of look-ahead away: its vector is r[a] + g sum over o of M[a, o] times the best vectors
of the faces that the observations lead to, where M[a, o][s, s'] = P(s', o | s, a).

Observations with proportional M are equivalent and are merged.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pomdptool.model import Model
from pomdptool.sparse import FloatArray, IntArray


@dataclass(frozen=True, eq=False, slots=True)
class Projection:
    """The projection g M[a, o] of vectors on a successor face, as sparse rows.

    Attributes
    ----------
    target
        Index of the successor face.
    observations
        The merged observations.
    shares
        Share of each of them in the sum; the shares sum to 1.
    rows, first
        Local numbers of the predecessor states with entries, and the first entry of each.
    columns, weights
        Local number of each entry's successor state, and g M summed over the observations.
    """

    target: int
    observations: tuple[int, ...]
    shares: tuple[float, ...]
    rows: IntArray
    first: IntArray
    columns: IntArray
    weights: FloatArray

    def project(self, vectors: FloatArray, n_states: int) -> FloatArray:
        """Project vectors of the target face, shape (n, d'); returns shape (n, n_states)."""
        result = np.zeros((len(vectors), n_states))
        products = vectors[:, self.columns] * self.weights
        result[:, self.rows] = np.add.reduceat(products, self.first, axis=1)
        return result

    def same_entries(self, other: Projection) -> bool:
        """Whether both have the same target and the same entries, apart from their weights."""
        return self.target == other.target and all(
            np.array_equal(getattr(self, name), getattr(other, name))
            for name in ("rows", "columns", "first")
        )


@dataclass(frozen=True, eq=False, slots=True)
class Face:
    """A face of the belief simplex, or the full simplex.

    Attributes
    ----------
    states
        Shape (d,), ascending.
    rewards
        r[a, s] of these states, shape (A, d).
    projections
        For each action its projections, one for each class of equivalent observations.
    """

    states: IntArray
    rewards: FloatArray
    projections: tuple[tuple[Projection, ...], ...]

    @property
    def size(self) -> int:
        """Number of states."""
        return len(self.states)


@dataclass(frozen=True, eq=False, slots=True)
class Faces:
    """The faces of a model, and the full simplex."""

    faces: tuple[Face, ...]
    full_simplex: Face


def find_faces(model: Model) -> Faces:
    """Compute the faces of a model and all projections between them."""
    steps = _Steps(model)
    supports = _maximal(steps.supports())
    steps.set_faces(supports)
    faces = tuple(steps.face(states) for states in supports)
    full = next((face for face in faces if face.size == model.n_states), None)
    return Faces(faces, full or steps.face(np.arange(model.n_states)))


def equivalent_faces(faces: Faces) -> list[int]:
    """For each face the first one with equal rewards and projections."""
    first: dict[tuple[object, ...], int] = {}
    return [first.setdefault(_contents(face), k) for k, face in enumerate(faces.faces)]


def _contents(face: Face) -> tuple[object, ...]:
    """Rewards and projections as a key."""
    projections = [
        (a, p.target, *(x.tobytes() for x in (p.rows, p.first, p.columns, p.weights)))
        for a, of_action in enumerate(face.projections)
        for p in of_action
    ]
    return (face.rewards.tobytes(), *projections)


def _maximal(supports: list[IntArray]) -> list[IntArray]:
    """Supports not contained in another one, the largest first."""
    bits = {sum(1 << s for s in support.tolist()): support for support in supports}
    kept: list[int] = []
    for mask in sorted(bits, key=lambda m: (-m.bit_count(), m)):
        if not any(mask & other == mask for other in kept):
            kept.append(mask)
    return [bits[mask] for mask in kept]


class _Steps:
    """Every possible step (a, s, s', o), sorted by action, observation and state."""

    def __init__(self, model: Model) -> None:
        action, state, target, observation = model.steps.indices
        order = np.lexsort((target, state, observation, action))
        self.model = model
        self.state, self.target = state[order], target[order]
        self.observation = observation[order]
        self.weight = model.discount * model.steps.probability[order]
        key = (action * model.n_observations + observation)[order]
        first = np.flatnonzero(np.diff(key, prepend=-1))
        self.groups = np.split(np.arange(len(key)), first[1:])
        self.actions = action[order][first]

    def supports(self) -> list[IntArray]:
        """Possible successor states under each action and observation."""
        return [np.unique(self.target[group]) for group in self.groups]

    def set_faces(self, faces: list[IntArray]) -> None:
        """Set the faces that projections may start from, the largest first."""
        self.faces = faces
        self.member = np.zeros((len(faces), self.model.n_states), dtype=bool)
        for k, states in enumerate(faces):
            self.member[k, states] = True

    def face(self, states: IntArray) -> Face:
        """Build the face of some states."""
        local = np.full(self.model.n_states, -1)
        local[states] = np.arange(len(states))
        projections: list[list[Projection]] = [[] for _ in range(self.model.n_actions)]
        for group, action in zip(self.groups, self.actions.tolist(), strict=True):
            inside = group[local[self.state[group]] >= 0]
            if len(inside):
                _add_merged(projections[action], self._projection(inside, local))
        rewards = np.ascontiguousarray(self.model.expected_rewards[:, states])
        return Face(states, rewards, tuple(map(tuple, projections)))

    def _projection(self, group: IntArray, local: IntArray) -> Projection:
        rows, targets = local[self.state[group]], self.target[group]
        face = int(np.flatnonzero(self.member[:, targets].all(axis=1))[-1])
        first = np.flatnonzero(np.diff(rows, prepend=-1))
        columns = np.searchsorted(self.faces[face], targets)
        observation = (int(self.observation[group[0]]),)
        return Projection(
            face, observation, (1.0,), rows[first], first, columns, self.weight[group]
        )


def _add_merged(projections: list[Projection], new: Projection) -> None:
    """Append a projection, or merge it with a proportional one."""
    for k, old in enumerate(projections):
        if not old.same_entries(new):
            continue
        total = float(old.weights.sum())
        ratio = float(new.weights.sum()) / total if total > 0.0 else 1.0
        if np.allclose(new.weights, ratio * old.weights, rtol=1e-12, atol=0.0):
            projections[k] = replace(
                old,
                observations=(*old.observations, *new.observations),
                shares=(*(share / (1.0 + ratio) for share in old.shares), ratio / (1.0 + ratio)),
                weights=old.weights + new.weights,
            )
            return
    projections.append(new)
