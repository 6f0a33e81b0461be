"""Faces of the belief simplex: after any action and observation a belief lies inside one of them.

The faces are the maximal supports, by inclusion, of the successors of all states under each action
and observation; they may overlap. Value functions, polytopes and linear programs live on a face
and have as many dimensions as it has states, often few. A belief over all states is one step of
look-ahead away from them: its own best vector is r[a] + g sum over o of M[a, o] times the best
vectors of the faces that the observations lead to.

Observations whose M are proportional tell the same and are merged.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pomdptool.model import Model
from pomdptool.sparse import FloatArray, IntArray


@dataclass(frozen=True, eq=False, slots=True)
class Branch:
    """g M[a, o] between a source and a face, as sparse rows.

    Attributes
    ----------
    target
        Index of the face.
    observations
        Those that lead here with proportional probabilities.
    shares
        Share of each observation in the branch; they sum to 1.
    rows, first
        The source's states, locally numbered, that have entries, and where theirs begin.
    columns, weights
        Locally numbered state of the face, and g T Z, summed over the observations.
    """

    target: int
    observations: tuple[int, ...]
    shares: tuple[float, ...]
    rows: IntArray
    first: IntArray
    columns: IntArray
    weights: FloatArray

    def project(self, vectors: FloatArray, n_states: int) -> FloatArray:
        """Project vectors: g M v for vectors of the face, shape (n, d'); shape (n, n_states)."""
        result = np.zeros((len(vectors), n_states))
        products = vectors[:, self.columns] * self.weights
        result[:, self.rows] = np.add.reduceat(products, self.first, axis=1)
        return result


@dataclass(frozen=True, eq=False, slots=True)
class Source:
    """A set of states from which steps are taken: a face, or all states.

    Attributes
    ----------
    states
        Shape (d,), ascending.
    rewards
        r[a, s] of these states, shape (A, d).
    branches
        For each action its branches.
    """

    states: IntArray
    rewards: FloatArray
    branches: tuple[tuple[Branch, ...], ...]

    @property
    def size(self) -> int:
        """Number of states."""
        return len(self.states)


@dataclass(frozen=True, eq=False, slots=True)
class Faces:
    """The faces of a model, and all of its states as one more source."""

    faces: tuple[Source, ...]
    whole: Source


def find_faces(model: Model) -> Faces:
    """Compute the faces of a model and every branch between them."""
    steps = _Steps(model)
    groups = _maximal(steps.supports())
    steps.set_faces(groups)
    sources = tuple(steps.source(states) for states in groups)
    everything = np.arange(model.n_states)
    whole = next((s for s in sources if s.size == model.n_states), None)
    return Faces(sources, whole or steps.source(everything))


def twins(faces: Faces) -> list[int]:
    """For each face the first one with the same rewards and steps, as far as numbers tell."""
    first: dict[tuple[object, ...], int] = {}
    return [first.setdefault(_contents(source), k) for k, source in enumerate(faces.faces)]


def _contents(source: Source) -> tuple[object, ...]:
    """All numbers of a source but its states' own, to be compared."""
    branches = [
        (a, b.target, *(x.tobytes() for x in (b.rows, b.first, b.columns, b.weights)))
        for a, of_action in enumerate(source.branches)
        for b in of_action
    ]
    return (source.rewards.tobytes(), *branches)


def _maximal(supports: list[IntArray]) -> list[IntArray]:
    """Supports that no other one contains, the largest first."""
    bits = {sum(1 << s for s in support.tolist()): support for support in supports}
    kept: list[int] = []
    for mask in sorted(bits, key=lambda m: (-m.bit_count(), m)):
        if not any(mask & other == mask for other in kept):
            kept.append(mask)
    return [bits[mask] for mask in kept]


class _Steps:
    """Every step (a, s, s', o) that can happen, sorted by action, observation and state."""

    def __init__(self, model: Model) -> None:
        action, state, target, observation = model.steps.indices
        order = np.lexsort((target, state, observation, action))
        self.model = model
        self.state, self.target = state[order], target[order]
        self.observation = observation[order]
        self.weight = model.discount * model.steps.probability[order]
        key = (action * model.n_observations + observation)[order]
        first = np.flatnonzero(np.diff(key, prepend=-1))
        self.member = np.zeros((0, model.n_states), dtype=bool)
        self.parts = np.split(np.arange(len(key)), first[1:])
        self.actions = action[order][first]
        self.faces: list[IntArray] = []

    def supports(self) -> list[IntArray]:
        """States arrived in under each action and observation."""
        reached = []
        for part in self.parts:
            seen = np.zeros(self.model.n_states, dtype=bool)
            seen[self.target[part]] = True
            reached.append(np.flatnonzero(seen))
        return reached

    def set_faces(self, faces: list[IntArray]) -> None:
        """Note the faces that branches lead to, the largest first."""
        self.faces = faces
        self.member = np.zeros((len(faces), self.model.n_states), dtype=bool)
        for k, states in enumerate(faces):
            self.member[k, states] = True

    def source(self, states: IntArray) -> Source:
        """Build the steps from some states."""
        place = np.full(self.model.n_states, -1)
        place[states] = np.arange(len(states))
        branches: list[list[Branch]] = [[] for _ in range(self.model.n_actions)]
        for part, action in zip(self.parts, self.actions.tolist(), strict=True):
            mine = part[place[self.state[part]] >= 0]
            if len(mine):
                _add_merged(branches[action], self._branch(mine, place))
        rewards = np.ascontiguousarray(self.model.expected_rewards[:, states])
        return Source(states, rewards, tuple(map(tuple, branches)))

    def _branch(self, part: IntArray, place: IntArray) -> Branch:
        rows, targets = place[self.state[part]], self.target[part]
        face = int(np.flatnonzero(self.member[:, targets].all(axis=1))[-1])
        first = np.flatnonzero(np.diff(rows, prepend=-1))
        columns = np.searchsorted(self.faces[face], targets)
        observation = (int(self.observation[part[0]]),)
        return Branch(face, observation, (1.0,), rows[first], first, columns, self.weight[part])


def _add_merged(branches: list[Branch], new: Branch) -> None:
    """Append a branch, or merge it with one that it is proportional to."""
    for k, old in enumerate(branches):
        if (
            old.target == new.target
            and np.array_equal(old.rows, new.rows)
            and np.array_equal(old.columns, new.columns)
            and np.array_equal(old.first, new.first)
        ):
            total = float(old.weights.sum())
            ratio = float(new.weights.sum()) / total if total > 0.0 else 1.0
            if np.allclose(new.weights, ratio * old.weights, rtol=1e-12, atol=0.0):
                shares = (*(share / (1.0 + ratio) for share in old.shares), ratio / (1.0 + ratio))
                branches[k] = Branch(
                    old.target,
                    (*old.observations, *new.observations),
                    shares,
                    old.rows,
                    old.first,
                    old.columns,
                    old.weights + new.weights,
                )
                return
    branches.append(new)
