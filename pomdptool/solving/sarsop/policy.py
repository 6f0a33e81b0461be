"""Extraction of the controller reachable from the initial belief's vector."""

from __future__ import annotations

import numpy as np

from pomdptool.graph import NOWHERE
from pomdptool.kernels.sarsop import layout
from pomdptool.kernels.sarsop.layout import Search
from pomdptool.linked import LinkedVectors
from pomdptool.solving.sarsop.block_model import BlockModel
from pomdptool.sparse import IntArray


def extract_controller(
    blocks: BlockModel, search: Search, root: int, floor: float
) -> LinkedVectors:
    """Collect the vectors reachable by links from `root`, numbered breadth first."""
    place = {root: 0}
    order = [root]
    links = []
    for v in order:
        linked = _links(blocks, search, v)
        links.append(linked)
        for m in linked.tolist():
            if m not in place:
                place[m] = len(order)
                order.append(m)
    vectors = search.vectors[order]
    used, block = np.unique(vectors[:, layout.V_BLOCK], return_inverse=True)
    states = tuple(blocks.states(int(b)) for b in used)
    sizes = [len(states[k]) for k in block.tolist()]
    begins = vectors[:, layout.V_VALUES].tolist()
    return LinkedVectors(
        actions=vectors[:, layout.V_ACTION],
        next=_next(blocks, vectors, [[place[m] for m in linked.tolist()] for linked in links]),
        block=block.reshape(-1),
        states=states,
        values=tuple(search.f[i : i + n].copy() for i, n in zip(begins, sizes, strict=True)),
        floor=floor,
    )


def edges_of(blocks: BlockModel, block: int, action: int) -> slice:
    """Edges (possible observations) of an action in a block."""
    row = block * blocks.model.n_actions + action
    return slice(*blocks.arrays.edge_first[row : row + 2].tolist())


def _links(blocks: BlockModel, search: Search, v: int) -> IntArray:
    """Successors of a vector, one for each edge."""
    block, action, _, first = search.vectors[v, : layout.ROSE].tolist()
    edges = edges_of(blocks, block, action)
    return search.i[first : first + edges.stop - edges.start]


def _next(blocks: BlockModel, vectors: IntArray, links: list[list[int]]) -> IntArray:
    """Successors by observation, from those by edge."""
    table = np.full((len(vectors), blocks.model.n_observations), NOWHERE)
    for row, vector, linked in zip(table, vectors.tolist(), links, strict=True):
        edges = edges_of(blocks, vector[layout.V_BLOCK], vector[layout.V_ACTION])
        row[blocks.observation_of_edge[edges]] = linked
    return table
