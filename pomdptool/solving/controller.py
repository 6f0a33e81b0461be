"""Policy graphs: their exact value, what happens along their edges, and how they are extracted.

A graph and a model make a Markov chain over pairs of a node n and a state s, with

    P[(n, s), (m, s')] = sum over the o that lead from n to m of  T[a_n, s, s'] Z[a_n, s', o].

The value of the nodes solves V = r + g P V, the discounted occupancy from the start belief solves
d = e + g P' d. Both are found by one sparse factorisation, or, where the graph has no cycle, by
substitution, the end first (Hansen 1998). Sweeps of the equation itself, which contract by g,
then take the residual down to rounding, or fail; the error is at most the residual / (1 - g).

A converged value function yields a graph: a node for each vector, with the action and the
successors that one step of look-ahead prefers in the vector's region.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pomdptool.errors import PolicyError, PomdpError
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

MAX_FACTORED = 5_000
"""Most (node, state) pairs that are factorised. Beyond there are only sweeps: for 11,000 pairs of a
random graph the factors took 5 s, sweeps 0.1 s at discount 0.95."""

ROUNDING = 1e-13
"""Residual, relative to the largest value, that a solution may have."""


class _Steps(NamedTuple):
    """What can happen under one action: from `s` to `s2`, seeing `o`, with probability `p`."""

    s: IntArray
    s2: IntArray
    o: IntArray
    p: FloatArray


def _steps(model: Model) -> list[_Steps]:
    T, Z, support = model.sparse_T, model.sparse_Z, model.support
    row = T.row_of_entry()[support.t_entry]
    s2 = T.indices[support.t_entry].astype(np.int64)
    o = Z.indices[support.z_entry].astype(np.int64)
    p = T.data[support.t_entry] * Z.data[support.z_entry]
    first = np.searchsorted(row, np.arange(model.n_actions + 1) * model.n_states)
    return [
        _Steps(row[i:j] % model.n_states, s2[i:j], o[i:j], p[i:j])
        for i, j in pairwise(first.tolist())
    ]


class _Chain:
    """The Markov chain of a model and a graph."""

    def __init__(self, model: Model, graph: PolicyGraph) -> None:
        _check_fits(model, graph)
        self.model, self.steps = model, _steps(model)
        possible = np.zeros((model.n_actions, model.n_observations), dtype=bool)
        for a, steps in enumerate(self.steps):
            possible[a, steps.o] = True
        self.graph = replace(graph, next=np.where(possible[graph.actions], graph.next, NOWHERE))
        self.layers = self.graph.layers()
        if self.layers is None and model.discount == 1.0:
            raise PomdpError("with discount 1 a policy graph with a cycle may have no finite value")

    def matrix(self) -> Any:
        """P, as a sparse matrix in rows; pair (n, s) is number n * S + s."""
        from scipy.sparse import csr_matrix

        graph, S = self.graph, self.model.n_states
        rows, columns, data = [], [], []
        for a, steps in enumerate(self.steps):
            nodes = np.flatnonzero(graph.actions == a)
            ahead = graph.next[nodes][:, steps.o]
            node, step = np.nonzero(ahead != NOWHERE)
            rows.append(nodes[node] * S + steps.s[step])
            columns.append(ahead[node, step] * S + steps.s2[step])
            data.append(steps.p[step])
        size = graph.n_nodes * S
        places = (np.concatenate(rows), np.concatenate(columns))
        return csr_matrix((np.concatenate(data), places), shape=(size, size))

    def pairs(self, nodes: IntArray) -> IntArray:
        """Numbers of all pairs of some nodes."""
        S = self.model.n_states
        return (nodes[:, np.newaxis] * S + np.arange(S)).ravel()

    def solve(self, given: FloatArray, *, forward: bool) -> FloatArray:
        """Solve x = given + g P x, or, forward in time, x = given + g P' x.

        Raises
        ------
        PomdpError
            Where the residual stays above rounding.
        """
        matrix = self.matrix()
        if forward:
            matrix = matrix.T.tocsr()
        matrix = self.model.discount * matrix
        if self.layers is None:
            x = _factored(matrix, given) if len(given) <= MAX_FACTORED else given.copy()
            return _polished(matrix, given, x, self.model.discount)
        x = given.copy()
        for nodes in reversed(self.layers) if forward else self.layers:
            pairs = self.pairs(nodes)
            x[pairs] += matrix[pairs] @ x
        return x


def _check_fits(model: Model, graph: PolicyGraph) -> None:
    if graph.n_observations != model.n_observations:
        raise PolicyError(
            f"the policy graph is for {graph.n_observations} observations, "
            f"the model has {model.n_observations}"
        )
    if graph.actions.min() < 0 or graph.actions.max() >= model.n_actions:
        raise PolicyError(f"the policy graph names an action that is none of {model.n_actions}")
    if graph.next.min() < NOWHERE or graph.next.max() >= graph.n_nodes:
        raise PolicyError("the policy graph has an edge to a node that does not exist")


def _factored(matrix: Any, given: FloatArray) -> FloatArray:
    from scipy.sparse import identity
    from scipy.sparse.linalg import splu

    system = (identity(len(given), format="csr") - matrix).tocsc()
    x: FloatArray = splu(system).solve(given)
    return x


def _polished(matrix: Any, given: FloatArray, x: FloatArray, discount: float) -> FloatArray:
    """Sweep until the equation holds to rounding; each sweep gains a factor of the discount."""
    most = 100 + int(40.0 / (1.0 - discount))
    for _ in range(most):
        after: FloatArray = given + matrix @ x
        residual = float(np.abs(after - x).max())
        if residual <= ROUNDING * max(1.0, float(np.abs(after).max())):
            return after
        x = after
    raise PomdpError(f"the value of the policy graph keeps a residual of {residual:.3g}")


def evaluate(model: Model, graph: PolicyGraph) -> FloatArray:
    """Value of every node in every state, in rewards; shape (n, S).

    Where there is no successor (-1) nothing more is earned. An extracted graph has none after
    observations that its node's face rules out: its values hold for states inside the face.

    Raises
    ------
    PolicyError
        If the graph is of another model.
    PomdpError
        With discount 1 where the graph has a cycle.
    """
    chain = _Chain(model, graph)
    rewards = model.expected_rewards[graph.actions].ravel()
    return chain.solve(rewards, forward=False).reshape(graph.n_nodes, model.n_states)


def edge_probabilities(model: Model, graph: PolicyGraph, start_belief: FloatArray) -> FloatArray:
    """Probability of each observation given being in each node; shape (n, Z).

    The belief in a node is its share of the discounted occupancy, from the start node and this
    belief, shape (S,), on. Rows of nodes that are never reached are 0; the others sum to 1.

    Raises
    ------
    PolicyError, PomdpError
        As `evaluate`.
    """
    chain = _Chain(model, graph)
    began = np.zeros((graph.n_nodes, model.n_states))
    began[graph.start] = start_belief
    occupied = chain.solve(began.ravel(), forward=True).reshape(began.shape)
    occupied = np.maximum(occupied, 0.0)  # what rounding left below 0
    total = occupied.sum(axis=1, keepdims=True)
    beliefs = np.divide(occupied, total, out=np.zeros_like(occupied), where=total > 0)
    result = np.zeros((graph.n_nodes, model.n_observations))
    for a, steps in enumerate(chain.steps):
        nodes = np.flatnonzero(graph.actions == a)
        seen = np.zeros((model.n_states, model.n_observations))
        np.add.at(seen, (steps.s, steps.o), steps.p)
        result[nodes] = beliefs[nodes] @ seen
    return result


# ---------------------------------------------------------------- extraction


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
