"""Policy graphs from value functions on faces.

A value function yields a graph: a node for each vector, with the action and the successors that one
step of look-ahead prefers in the vector's region, and a root for the start belief.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pomdptool.errors import PolicyError
from pomdptool.graph import NOWHERE, PolicyGraph
from pomdptool.model import Model
from pomdptool.solving.faces import Faces, Source
from pomdptool.sparse import FloatArray, IntArray

if TYPE_CHECKING:
    from pomdptool.solving.stage import Part, Stage

INWARD = 1e-6
"""How far beliefs are moved towards their face's centre, where vectors that tie at the rim differ.
"""

TIE = 1e-12
"""Choices whose values differ by less, relative to the largest vector, are equal: the first wins.
"""


def extract(model: Model, faces: Faces, stage: Stage, start_belief: FloatArray) -> PolicyGraph:
    """Graph of a converged value function, minimised; its start is for this belief, shape (S,).

    Its value at the belief is that of the value function, up to the error of the latter.
    """
    return _Growth(model, faces, [stage], endless=True).graph(start_belief)


def extract_finite(
    model: Model, faces: Faces, stages: Sequence[Stage], start_belief: FloatArray
) -> PolicyGraph:
    """Graph for the horizon `len(stages)`, minimised and without cycles.

    Parameters
    ----------
    stages
        The value functions with 0, 1, ... steps to go, the first of them zero (or the terminal
        values, which the graph's own value then lacks). The first step needs none: it looks ahead
        to the last of these.
    start_belief
        Shape (S,).

    Raises
    ------
    PolicyError
        With a horizon of 0.
    """
    if not stages:
        raise PolicyError("a policy graph needs a horizon of at least 1")
    return _Growth(model, faces, stages, endless=False).graph(start_belief)


class _Node(NamedTuple):
    """A vector: its stage, face, and index."""

    stage: int
    face: int
    vector: int


class _Choice(NamedTuple):
    """Of one belief: the action, and the best vector of each of its branches (-1: impossible)."""

    action: int
    links: list[int]


@dataclass(slots=True)
class _Growth:
    """A graph that grows, breadth first, from a root over all states."""

    model: Model
    faces: Faces
    stages: Sequence[Stage]
    endless: bool
    number: dict[_Node, int] = field(default_factory=dict)
    projected: dict[tuple[int, int], list[list[FloatArray]]] = field(default_factory=dict)

    def graph(self, b: FloatArray) -> PolicyGraph:
        """Grow it, the root first."""
        before = len(self.stages) - 1
        choice = self._choices(-1, before, b[np.newaxis])[0]
        fresh: list[_Node] = []
        actions = [choice.action]
        rows = [self._successors(self.faces.whole, before, choice, fresh)]
        while fresh:
            wave, fresh = fresh, []
            for node, choice in zip(wave, self._wave(wave), strict=True):
                before = self._before(node.stage)
                source = self.faces.faces[node.face]
                actions.append(choice.action)
                rows.append(self._successors(source, before, choice, fresh))
        graph = PolicyGraph(np.array(actions, np.int64), np.array(rows, np.int64))
        return _root_merged(graph.minimised())

    def _before(self, stage: int) -> int:
        """The stage that choices of this one look ahead to."""
        return stage if self.endless else stage - 1

    def _wave(self, nodes: list[_Node]) -> list[_Choice]:
        """Choices of some nodes, those of a face and stage at once."""
        groups: dict[tuple[int, int], list[int]] = {}
        for k, node in enumerate(nodes):
            groups.setdefault((node.stage, node.face), []).append(k)
        choices: dict[int, _Choice] = {}
        for (stage, face), group in groups.items():
            vectors = [nodes[k].vector for k in group]
            beliefs = _beliefs(self.stages[stage][face], vectors)
            inside = (1.0 - INWARD) * beliefs + INWARD / beliefs.shape[1]
            made = self._choices(face, self._before(stage), inside)
            choices.update(zip(group, made, strict=True))
        return [choices[k] for k in range(len(nodes))]

    def _choices(self, face: int, before: int, beliefs: FloatArray) -> list[_Choice]:
        """Greedy choices at beliefs of a face, or of the whole (-1), shape (m, d)."""
        source = self.faces.whole if face < 0 else self.faces.faces[face]
        worth = beliefs @ source.rewards.T
        scale = max(1.0, float(np.abs(worth).max()))
        links: list[list[IntArray]] = []
        for a, ahead in enumerate(self._projected(face, before)):
            links.append([])
            for vectors, branch in zip(ahead, source.branches[a], strict=True):
                values = beliefs @ vectors.T
                scale = max(scale, float(np.abs(values).max()))
                link = _first_best(values, TIE * scale)
                worth[:, a] += np.take_along_axis(values, link[:, np.newaxis], axis=1)[:, 0]
                possible = (beliefs[:, branch.rows] > 0).any(axis=1)
                links[a].append(np.where(possible, link, NOWHERE))
        chosen = _first_best(worth, TIE * scale).tolist()
        return [_Choice(a, [int(link[k]) for link in links[a]]) for k, a in enumerate(chosen)]

    def _projected(self, face: int, before: int) -> list[list[FloatArray]]:
        """The vectors ahead of every branch of a source, as vectors of the source."""
        key = (face, before)
        if key not in self.projected:
            source = self.faces.whole if face < 0 else self.faces.faces[face]
            stage = self.stages[before]
            self.projected[key] = [
                [branch.project(stage[branch.target].vectors, source.size) for branch in branches]
                for branches in source.branches
            ]
        return self.projected[key]

    def _successors(
        self, source: Source, before: int, choice: _Choice, fresh: list[_Node]
    ) -> IntArray:
        """Row of successors; nodes that are new are numbered and appended to `fresh`."""
        row = np.full(self.model.n_observations, NOWHERE)
        if before == 0 and not self.endless:
            return row
        for branch, link in zip(source.branches[choice.action], choice.links, strict=True):
            if link == NOWHERE:
                continue
            node = _Node(before, branch.target, link)
            if node not in self.number:
                self.number[node] = len(self.number) + 1  # the root is 0
                fresh.append(node)
            row[list(branch.observations)] = self.number[node]
        return row


def _beliefs(part: Part, vectors: list[int]) -> FloatArray:
    """For some vectors a belief where each is the largest, or falls least short of it."""
    if len(part.beliefs) == len(part.vectors):
        return part.beliefs[vectors]
    d = part.vectors.shape[1]
    beliefs = np.vstack([part.beliefs, np.full((1, d), 1.0 / d), np.eye(d)])
    values = beliefs @ part.vectors.T
    short = values.max(axis=1, keepdims=True) - values[:, vectors]
    nearest: FloatArray = beliefs[np.argmin(short, axis=0)]
    return nearest


def _first_best(values: FloatArray, tie: float) -> IntArray:
    """For each row the first column that is the largest, up to a tie."""
    best = values.max(axis=1, keepdims=True)
    first: IntArray = np.argmax(values >= best - tie, axis=1)
    return first


def _root_merged(graph: PolicyGraph) -> PolicyGraph:
    """Start in another node where one does what the root (node 0) does, wherever that can lead.

    Observations that are impossible from the start belief need not agree.
    """
    needed = graph.next[0] != NOWHERE
    same = (graph.next[1:, needed] == graph.next[0, needed]).all(axis=1)
    found = np.flatnonzero(same & (graph.actions[1:] == graph.actions[0]))
    if not len(found):
        return graph
    return replace(graph, start=1 + int(found[0])).minimised()
