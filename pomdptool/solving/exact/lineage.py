"""The controller that earns an exact run's lower bound, from how its vectors came about.

Every vector is a blind policy's, a backup of the vectors before it, or what a node of a controller
earns (see `exact`). Each kind has an action and, for every branch, a vector that follows, which is
older or of the same controller. Followed from the initial belief on, these links make a policy
graph, each node of which earns at least its vector.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from pomdptool.graph import NOWHERE, PolicyGraph
from pomdptool.kernels.exact.backup import Branches
from pomdptool.solving.exact.faces import Branch, Faces, Source
from pomdptool.solving.exact.policy_graph import root_merged
from pomdptool.solving.exact.policy_improvement import Improved, unpruned
from pomdptool.solving.exact.value_function import Stage, ahead
from pomdptool.sparse import FloatArray, IntArray

MINIMISED = 1000
"""Most nodes of a graph that is minimised: a round of refinement may tell but one node apart."""

MIXTURES = (1e-7, 0.0, 1e-3, 0.1)
"""How far beliefs are moved towards the centre, one after another, until the choices are found."""


class _Node(NamedTuple):
    """A vector: its face, and its bytes."""

    face: int
    vector: bytes


ROOT = _Node(-1, b"")
"""The initial belief, where no face holds it: its action and links look ahead."""


class _Birth(NamedTuple):
    """The backup that a vector came about in, its place there, and if a controller earns it."""

    backup: int
    place: int
    earned: bool


@dataclass(slots=True)
class Lineage:
    """The sets of one run: blind policies first, then those backed up and those of controllers."""

    faces: Faces
    blind: Stage
    backed_up: list[tuple[Stage, Stage]] = field(default_factory=list)
    controllers: list[tuple[int, Improved]] = field(default_factory=list)

    def note_backup(self, old: Stage, new: Stage) -> None:
        """Keep a set and its backup."""
        self.backed_up.append((old, new))

    def note_controller(self, improved: Improved) -> None:
        """Keep what the controller of the last backup earns."""
        self.controllers.append((len(self.backed_up), improved))

    def graph(self, stage: Stage, b: FloatArray, n_observations: int) -> PolicyGraph:
        """Policy graph from the initial belief `b`, shape (S,), to vectors of this run."""
        births = self._births()
        number: dict[_Node, int] = {}
        fresh: list[_Node] = []
        actions: list[int] = []
        rows: list[IntArray] = []

        def add(action: int, links: list[tuple[Branch, _Node]]) -> None:
            row = np.full(n_observations, NOWHERE)
            for branch, node in links:
                if node not in number:
                    number[node] = len(number)
                    fresh.append(node)
                row[list(branch.observations)] = number[node]
            actions.append(action)
            rows.append(row)

        if self.faces.faces[0] is self.faces.whole:
            first = _node(0, stage[0].vectors[np.argmax(stage[0].vectors @ b)])
            number[first] = 0
            fresh.append(first)
        else:
            number[ROOT] = 0
            add(*self._root(stage, b))
        while fresh:
            wave, fresh = fresh, []
            for node in wave:
                add(*self._links(node, births[node]))
        graph = PolicyGraph(np.array(actions), np.array(rows))
        return root_merged(graph.minimised()) if graph.n_nodes <= MINIMISED else graph

    def _births(self) -> dict[_Node, _Birth]:
        """How every vector first came about."""
        births: dict[_Node, _Birth] = {}

        def note(stage: Stage, birth: int, earned: bool) -> None:
            for face, part in enumerate(stage):
                for i, vector in enumerate(part.vectors):
                    births.setdefault(_node(face, vector), _Birth(birth, i, earned))

        note(self.blind, 0, False)
        controllers = dict(self.controllers)
        for k, (_, new) in enumerate(self.backed_up, start=1):
            note(new, k, False)
            if k in controllers:
                note(controllers[k].stage, k, True)
        return births

    def _root(self, stage: Stage, b: FloatArray) -> tuple[int, list[tuple[Branch, _Node]]]:
        source = self.faces.whole
        worth = source.rewards @ b
        chosen: list[list[tuple[Branch, _Node]]] = []
        for a, branches in enumerate(source.branches):
            chosen.append([])
            for branch in branches:
                after = ahead(branch, b, self.faces)
                vectors = stage[branch.target].vectors
                values = vectors @ after
                best = int(np.argmax(values))
                worth[a] += values[best]
                if after.any():
                    chosen[a].append((branch, _node(branch.target, vectors[best])))
        action = int(np.argmax(worth))
        return action, chosen[action]

    def _links(self, node: _Node, birth: _Birth) -> tuple[int, list[tuple[Branch, _Node]]]:
        """A vector's action and links."""
        source = self.faces.faces[node.face]
        if birth.backup == 0:
            action = int(self.blind[node.face].actions[birth.place])
            links = [(branch, birth.place) for branch in source.branches[action]]
            return action, _nodes(links, self.blind)
        if birth.earned:
            improved = dict(self.controllers)[birth.backup]
            action = int(improved.stage[node.face].actions[birth.place])
            rows = improved.rows[node.face][birth.place]
            return action, _nodes(_taken(source, action, rows), improved.stage)
        old, new = self.backed_up[birth.backup - 1]
        return self._of_backup(
            source, old, new[node.face].vectors[birth.place], new[node.face].beliefs[birth.place]
        )

    def _of_backup(
        self, source: Source, old: Stage, vector: FloatArray, belief: FloatArray
    ) -> tuple[int, list[tuple[Branch, _Node]]]:
        """The choices that a backed-up vector is made of: those of its belief that come closest."""
        raw = unpruned(source, old)
        best, least = (0, np.zeros(len(raw.actions), np.int64)), np.inf
        for share in MIXTURES:
            b = (1.0 - share) * belief + share / source.size
            for action, rows, made in _choices(raw, b):
                short = float((vector - made).max())
                if short < least:
                    best, least = (action, rows), short
            if least <= 1e-12 * float(np.abs(vector).max()):
                break
        action, rows = best
        return action, _nodes(_taken(source, action, rows), old)


def _choices(raw: Branches, b: FloatArray) -> list[tuple[int, IntArray, FloatArray]]:
    """For each action the rows that are largest at a belief, and the vector that these make."""
    values = raw.vectors @ b
    starts, rows = raw.starts.tolist(), np.zeros(len(raw.actions), np.int64)
    made = raw.rewards.copy()
    for j, a in enumerate(raw.actions.tolist()):
        rows[j] = int(np.argmax(values[starts[j] : starts[j + 1]]))
        made[a] += raw.vectors[starts[j] + rows[j]]
    return [(a, rows, made[a]) for a in range(len(made))]


def _taken(source: Source, action: int, rows: IntArray) -> list[tuple[Branch, int]]:
    """An action's branches, and the row chosen after each, of rows for all actions' branches."""
    first = sum(map(len, source.branches[:action]))
    return [(branch, int(rows[first + j])) for j, branch in enumerate(source.branches[action])]


def _nodes(links: list[tuple[Branch, int]], stage: Stage) -> list[tuple[Branch, _Node]]:
    """The vectors of a set that branches lead to."""
    return [(branch, _node(branch.target, stage[branch.target].vectors[i])) for branch, i in links]


def _node(face: int, vector: FloatArray) -> _Node:
    """Name a vector; adding 0 makes 0 of -0."""
    return _Node(face, (vector + 0.0).tobytes())
