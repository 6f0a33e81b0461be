"""The policy graph that earns the lower bound of an exact run, from the origins of its vectors.

Every vector is the value of a blind policy, a backup of earlier vectors, or the value of a node of
an evaluated controller (see `value_iteration`). Each has an action and a successor vector for every
projection, which is older or belongs to the same controller. The vectors reachable from the initial
belief form a policy graph, each node of which earns at least its vector.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from pomdptool.graph import NOWHERE, PolicyGraph
from pomdptool.kernels.exact.backup import Branches
from pomdptool.solving.exact.faces import Face, Faces, Projection
from pomdptool.solving.exact.policy_graph import merge_root
from pomdptool.solving.exact.policy_improvement import EvaluatedController
from pomdptool.solving.exact.value_function import FaceValues, project, successor
from pomdptool.sparse import FloatArray, IntArray

MINIMISED = 1000
"""Maximum number of nodes of a graph that is minimised: a round may split off only one node."""

MIXTURES = (1e-7, 0.0, 1e-3, 0.1)
"""How far to move beliefs to the centre, in order, until the backup there reproduces the vector."""


class _Node(NamedTuple):
    """A vector: its face, and its bytes."""

    face: int
    vector: bytes


ROOT = _Node(-1, b"")
"""The initial belief, if it lies on no face: its action and links are one step of look-ahead."""

_Link = tuple[Projection, _Node]
"""The node that a projection's observations lead to."""


class _Origin(NamedTuple):
    """The number of a vector's backup (0: blind policies), its number there, and its kind."""

    backup: int
    number: int
    from_controller: bool


@dataclass(slots=True)
class Lineage:
    """The value functions of one run: blind policies, backups, and evaluated controllers."""

    faces: Faces
    blind: FaceValues
    backed_up: list[tuple[FaceValues, FaceValues]] = field(default_factory=list)
    controllers: list[tuple[int, EvaluatedController]] = field(default_factory=list)

    def record_backup(self, old: FaceValues, new: FaceValues) -> None:
        """Record a value function and its backup."""
        self.backed_up.append((old, new))

    def record_controller(self, controller: EvaluatedController) -> None:
        """Record the controller of the last backup."""
        self.controllers.append((len(self.backed_up), controller))

    def graph(self, V: FaceValues, b: FloatArray, n_observations: int) -> PolicyGraph:
        """Policy graph for the initial belief `b`, shape (S,), from vectors of this run."""
        origins = self._origins()
        number: dict[_Node, int] = {}
        fresh: list[_Node] = []
        actions: list[int] = []
        rows: list[IntArray] = []

        def add(action: int, links: list[_Link]) -> None:
            row = np.full(n_observations, NOWHERE)
            for projection, node in links:
                if node not in number:
                    number[node] = len(number)
                    fresh.append(node)
                row[list(projection.observations)] = number[node]
            actions.append(action)
            rows.append(row)

        if self.faces.faces[0] is self.faces.full_simplex:
            first = _node(0, V[0].vectors[np.argmax(V[0].vectors @ b)])
            number[first] = 0
            fresh.append(first)
        else:
            number[ROOT] = 0
            add(*self._root(V, b))
        while fresh:
            wave, fresh = fresh, []
            for node in wave:
                add(*self._links(node, origins[node]))
        graph = PolicyGraph(np.array(actions), np.array(rows))
        return merge_root(graph.minimised()) if graph.n_nodes <= MINIMISED else graph

    def _origins(self) -> dict[_Node, _Origin]:
        """The first origin of every vector."""
        origins: dict[_Node, _Origin] = {}

        def record(V: FaceValues, backup: int, from_controller: bool) -> None:
            for face, on_face in enumerate(V):
                for i, vector in enumerate(on_face.vectors):
                    origins.setdefault(_node(face, vector), _Origin(backup, i, from_controller))

        record(self.blind, 0, False)
        controllers = dict(self.controllers)
        for k, (_, new) in enumerate(self.backed_up, start=1):
            record(new, k, False)
            if k in controllers:
                record(controllers[k].V, k, True)
        return origins

    def _root(self, V: FaceValues, b: FloatArray) -> tuple[int, list[_Link]]:
        face = self.faces.full_simplex
        values = face.rewards @ b
        chosen: list[list[_Link]] = []
        for a, projections in enumerate(face.projections):
            chosen.append([])
            for projection in projections:
                after = successor(projection, b, self.faces)
                vectors = V[projection.target].vectors
                at_successor = vectors @ after
                best = int(np.argmax(at_successor))
                values[a] += at_successor[best]
                if after.any():
                    chosen[a].append((projection, _node(projection.target, vectors[best])))
        action = int(np.argmax(values))
        return action, chosen[action]

    def _links(self, node: _Node, origin: _Origin) -> tuple[int, list[_Link]]:
        """A vector's action and links."""
        face = self.faces.faces[node.face]
        if origin.backup == 0:
            action = int(self.blind[node.face].actions[origin.number])
            successors = [(projection, origin.number) for projection in face.projections[action]]
            return action, _nodes(successors, self.blind)
        if origin.from_controller:
            controller = dict(self.controllers)[origin.backup]
            action = int(controller.V[node.face].actions[origin.number])
            rows = controller.successors[node.face][origin.number]
            return action, _nodes(_chosen(face, action, rows), controller.V)
        old, new = self.backed_up[origin.backup - 1]
        vectors, beliefs = new[node.face].vectors, new[node.face].beliefs
        return self._backup_links(face, old, vectors[origin.number], beliefs[origin.number])

    def _backup_links(
        self, face: Face, old: FaceValues, vector: FloatArray, belief: FloatArray
    ) -> tuple[int, list[_Link]]:
        """The choices of a backup: those at its belief that come closest to the vector."""
        branches = project(face, old)
        best, least = (0, np.zeros(len(branches.actions), np.int64)), np.inf
        for share in MIXTURES:
            b = (1.0 - share) * belief + share / face.size
            for action, rows, backup in _choices(branches, b):
                deficit = float((vector - backup).max())
                if deficit < least:
                    best, least = (action, rows), deficit
            if least <= 1e-12 * float(np.abs(vector).max()):
                break
        action, rows = best
        return action, _nodes(_chosen(face, action, rows), old)


def _choices(branches: Branches, b: FloatArray) -> list[tuple[int, IntArray, FloatArray]]:
    """For each action the maximising rows at a belief, and the vector that they sum to."""
    values = branches.vectors @ b
    starts, rows = branches.starts.tolist(), np.zeros(len(branches.actions), np.int64)
    sums = branches.rewards.copy()
    for j, a in enumerate(branches.actions.tolist()):
        rows[j] = int(np.argmax(values[starts[j] : starts[j + 1]]))
        sums[a] += branches.vectors[starts[j] + rows[j]]
    return [(a, rows, sums[a]) for a in range(len(sums))]


def _chosen(face: Face, action: int, rows: IntArray) -> list[tuple[Projection, int]]:
    """An action's projections with their rows, where `rows` has one for every projection."""
    first = sum(map(len, face.projections[:action]))
    return [(p, int(rows[first + j])) for j, p in enumerate(face.projections[action])]


def _nodes(successors: list[tuple[Projection, int]], V: FaceValues) -> list[_Link]:
    """Links to vectors by their indices."""
    return [(p, _node(p.target, V[p.target].vectors[i])) for p, i in successors]


def _node(face: int, vector: FloatArray) -> _Node:
    """The node of a vector; adding 0 turns -0 into 0."""
    return _Node(face, (vector + 0.0).tobytes())
