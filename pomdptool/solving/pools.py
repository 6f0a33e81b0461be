"""Room for the anytime solver's search: its first vectors and node, and growing when it is full."""

from __future__ import annotations

import numpy as np

from pomdptool.kernels import search as kernel
from pomdptool.kernels.nodes import find, rehash
from pomdptool.kernels.search import Above, Search
from pomdptool.solving.blocks import BlockModel
from pomdptool.sparse import FloatArray, IntArray


def begin(blocks: BlockModel, above: Above, blind: FloatArray) -> Search:
    """Make a search with the blind policies' vectors in every block and the start belief as node 0.

    Parameters
    ----------
    blind
        Values of repeating an action for ever, shape (A, S).
    """
    arrays, A = blocks.arrays, blocks.model.n_actions
    n_vectors, n_edges = blocks.n_blocks * A, len(arrays.edge_target)
    margin = margins(blocks)
    search = Search(
        node_i=np.empty((1024 + margin[0], kernel.NODE_INTEGERS), np.int64),
        node_f=np.empty((1024 + margin[0], kernel.NODE_FLOATS)),
        action_i=np.empty((256 * A, 2), np.int64),
        action_f=np.empty((256 * A, 3)),
        vector_i=np.empty((n_vectors + 256, kernel.VECTOR_INTEGERS), np.int64),
        list_i=np.zeros((kernel.LISTS * blocks.n_blocks, 3), np.int64),
        floats=np.empty(blocks.n_slots * A + 4 * margin[1]),
        integers=np.empty(n_edges + n_vectors + 4 * margin[2] + 1024, np.int32),
        table=np.full(_table_size(1024 + int(margin[0])), kernel.NONE, np.int64),
        counts=np.zeros(kernel.COUNTS, np.int64),
    )
    _blind_vectors(blocks, search, blind)
    search.floats[search.counts[kernel.N_FLOATS] :][: len(blocks.start)] = blocks.start
    find(arrays, above, search, blocks.start_block)
    return search


def _blind_vectors(blocks: BlockModel, search: Search, blind: FloatArray) -> None:
    """Vector b * A + a repeats action a in block b; its links are the first integers."""
    arrays, A = blocks.arrays, blocks.model.n_actions
    n_vectors, n_edges = blocks.n_blocks * A, len(arrays.edge_target)
    size = np.diff(arrays.block_first)
    action = np.tile(np.arange(A), blocks.n_blocks)
    vector_i = search.vector_i[:n_vectors]
    vector_i[:, kernel.V_BLOCK] = np.repeat(np.arange(blocks.n_blocks), A)
    vector_i[:, kernel.V_ACTION] = action
    vector_i[:, kernel.V_VALUES] = np.repeat(arrays.block_first[:-1] * A, A) + action * np.repeat(
        size, A
    )
    vector_i[:, kernel.V_LINKS] = arrays.edge_first[:-1]
    action_of_edge = np.repeat(action, np.diff(arrays.edge_first))
    search.integers[:n_edges] = arrays.edge_target * A + action_of_edge
    search.integers[n_edges : n_edges + n_vectors] = np.arange(n_vectors)
    block = blocks.block_of_slot
    local = np.arange(blocks.n_slots) - arrays.block_first[block]
    base = arrays.block_first[block] * A + local
    for a in range(A):
        search.floats[base + a * size[block]] = blind[a, blocks.state_of_slot]
    lists = search.list_i[kernel.VECTORS :: kernel.LISTS]
    lists[:, kernel.FIRST] = n_edges + A * np.arange(blocks.n_blocks)
    lists[:, kernel.LENGTH] = lists[:, kernel.ROOM] = A
    search.counts[kernel.N_VECTORS] = n_vectors
    search.counts[kernel.N_FLOATS] = blocks.n_slots * A
    search.counts[kernel.N_INTEGERS] = n_edges + n_vectors
    search.counts[kernel.LONGEST] = max(A, 8)


def margins(blocks: BlockModel) -> IntArray:
    """Most that one backup makes: nodes, floats, integers; and the number of actions."""
    arrays, A = blocks.arrays, blocks.model.n_actions
    size = np.diff(arrays.block_first)
    sizes = np.concatenate([[0], np.cumsum(size[arrays.edge_target])])
    per_block = arrays.edge_first[::A]
    edges = int(np.diff(per_block).max())
    entries = int((sizes[per_block[1:]] - sizes[per_block[:-1]]).max())
    values = entries + int(size.max())
    return np.array([edges, values + edges, values + 2 * edges + 64, A])


def grown(blocks: BlockModel, search: Search) -> Search:
    """Make room: arrays that are more than half full are doubled."""
    counts, A, margin = search.counts, blocks.model.n_actions, margins(blocks)
    longest = 8 * int(counts[kernel.LONGEST])
    used = {
        "node_i": counts[kernel.N_NODES] + margin[0],
        "node_f": counts[kernel.N_NODES] + margin[0],
        "action_i": (counts[kernel.N_EXPANDED] + 1) * A,
        "action_f": (counts[kernel.N_EXPANDED] + 1) * A,
        "vector_i": counts[kernel.N_VECTORS] + 1,
        "floats": counts[kernel.N_FLOATS] + margin[1],
        "integers": counts[kernel.N_INTEGERS] + margin[2] + longest,
    }
    larger = {}
    for name, n in used.items():
        array = getattr(search, name)
        if 2 * n > len(array):
            larger[name] = np.empty((2 * len(array), *array.shape[1:]), array.dtype)
            larger[name][: len(array)] = array
    search = search._replace(**larger)
    size = _table_size(len(search.node_i))
    if size > len(search.table):
        search = search._replace(table=np.full(size, kernel.NONE, np.int64))
        rehash(blocks.arrays, search)
    return search


def _table_size(nodes: int) -> int:
    return 1 << (4 * nodes).bit_length()
