"""Policy evaluation of the root's controller by a linear system, instead of sweeps.

A vector v with action a and links to vectors v_o is a node of a controller with value

    x[v, s] = r[s, a] + g sum over o and s' of T(s' | s, a) Z(o | s', a) x[v_o, s'],

a linear system over all vectors reachable by links from the one that is maximal at the initial
belief (Hansen 1998). Sweeps contract by g each: with g near 1 thousands would be needed.
"""

from __future__ import annotations

import numpy as np

from pomdptool.kernels.sarsop import layout
from pomdptool.kernels.sarsop.layout import ROUNDING, Search
from pomdptool.solving.sarsop.block_model import BlockModel
from pomdptool.sparse import FloatArray, IntArray, ragged

MAX_VALUES = 4000
"""Maximum number of unknowns, over all vectors."""


def evaluate_controller(blocks: BlockModel, search: Search, root: int) -> int:
    """Raise the vectors reachable from the root's maximal one to their values as a controller.

    Each value stays at or below its one-step backup less rounding. Returns the number of unknowns;
    0 if there are too many.
    """
    from scipy.sparse import csr_matrix, identity
    from scipy.sparse.linalg import splu

    vectors = _reachable_vectors(blocks, search, int(search.nodes[root, layout.BEST]))
    if not len(vectors):
        return 0
    arrays, g, A = blocks.arrays, blocks.model.discount, blocks.model.n_actions
    block, action, begin, links = search.vectors[vectors, : layout.ROSE].T
    item, slot = ragged(arrays.block_first[block], arrays.block_first[block + 1])
    row = slot * A + action[item]
    value_of, entry = ragged(arrays.entry_first[row], arrays.entry_first[row + 1])
    number = np.full(len(search.vectors), layout.NONE)
    number[vectors] = np.searchsorted(item, np.arange(len(vectors)))
    linked = search.i[links[item[value_of]] + arrays.entry_edge[entry]]
    column = number[linked] + arrays.entry_slot[entry]
    n, weight = len(item), g * arrays.weights[entry]
    matrix = csr_matrix((weight, (value_of, column)), shape=(n, n))
    reward = arrays.rewards.ravel()[row]
    terms = np.bincount(value_of, minlength=n) + 4

    def excess(x: FloatArray) -> FloatArray:
        """By how much values exceed their backup less rounding."""
        size = np.abs(reward) + matrix @ np.abs(x)
        over: FloatArray = x - (reward + matrix @ x - ROUNDING * terms * size)
        return np.maximum(over, 0.0)

    factors = splu((identity(n, format="csc") - matrix).tocsc())
    x = factors.solve(reward)
    x = x - 2.0 * factors.solve(excess(x))
    x = x - 1.01 * float(excess(x).max()) / (1.0 - g)
    place = begin[item] + slot - arrays.block_first[block[item]]
    higher = x > search.f[place]
    search.f[place] = np.where(higher, x, search.f[place])
    search.i[layout.N_RISES] += 1
    rose = vectors[np.unique(item[higher])]
    search.vectors[rose, layout.ROSE] = search.i[layout.N_RISES]
    return n


def _reachable_vectors(blocks: BlockModel, search: Search, vector: int) -> IntArray:
    """Vectors reachable by links, the start first; none if they have too many values."""
    arrays, A = blocks.arrays, blocks.model.n_actions
    size = np.diff(arrays.block_first)
    visited = np.zeros(len(search.vectors), dtype=bool)
    frontier, reached, values = np.array([vector]), [], 0
    visited[vector] = True
    while len(frontier):
        reached.append(frontier)
        block, action, _, links = search.vectors[frontier, : layout.ROSE].T
        values += int(size[block].sum())
        if values > MAX_VALUES:
            return np.zeros(0, dtype=np.int64)
        group = block * A + action
        n_edges = arrays.edge_first[group + 1] - arrays.edge_first[group]
        item, edge = ragged(np.zeros_like(group), n_edges)
        successors = np.unique(search.i[links[item] + edge])
        frontier = successors[~visited[successors]]
        visited[frontier] = True
    return np.concatenate(reached)
