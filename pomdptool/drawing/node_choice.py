"""Which nodes of a large policy graph are drawn, and which of their edges."""

from __future__ import annotations

import heapq
from dataclasses import replace

import numpy as np

from pomdptool.graph import NOWHERE, PolicyGraph
from pomdptool.sparse import FloatArray, IntArray

RARE = 0.01
"""Probability of an observation below which its edge is left out of a part of a graph."""


def chosen(
    graph: PolicyGraph, limit: int | None, share: FloatArray | None, chance: FloatArray | None
) -> tuple[IntArray, PolicyGraph, str]:
    """The nodes to draw, the graph with the edges that may be drawn, and the end of the heading."""
    reachable = graph.breadth_first()
    if limit is None or len(reachable) <= limit:
        return reachable, graph, ""
    if share is None or chance is None:
        part = f", {limit} of {len(reachable)} nodes, nearest to the start"
        return reachable[:limit], graph, part
    likely = replace(graph, next=np.where(chance < RARE, NOWHERE, graph.next))
    nodes = roots_first(graph, most_visited(likely, share, limit))
    known = "" if share.sum() > 0.99 else "at least "
    covered = f"{known}{100.0 * float(share[nodes].sum()):.0f}% of steps"
    return nodes, likely, f", {len(nodes)} of {len(reachable)} nodes, {covered}"


def most_visited(graph: PolicyGraph, share: FloatArray, n: int) -> IntArray:
    """At most n nodes, each reached from an initial node through others of them.

    From the initial nodes on, the successor with the largest share of visits, shape (n_nodes,), is
    added; a node without visits only if nothing else is left.
    """
    chosen: list[int] = []
    known = set(graph.roots.tolist())
    heap = [(-float(share[k]), k) for k in sorted(known)]
    heapq.heapify(heap)
    while heap and len(chosen) < n:
        _, k = heapq.heappop(heap)
        chosen.append(k)
        for m in graph.next[k].tolist():
            if m != NOWHERE and m not in known:
                known.add(m)
                heapq.heappush(heap, (-float(share[m]), m))
    return np.array(chosen)


def roots_first(graph: PolicyGraph, nodes: IntArray) -> IntArray:
    """The nodes with the initial ones first, else in the same order."""
    return nodes[np.argsort(~np.isin(nodes, graph.roots), kind="stable")]
