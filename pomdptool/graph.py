"""Policy graphs: finite-state controllers with an action per node, a successor per observation.

A policy graph acts without beliefs, and its value is that of a Markov chain.

In an MDP the state is observed before the first action. Its graph has an initial node for each
state: nodes 0, 1, ... in the order of the states.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pomdptool.readable import Readable, counted
from pomdptool.sparse import FloatArray, IntArray

NOWHERE = -1
"""No successor: the observation is impossible, or the horizon is reached."""


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class PolicyGraph(Readable):
    """A policy graph of n nodes over Z observations.

    Attributes
    ----------
    actions
        Shape (n,): index of each node's action.
    next
        Shape (n, Z): successor for each observation, NOWHERE (-1) if there is none.
    start
        The initial node, if nothing is observed before the first action.
    n_initial
        Number of initial nodes, one for each state; 0 if `start` is the initial node.
    values
        Shape (n, S): value of each node in each state, if computed.
    """

    actions: IntArray
    next: IntArray
    start: int = 0
    values: FloatArray | None = None
    n_initial: int = 0

    @property
    def roots(self) -> IntArray:
        """The initial nodes."""
        return np.arange(self.n_initial) if self.n_initial else np.array([self.start])

    def initial_value(self, values: FloatArray, b: FloatArray) -> float:
        """Value at the initial belief `b`, shape (S,), with the nodes' values, shape (n, S)."""
        if self.n_initial:
            return float(values[: self.n_initial].diagonal() @ b)
        return float(values[self.start] @ b)

    def with_initial_nodes(self, nodes: IntArray) -> PolicyGraph:
        """Add copies of some nodes, one for each state, as initial nodes."""
        n = len(nodes)
        after = np.where(self.next == NOWHERE, NOWHERE, self.next + n)
        graph = PolicyGraph(
            np.append(self.actions[nodes], self.actions),
            np.vstack([after[nodes], after]),
            n_initial=n,
        )
        return graph.subgraph(graph.breadth_first())

    def _summary(self) -> str:
        return f"{counted(self.n_nodes, 'node')}, {counted(self.n_observations, 'observation')}"

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
        """Length of the longest path from an initial node; None if there is a cycle."""
        layers = self.subgraph(self.breadth_first()).layers()
        return None if layers is None else len(layers)

    def edges(self, n: int) -> dict[int, list[int]]:
        """Successors of a node, with the observations that lead to each."""
        edges: dict[int, list[int]] = {}
        for o, m in enumerate(self.next[n].tolist()):
            if m != NOWHERE:
                edges.setdefault(m, []).append(o)
        return edges

    def followed_by(self, action: int, steps: int) -> PolicyGraph:
        """Extend a finite-horizon graph by an action, repeated for some steps."""
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
        """Nodes reachable from the initial nodes, in breadth-first order."""
        reached = np.zeros(self.n_nodes, dtype=bool)
        wave = self.roots
        reached[wave] = True
        waves = [wave]
        while len(wave):
            after = self.next[wave].ravel()
            after = after[after != NOWHERE]
            after = after[~reached[after]]
            _, first = np.unique(after, return_index=True)
            wave = after[np.sort(first)]
            reached[wave] = True
            waves.append(wave)
        return np.concatenate(waves)

    def layers(self) -> list[IntArray] | None:
        """Nodes by the length of the longest path from them, 0 first; None if there is a cycle.

        The successors of a node lie in earlier layers.
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

    def subgraph(self, nodes: IntArray) -> PolicyGraph:
        """The subgraph of these nodes, in this order; it must contain the start and successors."""
        place = np.full(self.n_nodes + 1, NOWHERE)  # index NOWHERE selects the last entry
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
        """Renumber the start as node 0; the other nodes keep their order."""
        others = np.delete(np.arange(self.n_nodes), self.start)
        return self.subgraph(np.concatenate([[self.start], others]))

    def trimmed(
        self, depth: int | None, probabilities: FloatArray | None, least: float
    ) -> tuple[PolicyGraph, FloatArray | None]:
        """The subgraph reachable in a number of steps by likely observations, the start first.

        Parameters
        ----------
        depth
            Maximum distance from the start; None for no limit.
        probabilities
            Shape (n, Z): probability of each observation in each node; returned for the subgraph.
        least
            Minimum probability of an edge, if `probabilities` is not None.
        """
        links = self.next
        if probabilities is not None:
            links = np.where(probabilities >= least, links, NOWHERE)
        order = self.roots.tolist()
        distance = dict.fromkeys(order, 0)
        for n in order:
            for m in links[n].tolist():
                if m != NOWHERE and m not in distance and (depth is None or distance[n] < depth):
                    distance[m] = distance[n] + 1
                    order.append(m)
        kept = np.array(order)
        links = np.where(np.isin(links, kept), links, NOWHERE)
        kept_probabilities = None if probabilities is None else probabilities[kept]
        return replace(self, next=links).subgraph(kept), kept_probabilities

    def minimised(self) -> PolicyGraph:
        """The smallest equivalent graph: unreachable nodes removed, equivalent nodes merged.

        Nodes are equivalent if they have the same action and, for every observation, equivalent
        successors (or both none). This coarsest partition is the fixed point of refining the
        partition by actions (Moore 1956). Nodes are numbered breadth first, the start is node 0.
        `values` are those of one of the merged nodes.
        """
        graph = self.subgraph(self.breadth_first())
        label, n = _ranked(graph.actions[:, np.newaxis])
        while True:
            successors = np.append(label, NOWHERE)[graph.next]
            label, n_after = _ranked(np.column_stack([label, successors]))
            if n_after == n:
                break
            n = n_after
        _, first = np.unique(label, return_index=True)
        merged = np.append(first[label], NOWHERE)
        graph = replace(graph, next=merged[graph.next])
        return graph.subgraph(graph.breadth_first())


def _ranked(rows: IntArray) -> tuple[IntArray, int]:
    """A label for each row, the same for equal rows, and the number of labels."""
    distinct, label = np.unique(rows, axis=0, return_inverse=True)
    return label.reshape(-1), len(distinct)
