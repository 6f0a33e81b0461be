"""Policy graphs from value functions on faces, with a horizon.

A value function yields a graph: a node for each vector, with the action and the successors that one
step of look-ahead prefers at a belief in the vector's region, and a root for the start belief. Of
all beliefs of a region that of the agent who arrives in the node is best: the mean of what it may
believe there, each belief weighted by how often, discounted, it is held. This mean is known when
the node's choice is made, for the steps before are settled, and the graph earns the value exactly:
every belief that arrives lies in the vector's region, where no choice earns more, and the one made
earns as much in the mean. Without a horizon graphs come from the vectors' lineage (see `lineage`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pomdptool.errors import PolicyError
from pomdptool.graph import NOWHERE, PolicyGraph
from pomdptool.model import Model
from pomdptool.solving.exact.faces import Faces, Source
from pomdptool.solving.exact.value_function import ahead
from pomdptool.solving.graph_evaluation import evaluate, is_cheap
from pomdptool.sparse import FloatArray, IntArray

if TYPE_CHECKING:
    from pomdptool.solving.exact.value_function import Part, Stage

TIE = 1e-12
"""Choices whose values differ by less, relative to the largest vector, are equal: then the centre
of the face decides, and last the order.
"""

INWARD = 1e-6
"""How far beliefs of regions are moved towards the centre: they may lie at the rim."""


def extract_finite(
    model: Model, faces: Faces, stages: Sequence[Stage], start_belief: FloatArray
) -> PolicyGraph:
    """Graph for the horizon `len(stages)`, minimised and without cycles.

    Parameters
    ----------
    stages
        The value functions with 0, 1, ... steps to go, the first of them zero or the terminal
        values. The first step needs none: it looks ahead to the last of these.
    start_belief
        Shape (S,).

    Returns
    -------
    graph
        With the values of its nodes, where that is cheap, if there are terminal values: these
        depend on the vectors that the last steps look ahead to, which the graph itself forgets.

    Raises
    ------
    PolicyError
        With a horizon of 0.
    """
    if not stages:
        raise PolicyError("a policy graph needs a horizon of at least 1")
    growth = _Growth(model, faces, stages)
    graph = growth.graph(start_belief)
    if any(end.any() for end in growth.ends) and is_cheap(model, graph):
        rewards = model.expected_rewards[graph.actions]
        rewards[graph.n_nodes - len(growth.ends) :] += growth.ends
        graph = replace(graph, values=evaluate(model, graph, rewards))
    return root_merged(graph.minimised())


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
    """A graph that grows, breadth first, from a root over all states.

    `arriving` holds the beliefs that arrive in nodes, as far as they are known, over the states of
    the face; they sum to anything. `ends` holds what comes after the steps of the last nodes, which
    are those of the last step.
    """

    model: Model
    faces: Faces
    stages: Sequence[Stage]
    arriving: dict[_Node, FloatArray] = field(default_factory=dict)
    number: dict[_Node, int] = field(default_factory=dict)
    projected: dict[tuple[int, int], list[list[FloatArray]]] = field(default_factory=dict)
    regions: dict[tuple[int, int], FloatArray] = field(default_factory=dict)
    ends: list[FloatArray] = field(default_factory=list)

    def graph(self, b: FloatArray) -> PolicyGraph:
        """Grow it, the root first."""
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
                before = node.stage - 1
                rows.append(self._successors(node.face, before, choice, belief, fresh))
        return PolicyGraph(np.array(actions, np.int64), np.array(rows, np.int64))

    def _source(self, face: int) -> Source:
        """A face, or the whole (-1)."""
        return self.faces.whole if face < 0 else self.faces.faces[face]

    def _belief(self, node: _Node) -> FloatArray:
        """What the agent believes in a node; where that is not known, a belief of its region."""
        belief = self.arriving.get(node)
        if belief is not None and belief.sum() > 0.0:
            return belief
        key = (node.stage, node.face)
        if key not in self.regions:
            self.regions[key] = _of_regions(self.stages[node.stage][node.face])
        region: FloatArray = self.regions[key][node.vector]
        inside: FloatArray = (1.0 - INWARD) * region + INWARD / len(region)
        return inside

    def _wave(self, nodes: list[_Node], beliefs: list[FloatArray]) -> list[_Choice]:
        """Choices of some nodes, those of a face and stage at once."""
        groups: dict[tuple[int, int], list[int]] = {}
        for k, node in enumerate(nodes):
            groups.setdefault((node.stage, node.face), []).append(k)
        choices: dict[int, _Choice] = {}
        for (stage, face), group in groups.items():
            stacked = np.array([beliefs[k] / beliefs[k].sum() for k in group])
            choices.update(zip(group, self._choices(face, stage - 1, stacked), strict=True))
        return [choices[k] for k in range(len(nodes))]

    def _choices(self, face: int, before: int, beliefs: FloatArray) -> list[_Choice]:
        """Greedy choices at beliefs of a face, or of the whole (-1), shape (m, d)."""
        source = self._source(face)
        centre = np.full(source.size, 1.0 / source.size)
        worth, at_centre = beliefs @ source.rewards.T, source.rewards @ centre
        scale = float(np.abs(worth).max())
        links: list[list[IntArray]] = []
        for a, projected in enumerate(self._projected(face, before)):
            links.append([])
            for vectors, branch in zip(projected, source.branches[a], strict=True):
                values = beliefs @ vectors.T
                scale = max(scale, float(np.abs(values).max()))
                link = _best(values, vectors @ centre, TIE * scale)
                worth[:, a] += np.take_along_axis(values, link[:, np.newaxis], axis=1)[:, 0]
                at_centre[a] += float((vectors @ centre).max())
                if face < 0:
                    possible = (beliefs[:, branch.rows] > 0).any(axis=1)
                    link = np.where(possible, link, NOWHERE)
                links[a].append(link)
        chosen = _best(worth, at_centre, TIE * scale).tolist()
        return [_Choice(a, [int(link[k]) for link in links[a]]) for k, a in enumerate(chosen)]

    def _projected(self, face: int, before: int) -> list[list[FloatArray]]:
        """The vectors ahead of every branch of a source, as vectors of the source."""
        key = (face, before)
        if key not in self.projected:
            source = self._source(face)
            stage = self.stages[before]
            self.projected[key] = [
                [branch.project(stage[branch.target].vectors, source.size) for branch in branches]
                for branches in source.branches
            ]
        return self.projected[key]

    def _successors(
        self, face: int, before: int, choice: _Choice, belief: FloatArray, fresh: list[_Node]
    ) -> IntArray:
        """Row of successors; nodes that are new are numbered and appended to `fresh`."""
        row = np.full(self.model.n_observations, NOWHERE)
        if before == 0:
            self.ends.append(self._end(face, choice))
            return row
        branches = self._source(face).branches[choice.action]
        for branch, link in zip(branches, choice.links, strict=True):
            if link == NOWHERE:
                continue
            node = _Node(before, branch.target, link)
            if node not in self.number:
                self.number[node] = len(self.number) + 1  # the root is 0
                fresh.append(node)
            arrives = ahead(branch, belief, self.faces)
            self.arriving[node] = self.arriving.get(node, 0.0) + arrives
            row[list(branch.observations)] = self.number[node]
        return row

    def _end(self, face: int, choice: _Choice) -> FloatArray:
        """What a last step leads to, in every state; shape (S,)."""
        end, states = np.zeros(self.model.n_states), self._source(face).states
        projected = self._projected(face, 0)[choice.action]
        for vectors, link in zip(projected, choice.links, strict=True):
            if link != NOWHERE:
                end[states] += vectors[link]
        return end


def _of_regions(part: Part) -> FloatArray:
    """For each vector a belief where it is the largest, or falls least short of it."""
    if len(part.beliefs) == len(part.vectors):
        return part.beliefs
    d = part.vectors.shape[1]
    beliefs = np.vstack([part.beliefs, np.full((1, d), 1.0 / d), np.eye(d)])
    values = beliefs @ part.vectors.T
    nearest: FloatArray = beliefs[np.argmin(values.max(axis=1, keepdims=True) - values, axis=0)]
    return nearest


def _best(values: FloatArray, at_centre: FloatArray, tie: float) -> IntArray:
    """For each row the column that is the largest; of equal ones the one that is so at the centre.

    Parameters
    ----------
    values, at_centre
        Shape (m, n), and (n,).
    """
    equal = values >= values.max(axis=1, keepdims=True) - tie
    best: IntArray = np.where(equal, at_centre, -np.inf).argmax(axis=1)
    return best


def root_merged(graph: PolicyGraph) -> PolicyGraph:
    """Start in another node where one does what the root (node 0) does, wherever that can lead.

    Observations that are impossible from the start belief need not agree.
    """
    needed = graph.next[0] != NOWHERE
    same = (graph.next[1:, needed] == graph.next[0, needed]).all(axis=1)
    found = np.flatnonzero(same & (graph.actions[1:] == graph.actions[0]))
    if not len(found):
        return graph
    return replace(graph, start=1 + int(found[0])).minimised()
