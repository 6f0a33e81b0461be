"""What the start belief's vector is linked to: the policy that a search has found."""

from __future__ import annotations

import numpy as np

from pomdptool.graph import NOWHERE
from pomdptool.kernels.sarsop import layout as kernel
from pomdptool.kernels.sarsop.layout import Search
from pomdptool.linked import LinkedVectors
from pomdptool.solving.sarsop.block_model import BlockModel
from pomdptool.sparse import IntArray


def linked_vectors(blocks: BlockModel, search: Search, root: int, floor: float) -> LinkedVectors:
    """Follow the links from a vector; vectors are numbered breadth first, it is the first."""
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
    used, block = np.unique(vectors[:, kernel.V_BLOCK], return_inverse=True)
    states = tuple(blocks.states(int(b)) for b in used)
    sizes = [len(states[k]) for k in block.tolist()]
    begins = vectors[:, kernel.V_VALUES].tolist()
    return LinkedVectors(
        actions=vectors[:, kernel.V_ACTION],
        next=_next(blocks, vectors, [[place[m] for m in linked.tolist()] for linked in links]),
        block=block.reshape(-1),
        states=states,
        values=tuple(search.f[i : i + n].copy() for i, n in zip(begins, sizes, strict=True)),
        floor=floor,
    )


def edges_of(blocks: BlockModel, block: int, action: int) -> slice:
    """Edges of an action in a block."""
    row = block * blocks.model.n_actions + action
    return slice(*blocks.arrays.edge_first[row : row + 2].tolist())


def _links(blocks: BlockModel, search: Search, v: int) -> IntArray:
    """Vectors that a vector is linked to, one for each edge."""
    block, action, _, first = search.vectors[v, : kernel.ROSE].tolist()
    edges = edges_of(blocks, block, action)
    return search.i[first : first + edges.stop - edges.start]


def _next(blocks: BlockModel, vectors: IntArray, links: list[list[int]]) -> IntArray:
    """Successors by observation instead of edge."""
    table = np.full((len(vectors), blocks.model.n_observations), NOWHERE)
    for row, vector, linked in zip(table, vectors.tolist(), links, strict=True):
        edges = edges_of(blocks, vector[kernel.V_BLOCK], vector[kernel.V_ACTION])
        row[blocks.observation_of_edge[edges]] = linked
    return table
