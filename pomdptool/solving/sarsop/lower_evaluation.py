"""What the controllers found so far earn, solved at once instead of swept.

A vector v with action a and links to the vectors v_o is a node of a controller, worth

    x[v, s] = r[s, a] + g sum over o and s' of T(s' | s, a) Z(o | s', a) x[v_o, s'],

one linear system for all vectors that the initial belief's is linked to, and those (Hansen 1998).
Sweeps come closer by a factor g each time; where g is near 1 they need thousands.
"""

from __future__ import annotations

import numpy as np

from pomdptool.kernels.sarsop import layout as kernel
from pomdptool.kernels.sarsop.layout import ROUNDING, Search
from pomdptool.solving.sarsop.block_model import BlockModel
from pomdptool.sparse import FloatArray, IntArray, ragged

MAX_VALUES = 4000
"""Most values, of all vectors together, that are solved for."""


def solve_lower(blocks: BlockModel, search: Search, root: int) -> int:
    """Raise the vectors that the root's is linked to; how many values, 0 where they are too many.

    No value becomes larger than what its action and links earn in floats, rounding included.
    """
    from scipy.sparse import csr_matrix, identity
    from scipy.sparse.linalg import splu

    vectors = _linked(blocks, search, int(search.nodes[root, kernel.BEST]))
    if not len(vectors):
        return 0
    arrays, g, A = blocks.arrays, blocks.model.discount, blocks.model.n_actions
    block, action, begin, links = search.vectors[vectors, : kernel.ROSE].T
    item, slot = ragged(arrays.block_first[block], arrays.block_first[block + 1])
    row = slot * A + action[item]
    value_of, entry = ragged(arrays.entry_first[row], arrays.entry_first[row + 1])
    number = np.full(len(search.vectors), kernel.NONE)
    number[vectors] = np.searchsorted(item, np.arange(len(vectors)))
    linked = search.i[links[item[value_of]] + arrays.entry_edge[entry]]
    column = number[linked] + arrays.entry_slot[entry]
    n, weight = len(item), g * arrays.weights[entry]
    matrix = csr_matrix((weight, (value_of, column)), shape=(n, n))
    reward = arrays.rewards.ravel()[row]
    terms = np.bincount(value_of, minlength=n) + 4

    def excess(x: FloatArray) -> FloatArray:
        """By how much values exceed what is earned."""
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
    search.i[kernel.N_RISES] += 1
    rose = vectors[np.unique(item[higher])]
    search.vectors[rose, kernel.ROSE] = search.i[kernel.N_RISES]
    return n


def _linked(blocks: BlockModel, search: Search, vector: int) -> IntArray:
    """All vectors that one is linked to, itself the first; none where they have too many values."""
    arrays, A = blocks.arrays, blocks.model.n_actions
    size = np.diff(arrays.block_first)
    seen = np.zeros(len(search.vectors), dtype=bool)
    fresh, found, values = np.array([vector]), [], 0
    seen[vector] = True
    while len(fresh):
        found.append(fresh)
        block, action, _, links = search.vectors[fresh, : kernel.ROSE].T
        values += int(size[block].sum())
        if values > MAX_VALUES:
            return np.zeros(0, dtype=np.int64)
        group = block * A + action
        n_edges = arrays.edge_first[group + 1] - arrays.edge_first[group]
        item, edge = ragged(np.zeros_like(group), n_edges)
        after = np.unique(search.i[links[item] + edge])
        fresh = after[~seen[after]]
        seen[fresh] = True
    return np.concatenate(found)
