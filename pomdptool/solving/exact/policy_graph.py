"""Policy graphs from value functions on faces, for a finite horizon.

A graph has a node for each vector, with the greedy action and successors at a belief in the
vector's region, and a root for the initial belief. The belief chosen is the mean of the beliefs at
which the agent enters the node, weighted by their discounted probabilities. It is known when the
node is expanded, since earlier steps come first, and with it the graph earns the value exactly:
every belief at entry lies in the vector's region, where no choice earns more than the vector, and
the greedy choice at the mean earns as much on average. For infinite horizons see `lineage`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from pomdptool.errors import PolicyError
from pomdptool.graph import NOWHERE, PolicyGraph
from pomdptool.model import Model
from pomdptool.solving.exact.faces import Face, Faces
from pomdptool.solving.exact.value_function import FaceValues, VectorSet, successor
from pomdptool.solving.graph_evaluation import evaluate, is_cheap
from pomdptool.sparse import FloatArray, IntArray

TIE = 1e-12
"""Largest difference of tied choices, relative to the largest vector.

Ties are broken by the value at the face's centre, then by order.
"""

INWARD = 1e-6
"""How far beliefs of regions are moved towards the centre: they may lie on the boundary."""


def extract_finite_horizon(
    model: Model, faces: Faces, stages: Sequence[FaceValues], initial_belief: FloatArray
) -> PolicyGraph:
    """Extract an acyclic, minimised graph for the horizon `len(stages)`.

    Parameters
    ----------
    stages
        Value functions with 0, 1, ... steps to go, the first of them zero or the terminal values.
        The first step looks ahead to the last of them.
    initial_belief
        Shape (S,).

    Returns
    -------
    graph
        With terminal values, and if evaluation is cheap, it includes the values of its nodes:
        these depend on the terminal vectors, which the graph does not contain.

    Raises
    ------
    PolicyError
        For horizon 0.
    """
    if not stages:
        raise PolicyError("a policy graph needs a horizon of at least 1")
    extraction = _Extraction(model, faces, stages)
    graph = extraction.graph(initial_belief)
    terminal = extraction.terminal
    if any(values.any() for values in terminal) and is_cheap(model, graph):
        rewards = model.expected_rewards[graph.actions]
        rewards[graph.n_nodes - len(terminal) :] += terminal
        graph = replace(graph, values=evaluate(model, graph, rewards))
    return merge_root(graph.minimised())


class _Node(NamedTuple):
    """A vector: its number of steps to go, its face, and its index."""

    steps: int
    face: int
    vector: int


class _Choice(NamedTuple):
    """The action at a belief, and the best vector of each projection (`NOWHERE`: impossible)."""

    action: int
    links: list[int]


@dataclass(slots=True)
class _Extraction:
    """Breadth-first construction of the graph from the root. Face -1 is the full simplex.

    `entry_beliefs` holds the unnormalised mean belief at entry of each node, over the states of its
    face, and `terminal` the terminal values after each of the last nodes, those of the last step.
    """

    model: Model
    faces: Faces
    stages: Sequence[FaceValues]
    entry_beliefs: dict[_Node, FloatArray] = field(default_factory=dict)
    number: dict[_Node, int] = field(default_factory=dict)
    projected: dict[tuple[int, int], list[list[FloatArray]]] = field(default_factory=dict)
    regions: dict[tuple[int, int], FloatArray] = field(default_factory=dict)
    terminal: list[FloatArray] = field(default_factory=list)

    def graph(self, b: FloatArray) -> PolicyGraph:
        """Expand the nodes, the root first."""
        before = len(self.stages) - 1
        choice = self._choices(-1, before, b[np.newaxis])[0]
        fresh: list[_Node] = []
        actions = [choice.action]
        rows = [self._successors(-1, before, choice, b, fresh)]
        while fresh:
            wave, fresh = fresh, []
            beliefs = [self._belief(node) for node in wave]
            choices = self._wave(wave, beliefs)
            for node, belief, choice in zip(wave, beliefs, choices, strict=True):
                actions.append(choice.action)
                before = node.steps - 1
                rows.append(self._successors(node.face, before, choice, belief, fresh))
        return PolicyGraph(np.array(actions, np.int64), np.array(rows, np.int64))

    def _face(self, face: int) -> Face:
        return self.faces.full_simplex if face < 0 else self.faces.faces[face]

    def _belief(self, node: _Node) -> FloatArray:
        """The belief at entry of a node, or a belief in its region if that is unknown."""
        belief = self.entry_beliefs.get(node)
        if belief is not None and belief.sum() > 0.0:
            return belief
        key = (node.steps, node.face)
        if key not in self.regions:
            self.regions[key] = _region_beliefs(self.stages[node.steps][node.face])
        region = self.regions[key][node.vector]
        return np.asarray((1.0 - INWARD) * region + INWARD / len(region))

    def _wave(self, nodes: list[_Node], beliefs: list[FloatArray]) -> list[_Choice]:
        """Choices at some nodes, in groups of the same face and steps to go."""
        groups: dict[tuple[int, int], list[int]] = {}
        for k, node in enumerate(nodes):
            groups.setdefault((node.steps, node.face), []).append(k)
        choices: dict[int, _Choice] = {}
        for (steps, face), group in groups.items():
            stacked = np.array([beliefs[k] / beliefs[k].sum() for k in group])
            choices.update(zip(group, self._choices(face, steps - 1, stacked), strict=True))
        return [choices[k] for k in range(len(nodes))]

    def _choices(self, face: int, before: int, beliefs: FloatArray) -> list[_Choice]:
        """Greedy choices at beliefs of a face, shape (m, d)."""
        own = self._face(face)
        centre = np.full(own.size, 1.0 / own.size)
        q, at_centre = beliefs @ own.rewards.T, own.rewards @ centre
        scale = float(np.abs(q).max())
        links: list[list[IntArray]] = []
        for a, projected in enumerate(self._projected(face, before)):
            links.append([])
            for vectors, projection in zip(projected, own.projections[a], strict=True):
                values = beliefs @ vectors.T
                scale = max(scale, float(np.abs(values).max()))
                link = _best(values, vectors @ centre, TIE * scale)
                q[:, a] += np.take_along_axis(values, link[:, np.newaxis], axis=1)[:, 0]
                at_centre[a] += float((vectors @ centre).max())
                if face < 0:
                    possible = (beliefs[:, projection.rows] > 0).any(axis=1)
                    link = np.where(possible, link, NOWHERE)
                links[a].append(link)
        chosen = _best(q, at_centre, TIE * scale).tolist()
        return [_Choice(a, [int(link[k]) for link in links[a]]) for k, a in enumerate(chosen)]

    def _projected(self, face: int, before: int) -> list[list[FloatArray]]:
        """The vectors of each projection of a face, projected to the face."""
        key = (face, before)
        if key not in self.projected:
            own, V = self._face(face), self.stages[before]
            self.projected[key] = [
                [p.project(V[p.target].vectors, own.size) for p in projections]
                for projections in own.projections
            ]
        return self.projected[key]

    def _successors(
        self, face: int, before: int, choice: _Choice, belief: FloatArray, fresh: list[_Node]
    ) -> IntArray:
        """Row of successors; new nodes are numbered and appended to `fresh`."""
        row = np.full(self.model.n_observations, NOWHERE)
        if before == 0:
            self.terminal.append(self._terminal(face, choice))
            return row
        projections = self._face(face).projections[choice.action]
        for projection, link in zip(projections, choice.links, strict=True):
            if link == NOWHERE:
                continue
            node = _Node(before, projection.target, link)
            if node not in self.number:
                self.number[node] = len(self.number) + 1  # the root is 0
                fresh.append(node)
            after = successor(projection, belief, self.faces)
            self.entry_beliefs[node] = self.entry_beliefs.get(node, 0.0) + after
            row[list(projection.observations)] = self.number[node]
        return row

    def _terminal(self, face: int, choice: _Choice) -> FloatArray:
        """Discounted terminal values after a last step, shape (S,)."""
        values, states = np.zeros(self.model.n_states), self._face(face).states
        projected = self._projected(face, 0)[choice.action]
        for vectors, link in zip(projected, choice.links, strict=True):
            if link != NOWHERE:
                values[states] += vectors[link]
        return values


def _region_beliefs(own: VectorSet) -> FloatArray:
    """For each vector a belief where it is maximal, or closest to maximal."""
    if len(own.beliefs) == len(own.vectors):
        return own.beliefs
    d = own.vectors.shape[1]
    beliefs = np.vstack([own.beliefs, np.full((1, d), 1.0 / d), np.eye(d)])
    values = beliefs @ own.vectors.T
    return np.asarray(beliefs[np.argmin(values.max(axis=1, keepdims=True) - values, axis=0)])


def _best(values: FloatArray, at_centre: FloatArray, tie: float) -> IntArray:
    """The maximal column of each row, shape (m, n); ties are broken by `at_centre`, shape (n,)."""
    tied = values >= values.max(axis=1, keepdims=True) - tie
    return np.asarray(np.where(tied, at_centre, -np.inf).argmax(axis=1))


def merge_root(graph: PolicyGraph) -> PolicyGraph:
    """Start in another node if it is equivalent to the root (node 0) at the initial belief.

    Successors after observations that are impossible at the initial belief may differ.
    """
    needed = graph.next[0] != NOWHERE
    same = (graph.next[1:, needed] == graph.next[0, needed]).all(axis=1)
    equivalent = np.flatnonzero(same & (graph.actions[1:] == graph.actions[0]))
    if not len(equivalent):
        return graph
    return replace(graph, start=1 + int(equivalent[0])).minimised()
