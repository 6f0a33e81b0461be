"""Alpha vectors linked to their successors: a finite-state controller (Hansen 1998).

Each vector covers the states of one block. It is the value of the controller's node that takes the
vector's action and continues in the node linked to each observation. The first is the initial node.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pomdptool.errors import PolicyError
from pomdptool.graph import PolicyGraph
from pomdptool.policy import AlphaVectors, Row, SolvedPolicy
from pomdptool.readable import Readable
from pomdptool.sparse import FloatArray, IntArray


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class LinkedVectors(Readable):
    """A lower bound of n vectors, and the controller with this value.

    Attributes
    ----------
    actions
        Shape (n,).
    next
        Shape (n, Z): successor for each observation; NOWHERE if the observation is impossible.
    block
        Shape (n,): block of each vector.
    states
        States of each block.
    values
        Values of each vector, over the states of its block.
    floor
        Lower bound on the value of every policy and state, for states outside a vector's block.
    """

    actions: IntArray
    next: IntArray
    block: IntArray
    states: tuple[IntArray, ...]
    values: tuple[FloatArray, ...]
    floor: float

    def value(self, b: FloatArray) -> float:
        """Value of the maximal vector at belief `b`, shape (S,)."""
        return float(self.values_at(b).max())

    def action(self, b: FloatArray) -> int:
        """Action of the maximal vector at belief `b` (the first of equal ones)."""
        return int(self.actions[np.argmax(self.values_at(b))])

    def rows(self) -> Iterator[Row]:
        """Every vector, the initial node's first."""
        columns = (self.actions.tolist(), self.next.tolist(), self.block.tolist(), self.values)
        for action, successors, block, values in zip(*columns, strict=True):
            yield Row(action, values, self.states[block].tolist(), successors)

    def graph(self) -> PolicyGraph:
        """The controller; its nodes are numbered like the vectors."""
        return PolicyGraph(self.actions, self.next)

    def values_at(self, b: FloatArray) -> FloatArray:
        """Value of every vector at belief `b`, shape (S,)."""
        inside = [b[states] for states in self.states]
        rest = self.floor * np.array([float(b.sum() - part.sum()) for part in inside])
        pairs = zip(self.block.tolist(), self.values, strict=True)
        return np.array([float(inside[k] @ values) + rest[k] for k, values in pairs])


def over_all_states(policy: SolvedPolicy) -> AlphaVectors:
    """Vectors over all states; linked vectors are extended by their `floor`.

    Raises
    ------
    PolicyError
        If the vectors cover faces only.
    """
    rows = list(policy.values.rows())
    linked = isinstance(policy.values, LinkedVectors)
    if not linked and any(row.states is not None for row in rows):
        raise PolicyError("vectors over all states are needed: solve with --full-simplex")
    floor = policy.values.floor if isinstance(policy.values, LinkedVectors) else 0.0
    values = np.full((len(rows), len(policy.problem.states)), floor)
    for vector, row in zip(values, rows, strict=True):
        vector[slice(None) if row.states is None else row.states] = row.values
    return AlphaVectors(np.array([row.action for row in rows]), values)
