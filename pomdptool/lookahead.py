"""Values of beliefs where vectors cover only some states each.

After an action and an observation often few states are possible: a face of the belief simplex.
Vectors on faces give the value of beliefs inside them, and that of any other belief is a step of
look-ahead away,

    V(b) = max over a of  r[a] . b + g sum over o of P(o | b, a) V(b after a and o).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pomdptool.belief import successors
from pomdptool.errors import PolicyError
from pomdptool.model import Model
from pomdptool.policy import AlphaVectors, Row, ValueFunction
from pomdptool.sparse import FloatArray, IntArray


@dataclass(frozen=True, eq=False, slots=True)
class FaceVectors:
    """Vectors on faces, for beliefs inside one of them.

    Attributes
    ----------
    faces
        For each face its vectors and the states that they cover, ascending.
    of_state
        For each state the faces that it belongs to.
    ahead
        Whether the vectors are those after a step only, so that no belief's value is known without
        a step of look-ahead (see `LookAhead`).
    """

    faces: tuple[tuple[AlphaVectors, IntArray], ...]
    of_state: tuple[frozenset[int], ...]
    ahead: bool = False

    def value(self, b: FloatArray) -> float:
        """Value of the largest vector at belief `b`, shape (S,).

        Raises
        ------
        PolicyError
            Where no face holds all states that are possible, or a step of look-ahead is needed.
        """
        return max(vectors.value(b[states]) for vectors, states in self._around(b))

    def action(self, b: FloatArray) -> int:
        """Action of the vector that is largest at belief `b`; raises as `value`."""
        around = self._around(b)
        vectors, states = max(around, key=lambda face: face[0].value(b[face[1]]))
        return vectors.action(b[states])

    def vector(self, b: FloatArray) -> FloatArray:
        """The vector that is largest at belief `b`, shape (S,), 0 outside its face; as `value`."""
        vectors, states = max(self._around(b), key=lambda face: face[0].value(b[face[1]]))
        whole = np.zeros(len(self.of_state))
        whole[states] = vectors.values[np.argmax(vectors.values @ b[states])]
        return whole

    def rows(self) -> Iterator[Row]:
        """Every vector: its action, its values, and the states that they belong to."""
        for vectors, states in self.faces:
            for row in vectors.rows():
                yield Row(row.action, row.values, states.tolist())

    def _around(self, b: FloatArray) -> list[tuple[AlphaVectors, IntArray]]:
        """Faces that the belief lies in."""
        if self.ahead:
            raise PolicyError("these vectors are those after a step: the model is needed too")
        possible = [self.of_state[s] for s in np.flatnonzero(b).tolist()]
        holding = frozenset.intersection(*possible) if possible else frozenset()
        if not holding:
            raise PolicyError(
                "no vector covers all states of the belief: its value is a step of look-ahead "
                "away, and the model is needed for that"
            )
        return [self.faces[k] for k in sorted(holding)]


def on_faces(faces: Sequence[tuple[AlphaVectors, IntArray]], n_states: int) -> FaceVectors:
    """Vectors on faces, each with the states that they cover, ascending."""
    of_state: list[set[int]] = [set() for _ in range(n_states)]
    for k, (_, states) in enumerate(faces):
        for s in states.tolist():
            of_state[s].add(k)
    return FaceVectors(tuple(faces), tuple(map(frozenset, of_state)))


def action_values(model: Model, b: FloatArray, value: Callable[[FloatArray], float]) -> FloatArray:
    """Q(b, a) for every action, shape (A,), where `value` is that of the beliefs after a step."""
    q = model.expected_rewards @ b
    for a in range(model.n_actions):
        for _, after, probability in successors(model, b, a):
            q[a] += model.discount * probability * value(after)
    return q


@dataclass(frozen=True, eq=False, slots=True)
class LookAhead:
    """The best of one step, and a value function after it.

    Attributes
    ----------
    after
        Values after the step, of beliefs that a step of the model leads to.
    shown
        The vectors that are told as rows.
    """

    model: Model
    after: ValueFunction
    shown: ValueFunction

    def value(self, b: FloatArray) -> float:
        """Value of the best action at belief `b`, shape (S,)."""
        return float(action_values(self.model, b, self.after.value).max())

    def action(self, b: FloatArray) -> int:
        """Index of the best action at belief `b`, shape (S,)."""
        return int(np.argmax(action_values(self.model, b, self.after.value)))

    def rows(self) -> Iterator[Row]:
        """Every vector that is told."""
        return self.shown.rows()

    def vector(self, b: FloatArray) -> tuple[int, FloatArray]:
        """Action and vector over all states, shape (S,), that are best at belief `b`.

        Every state must be possible in it; the vectors after the step must be on faces.

        Raises
        ------
        PolicyError
            Where they are not.
        """
        if not isinstance(self.after, FaceVectors):
            raise PolicyError("vectors on faces are needed after the step")
        model, action = self.model, self.action(b)
        vector = model.expected_rewards[action].copy()
        for o, after, _ in successors(model, b, action):
            observed = model.Z[action, :, o] * self.after.vector(after)
            vector += model.discount * (model.T[action] @ observed)
        return action, vector
