"""Policy graphs: finite controllers whose nodes name an action, and a successor per observation.

The agent begins in the start node, does its action, and moves along the edge of the observation
made. A graph needs no belief while it acts, and its value is that of a Markov chain.

In an MDP the state is observed before the first action too. Such a graph has an initial node for
each state, nodes 0, 1, ... in the order of the states, and begins in the one of the state observed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pomdptool.sparse import FloatArray, IntArray

NOWHERE = -1
"""In place of a successor: the observation is impossible, or the horizon is over."""


@dataclass(frozen=True, eq=False, slots=True)
class PolicyGraph:
    """A policy graph of n nodes over Z observations.

    Attributes
    ----------
    actions
        Shape (n,): index of each node's action.
    next
        Shape (n, Z): successor for each observation; -1 where the observation is impossible or
        the horizon is over.
    start
        The node to begin in, where nothing is observed before the first action.
    n_initial
        Number of initial nodes, one for each state; 0 where `start` is the node to begin in.
    values
        Shape (n, S): what each node is worth in each state, where that was computed.
    """

    actions: IntArray
    next: IntArray
    start: int = 0
    values: FloatArray | None = None
    n_initial: int = 0

    @property
    def roots(self) -> IntArray:
        """The nodes to begin in."""
        return np.arange(self.n_initial) if self.n_initial else np.array([self.start])

    def initial_value(self, values: FloatArray, b: FloatArray) -> float:
        """Value from the initial belief `b`, shape (S,), with the nodes' values, shape (n, S)."""
        if self.n_initial:
            return float(values[: self.n_initial].diagonal() @ b)
        return float(values[self.start] @ b)

    def starting_in(self, nodes: IntArray) -> PolicyGraph:
        """The same graph with copies of some nodes, one for each state, as its initial nodes."""
        n = len(nodes)
        after = np.where(self.next == NOWHERE, NOWHERE, self.next + n)
        graph = PolicyGraph(
            np.append(self.actions[nodes], self.actions),
            np.vstack([after[nodes], after]),
            n_initial=n,
        )
        return graph.picked(graph.breadth_first())

    @property
    def n_nodes(self) -> int:
        """Number of nodes n."""
        return len(self.actions)

    @property
    def n_observations(self) -> int:
        """Number of observations Z."""
        return int(self.next.shape[1])

    @property
    def horizon(self) -> int | None:
        """Steps until the longest path from a root ends; None: there is a cycle, and no end."""
        layers = self.picked(self.breadth_first()).layers()
        return None if layers is None else len(layers)

    def edges(self, n: int) -> dict[int, list[int]]:
        """Successors of a node, each with the observations that lead there."""
        edges: dict[int, list[int]] = {}
        for o, m in enumerate(self.next[n].tolist()):
            if m != NOWHERE:
                edges.setdefault(m, []).append(o)
        return edges

    def followed_by(self, action: int, steps: int) -> PolicyGraph:
        """The same graph, with an action that is repeated for some steps after its last ones."""
        if steps == 0:
            return self
        last = (self.next == NOWHERE).all(axis=1, keepdims=True)
        tail = self.n_nodes + 1 + np.arange(steps)
        tail[-1] = NOWHERE
        return replace(
            self,
            actions=np.append(self.actions, np.full(steps, action)),
            next=np.vstack(
                [
                    np.where(last, self.n_nodes, self.next),
                    np.repeat(tail[:, np.newaxis], self.n_observations, axis=1),
                ]
            ),
            values=None,
        )

    def breadth_first(self) -> IntArray:
        """Nodes that the start reaches, itself first, in the order of their distance from it."""
        seen = np.zeros(self.n_nodes, dtype=bool)
        wave = self.roots
        seen[wave] = True
        waves = [wave]
        while len(wave):
            after = self.next[wave].ravel()
            after = after[after != NOWHERE]
            after = after[~seen[after]]
            _, first = np.unique(after, return_index=True)
            wave = after[np.sort(first)]
            seen[wave] = True
            waves.append(wave)
        return np.concatenate(waves)

    def layers(self) -> list[IntArray] | None:
        """Nodes by the length of the longest path ahead of them, 0 first; None: there is a cycle.

        The successors of a node lie in earlier layers than its own.
        """
        source, observation = np.nonzero(self.next != NOWHERE)
        target = self.next[source, observation]
        order = np.argsort(target, kind="stable")
        source, first = source[order], np.searchsorted(target[order], np.arange(self.n_nodes + 1))
        waiting = np.bincount(source, minlength=self.n_nodes)
        layer = np.flatnonzero(waiting == 0)
        layers = []
        while len(layer):
            layers.append(layer)
            before = np.concatenate([source[first[n] : first[n + 1]] for n in layer.tolist()])
            before, edges = np.unique(before, return_counts=True)
            waiting[before] -= edges
            layer = before[waiting[before] == 0]
        return layers if sum(map(len, layers)) == self.n_nodes else None

    def picked(self, nodes: IntArray) -> PolicyGraph:
        """Only these nodes, in this order; the start and all of their successors are among them."""
        place = np.full(self.n_nodes + 1, NOWHERE)  # its last entry is what NOWHERE picks
        place[nodes] = np.arange(len(nodes))
        values = None if self.values is None else self.values[nodes]
        return PolicyGraph(
            self.actions[nodes],
            place[self.next[nodes]],
            int(place[self.start]),
            values,
            self.n_initial,
        )

    def start_first(self) -> PolicyGraph:
        """The same graph with its start as node 0; the others keep their order."""
        others = np.delete(np.arange(self.n_nodes), self.start)
        return self.picked(np.concatenate([[self.start], others]))

    def trimmed(
        self, depth: int | None, probabilities: FloatArray | None, least: float
    ) -> tuple[PolicyGraph, FloatArray | None]:
        """What some steps and likely enough observations reach, the start first.

        Parameters
        ----------
        depth
            Nodes that are more steps away from the start are left out; None: none are.
        probabilities
            Shape (n, Z): of each observation in each node. They come back for the nodes left.
        least
            Edges that are less likely are left out, where the probabilities are given.
        """
        links = self.next
        if probabilities is not None:
            links = np.where(probabilities >= least, links, NOWHERE)
        order = self.roots.tolist()
        seen = dict.fromkeys(order, 0)
        for n in order:
            for m in links[n].tolist():
                if m != NOWHERE and m not in seen and (depth is None or seen[n] < depth):
                    seen[m] = seen[n] + 1
                    order.append(m)
        kept = np.array(order)
        links = np.where(np.isin(links, kept), links, NOWHERE)
        left = None if probabilities is None else probabilities[kept]
        return replace(self, next=links).picked(kept), left

    def minimised(self) -> PolicyGraph:
        """The smallest graph that acts the same: without unreachable nodes, equal ones merged.

        Two nodes are equal where they have the same action and, for every observation, equal
        successors (or both none): the coarsest such partition, found by refining the partition
        by actions until it stays (Moore 1956). Nodes are numbered breadth first from the start,
        which becomes node 0. `values` are those of one of the nodes merged.
        """
        graph = self.picked(self.breadth_first())
        label, n = _ranked(graph.actions[:, np.newaxis])
        while True:
            ahead = np.append(label, NOWHERE)[graph.next]
            label, n_after = _ranked(np.column_stack([label, ahead]))
            if n_after == n:
                break
            n = n_after
        _, first = np.unique(label, return_index=True)
        merged = np.append(first[label], NOWHERE)
        graph = replace(graph, next=merged[graph.next])
        return graph.picked(graph.breadth_first())


def _ranked(rows: IntArray) -> tuple[IntArray, int]:
    """Number for each row, the same for equal rows, and how many there are."""
    distinct, label = np.unique(rows, axis=0, return_inverse=True)
    return label.reshape(-1), len(distinct)
