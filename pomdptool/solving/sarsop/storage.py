"""Storage of a SARSOP search: the model as tables, the initial search, and larger arrays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pomdptool.kernels.sarsop import layout as kernel
from pomdptool.kernels.sarsop.belief_graph import find_node, rehash
from pomdptool.kernels.sarsop.interpolation import LP_STATES
from pomdptool.kernels.sarsop.layout import Search, Tables
from pomdptool.solving.sarsop.block_model import BlockModel
from pomdptool.solving.sarsop.informed_bound import Informed
from pomdptool.sparse import FloatArray


class Capacity(NamedTuple):
    """Rows and lengths of a search's arrays, or the most that one backup adds to each."""

    nodes: int
    expanded: int
    vectors: int
    integers: int
    floats: int
    scratch: int


def tables(blocks: BlockModel, above: Informed, negligible: float) -> Tables:
    """Convert a model in blocks, and its informed bounds, to the kernels' layout.

    Probabilities below `negligible` count as 0.
    """
    arrays = blocks.arrays
    size = np.diff(arrays.block_first)[arrays.edge_target]
    before = np.cumsum(size) - size
    n_edges = np.diff(arrays.edge_first)
    first_edge = np.repeat(arrays.edge_first[:-1], n_edges)
    place = before - before[first_edge]
    row = np.repeat(np.arange(len(arrays.entry_first) - 1), np.diff(arrays.entry_first))
    A = blocks.model.n_actions
    edge = arrays.edge_first[blocks.block_of_slot[row // A] * A + row % A] + arrays.entry_edge
    integers = {
        kernel.BLOCK_FIRST: arrays.block_first,
        kernel.EDGE_FIRST: arrays.edge_first,
        kernel.EDGES: np.column_stack([arrays.edge_target, place]),
        kernel.ENTRY_FIRST: arrays.entry_first,
        kernel.ENTRIES: np.column_stack([arrays.entry_edge, place[edge] + arrays.entry_slot]),
        kernel.STEP_FIRST: above.step_first,
        kernel.STEPS: np.column_stack([above.step_edge, above.step_belief]),
    }
    floats = {
        kernel.WEIGHTS: arrays.weights,
        kernel.REWARDS: arrays.rewards,
        kernel.STEP_WEIGHTS: above.step_weight,
        kernel.BELIEF_Q: above.Q,
        kernel.SLOT_Q: above.q,
        kernel.CORNERS: above.corner,
    }
    header = np.zeros(kernel.TABLES_HEADER, np.int64)
    header[kernel.N_ACTIONS] = A
    front = np.array([blocks.model.discount, above.largest, negligible])
    for parts, begin in ((integers, len(header)), (floats, len(front))):
        for slot, part in parts.items():
            header[slot] = begin
            begin += part.size
    return Tables(
        np.concatenate([header, *(part.ravel() for part in integers.values())], dtype=np.int64),
        np.concatenate([front, *(part.ravel() for part in floats.values())]),
    )


def begin(blocks: BlockModel, tables: Tables, blind: FloatArray, drift: float = 0.0) -> Search:
    """Begin a search: the blind policies' vectors in every block, and the initial belief as node 0.

    Parameters
    ----------
    blind
        Values of the blind policies, which repeat one action, shape (A, S).
    drift
        Of the informed bounds.
    """
    A, need = blocks.model.n_actions, needed(blocks)
    n_vectors, n_edges = blocks.n_blocks * A, len(blocks.arrays.edge_target)
    capacity = Capacity(
        nodes=1024 + need.nodes,
        expanded=256,
        vectors=n_vectors + 256,
        integers=n_edges + kernel.VECTOR_ELEMENT * n_vectors + 4 * need.integers + 1024,
        floats=kernel.POINT_MASS + blocks.n_slots * (A + 1) + 4 * need.floats,
        scratch=need.scratch + (LP_STATES + 2) * 256,
    )
    search = _laid_out(capacity, A, kernel.LISTS * blocks.n_blocks)
    search.i[[kernel.N_INTEGERS, kernel.DEPTH]] = kernel.SEARCH_HEADER, kernel.NONE
    search.f[kernel.DRIFT] = drift
    _blind_vectors(blocks, search, blind)
    search.f[search.i[kernel.N_FLOATS] :][: len(blocks.start)] = blocks.start
    find_node(tables, search, blocks.start_block)
    return search


def _blind_vectors(blocks: BlockModel, search: Search, blind: FloatArray) -> None:
    """Vector b * A + a repeats action a in block b; its links are the first integers."""
    arrays, A = blocks.arrays, blocks.model.n_actions
    n_vectors, n_edges = blocks.n_blocks * A, len(arrays.edge_target)
    size = np.diff(arrays.block_first)
    action = np.tile(np.arange(A), blocks.n_blocks)
    search.i[kernel.N_VECTORS] = n_vectors
    vectors, links = search.vectors, int(search.i[kernel.N_INTEGERS])
    vectors[:, kernel.V_BLOCK] = np.repeat(np.arange(blocks.n_blocks), A)
    vectors[:, kernel.V_ACTION] = action
    begin = kernel.POINT_MASS + blocks.n_slots + arrays.block_first * A
    vectors[:, kernel.V_VALUES] = np.repeat(begin[:-1], A) + action * np.repeat(size, A)
    vectors[:, kernel.V_LINKS] = links + arrays.edge_first[:-1]
    vectors[:, kernel.ROSE], vectors[:, kernel.EVALUATED] = 1, 0
    action_of_edge = np.repeat(action, np.diff(arrays.edge_first))
    search.i[links : links + n_edges] = arrays.edge_target * A + action_of_edge
    listed = links + n_edges
    end = listed + n_vectors * kernel.VECTOR_ELEMENT
    elements = search.i[listed:end].reshape(n_vectors, kernel.VECTOR_ELEMENT)
    elements[:, kernel.ITEM] = np.arange(n_vectors)
    elements[:, kernel.VALUES_AT] = vectors[:, kernel.V_VALUES]
    block = blocks.block_of_slot
    local = np.arange(blocks.n_slots) - arrays.block_first[block]
    base = begin[block] + local
    for a in range(A):
        search.f[base + a * size[block]] = blind[a, blocks.state_of_slot]
    lists = search.lists[kernel.VECTOR_LIST :: kernel.LISTS]
    lists[:, kernel.FIRST] = listed + kernel.VECTOR_ELEMENT * A * np.arange(blocks.n_blocks)
    lists[:, kernel.LENGTH] = lists[:, kernel.CAPACITY] = A
    search.i[kernel.N_RISES] = 1
    search.i[kernel.N_FLOATS] = begin[-1]
    search.i[kernel.N_INTEGERS] = end
    search.i[kernel.LONGEST_LIST] = max(A, 8)


def needed(blocks: BlockModel) -> Capacity:
    """The most that one backup adds."""
    arrays, A = blocks.arrays, blocks.model.n_actions
    size = np.diff(arrays.block_first)
    sizes = np.concatenate([[0], np.cumsum(size[arrays.edge_target])])
    per_block = arrays.edge_first[::A]
    edges = int(np.diff(per_block).max())
    entries = int((sizes[per_block[1:]] - sizes[per_block[:-1]]).max())
    values = entries + int(size.max())
    return Capacity(
        nodes=edges,
        expanded=1,
        vectors=1,
        integers=values + 4 * edges + 2 * LP_STATES + 64 * kernel.POINT_ELEMENT,
        floats=values + 2 * edges + 2 * LP_STATES,
        scratch=entries + (edges + 1) * A + LP_STATES * (LP_STATES + 5),
    )


def grown(blocks: BlockModel, tables: Tables, search: Search) -> Search:
    """Copy a search to larger arrays: those more than half full are doubled."""
    counts, need = search.i, needed(blocks)
    longest = int(counts[kernel.LONGEST_LIST])
    used = Capacity(
        nodes=int(counts[kernel.N_NODES]) + need.nodes,
        expanded=int(counts[kernel.N_EXPANDED]) + 1,
        vectors=int(counts[kernel.N_VECTORS]) + 1,
        integers=int(counts[kernel.N_INTEGERS])
        + need.integers
        + 8 * kernel.POINT_ELEMENT * longest,
        floats=int(counts[kernel.N_FLOATS]) + need.floats,
        scratch=need.scratch + (LP_STATES + 2) * longest,
    )
    pairs = zip(used, capacity_of(search), strict=True)
    larger = Capacity(*(2 * max(r, n) if 2 * n > r else r for n, r in pairs))
    return with_capacity(blocks, tables, search, larger)


def with_capacity(blocks: BlockModel, tables: Tables, search: Search, capacity: Capacity) -> Search:
    """Copy a search to arrays of some capacity."""
    after = _laid_out(capacity, blocks.model.n_actions, kernel.LISTS * blocks.n_blocks)
    after.i[: kernel.COUNTERS] = search.i[: kernel.COUNTERS]
    used = slice(kernel.SEARCH_HEADER, int(search.i[kernel.N_INTEGERS]))
    after.i[used] = search.i[used]
    after.f[: search.i[kernel.N_FLOATS]] = search.f[: search.i[kernel.N_FLOATS]]
    for name in ("nodes", "bounds", "actions", "q_values", "vectors", "lists"):
        getattr(after, name)[:] = getattr(search, name)
    rehash(tables, after)
    return after


def capacity_of(search: Search) -> Capacity:
    """Capacity of a search's arrays."""
    i = search.i
    return Capacity(
        nodes=int(i[kernel.NODES_CAPACITY]),
        expanded=int(i[kernel.EXPANDED_CAPACITY]),
        vectors=int(i[kernel.VECTORS_CAPACITY]),
        integers=int(i[kernel.INTEGERS_CAPACITY]),
        floats=int(i[kernel.FLOATS_CAPACITY]),
        scratch=int(i[kernel.SCRATCH_CAPACITY]),
    )


def _laid_out(capacity: Capacity, n_actions: int, n_lists: int) -> Search:
    """Empty arrays of some capacity, with the header that says where everything begins."""
    table = 1 << (2 * capacity.nodes).bit_length()
    begins = np.cumsum(
        [
            capacity.integers,
            capacity.nodes * kernel.NODE,
            capacity.expanded * n_actions * kernel.ACTION,
            capacity.vectors * kernel.VECTOR,
            n_lists * kernel.LIST,
            table,
        ]
    )
    f_begins = np.cumsum(
        [
            capacity.floats,
            capacity.scratch,
            capacity.nodes * kernel.BOUND,
            capacity.expanded * n_actions * kernel.Q_VALUE,
        ]
    )
    # Pages that are never written take no memory.
    search = Search(np.zeros(begins[-1], np.int64), np.zeros(f_begins[-1]))
    i = search.i
    i[kernel.NODES_CAPACITY], i[kernel.EXPANDED_CAPACITY] = capacity.nodes, capacity.expanded
    i[kernel.VECTORS_CAPACITY], i[kernel.TABLE_CAPACITY] = capacity.vectors, table
    i[kernel.INTEGERS_CAPACITY], i[kernel.FLOATS_CAPACITY] = capacity.integers, capacity.floats
    i[kernel.SCRATCH_CAPACITY] = capacity.scratch
    i[[kernel.NODES_AT, kernel.ACTIONS_AT, kernel.VECTORS_AT]] = begins[:3]
    i[[kernel.LISTS_AT, kernel.TABLE_AT]] = begins[3:5]
    i[[kernel.SCRATCH_AT, kernel.BOUNDS_AT, kernel.Q_VALUES_AT]] = f_begins[:3]
    i[begins[4] :] = kernel.NONE
    return search
