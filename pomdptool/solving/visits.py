"""How often the nodes of a policy graph are visited, for graphs of any size.

The discounted occupancy d = e + g P' d (see `graph_evaluation`) is approximated by pushing
probability mass along the edges: the node with the most mass that has not been pushed comes first,
and each push adds the node's mass to its occupancy (Berkhin 2006). Few pushes suffice for the nodes
visited most, and nodes that are hardly ever visited cost nothing.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np

from pomdptool.belief import successors
from pomdptool.graph import PolicyGraph
from pomdptool.model import Model
from pomdptool.sparse import FloatArray

MAX_PUSHES = 8000
MAX_ENTRIES = 30_000_000
"""Maximum number of pushes, and of entries of T and Z that they read."""

SMALLEST = 1e-4
"""Mass, as a share of the whole, that need not be pushed."""


@dataclass(frozen=True, eq=False, slots=True)
class Visits:
    """Visits of the n nodes of a policy graph from the initial belief on.

    Attributes
    ----------
    share
        Shape (n,): share of the discounted steps that are taken in each node; the sum is at most 1,
        and less if the computation stopped early.
    chance
        Shape (n, Z): probability of each observation in each node; 0 in nodes without visits.
    """

    share: FloatArray
    chance: FloatArray


def visits(model: Model, graph: PolicyGraph) -> Visits:
    """Estimate the visits of each node; the graph must fit the model."""
    pending = _initial_mass(model, graph)
    heap = [(-float(mass.sum()), n) for n, mass in pending.items()]
    heapq.heapify(heap)
    occupied = np.zeros(graph.n_nodes)
    seen = np.zeros((graph.n_nodes, model.n_observations))
    entries = np.diff(model.sparse_T.indptr[:: model.n_states]) + model.n_states
    waiting, budget = 1.0, MAX_ENTRIES
    for _ in range(MAX_PUSHES):
        if not pending or waiting < SMALLEST or budget < 0:
            break
        total, n = heapq.heappop(heap)
        if n not in pending or -total != float(pending[n].sum()):
            continue  # an outdated entry
        mass = pending.pop(n)
        action = int(graph.actions[n])
        occupied[n] -= total
        waiting += total
        budget -= int(entries[action])
        for o, belief, probability in successors(model, mass, action):
            seen[n, o] += probability
            after = int(graph.next[n, o])
            if after >= 0:
                moved = model.discount * probability * belief
                pending[after] = pending[after] + moved if after in pending else moved
                waiting += model.discount * probability
                heapq.heappush(heap, (-float(pending[after].sum()), after))
    ahead = waiting / (1.0 - model.discount) if model.discount < 1.0 else waiting
    whole = float(occupied.sum()) + max(ahead, 0.0)
    sums = seen.sum(axis=1, keepdims=True)
    return Visits(occupied / whole, np.divide(seen, sums, out=np.zeros_like(seen), where=sums > 0))


def _initial_mass(model: Model, graph: PolicyGraph) -> dict[int, FloatArray]:
    """Probability of each state in the initial nodes."""
    if not graph.n_initial:
        return {graph.start: model.start}
    possible = np.flatnonzero(model.start).tolist()
    return {s: model.start[s] * np.eye(1, model.n_states, s)[0] for s in possible}
