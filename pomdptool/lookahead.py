"""Value functions on faces of the belief simplex, and one-step look-ahead.

After an action and an observation often only few states are possible: a face of the simplex.
Vectors on a face give the values of the beliefs in it; other beliefs need a step of look-ahead,

    V(b) = max over a of  r[a] . b + g sum over o of P(o | b, a) V(b after a and o).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pomdptool.belief import action_values, successors
from pomdptool.errors import PolicyError
from pomdptool.model import Model
from pomdptool.policy import AlphaVectors, Row, ValueFunction
from pomdptool.readable import Readable
from pomdptool.sparse import FloatArray, IntArray


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class FaceVectors(Readable):
    """Alpha vectors on faces, for beliefs in one of them.

    Attributes
    ----------
    faces
        Vectors of each face, and its states, ascending.
    of_state
        Faces that contain each state.
    after_step
        Whether the vectors only give values after a step, so that every belief needs a step of
        look-ahead (see `LookAhead`).
    """

    faces: tuple[tuple[AlphaVectors, IntArray], ...]
    of_state: tuple[frozenset[int], ...]
    after_step: bool = False

    def value(self, b: FloatArray) -> float:
        """Value of the maximal vector at belief `b`, shape (S,).

        Raises
        ------
        PolicyError
            If no face contains the support of `b`, or a step of look-ahead is needed.
        """
        return max(vectors.value(b[states]) for vectors, states in self._faces_around(b))

    def action(self, b: FloatArray) -> int:
        """Action of the maximal vector at belief `b`; raises as `value`."""
        vectors, states = self._best_face(b)
        return vectors.action(b[states])

    def vector(self, b: FloatArray) -> FloatArray:
        """The maximal vector at belief `b`, shape (S,), 0 outside its face; raises as `value`."""
        vectors, states = self._best_face(b)
        vector = np.zeros(len(self.of_state))
        vector[states] = vectors.values[np.argmax(vectors.values @ b[states])]
        return vector

    def rows(self) -> Iterator[Row]:
        """Every vector, with its action and states."""
        for vectors, states in self.faces:
            for row in vectors.rows():
                yield Row(row.action, row.values, states.tolist())

    def _best_face(self, b: FloatArray) -> tuple[AlphaVectors, IntArray]:
        """Face of the maximal vector at a belief."""
        return max(self._faces_around(b), key=lambda face: face[0].value(b[face[1]]))

    def _faces_around(self, b: FloatArray) -> list[tuple[AlphaVectors, IntArray]]:
        """Faces that contain the belief."""
        if self.after_step:
            raise PolicyError("these vectors give values after a step: the model is needed too")
        possible = [self.of_state[s] for s in np.flatnonzero(b).tolist()]
        common = frozenset.intersection(*possible) if possible else frozenset()
        if not common:
            raise PolicyError(
                "no vector covers all states of the belief: the model is needed for a step of "
                "look-ahead"
            )
        return [self.faces[k] for k in sorted(common)]


def on_faces(faces: Sequence[tuple[AlphaVectors, IntArray]], n_states: int) -> FaceVectors:
    """FaceVectors of pairs of vectors and states, ascending."""
    of_state: list[set[int]] = [set() for _ in range(n_states)]
    for k, (_, states) in enumerate(faces):
        for s in states.tolist():
            of_state[s].add(k)
    return FaceVectors(tuple(faces), tuple(map(frozenset, of_state)))


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class LookAhead(Readable):
    """One-step look-ahead on a value function.

    Attributes
    ----------
    after
        Value function after the step, for beliefs reachable in one step.
    listed
        The value function whose vectors `rows` lists.
    """

    model: Model
    after: ValueFunction
    listed: ValueFunction

    def value(self, b: FloatArray) -> float:
        """Value of the best action at belief `b`, shape (S,)."""
        return float(action_values(self.model, b, self.after.value).max())

    def action(self, b: FloatArray) -> int:
        """Index of the best action at belief `b`, shape (S,)."""
        return int(np.argmax(action_values(self.model, b, self.after.value)))

    def rows(self) -> Iterator[Row]:
        """Every vector of `listed`."""
        return self.listed.rows()

    def vector(self, b: FloatArray) -> tuple[int, FloatArray]:
        """Action and vector, shape (S,), that are maximal at a belief `b` with full support.

        Raises
        ------
        PolicyError
            If the vectors after the step are not on faces.
        """
        if not isinstance(self.after, FaceVectors):
            raise PolicyError("vectors on faces are needed after the step")
        model, action = self.model, self.action(b)
        vector = model.expected_rewards[action].copy()
        for o, after, _ in successors(model, b, action):
            observed = model.Z[action, :, o] * self.after.vector(after)
            vector += model.discount * (model.T[action] @ observed)
        return action, vector
