"""Storage of a SARSOP search: packing the model, creating the search, enlarging its arrays.

The layout of the arrays is described in `kernels.sarsop.layout`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pomdptool.kernels.sarsop import layout
from pomdptool.kernels.sarsop.belief_graph import find_node, rehash
from pomdptool.kernels.sarsop.interpolation import LP_STATES
from pomdptool.kernels.sarsop.layout import Search, Tables
from pomdptool.solving.sarsop.block_model import BlockModel
from pomdptool.solving.sarsop.informed_bound import InformedBound
from pomdptool.sparse import FloatArray


class Capacity(NamedTuple):
    """Capacities of a search's arrays, or the most that one backup adds to each."""

    nodes: int
    expanded: int
    vectors: int
    integers: int
    floats: int
    scratch: int


def pack_model(blocks: BlockModel, informed: InformedBound, negligible: float) -> Tables:
    """Pack a model in blocks and its informed bound into the kernels' layout.

    Probabilities below `negligible` are treated as 0.
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
        layout.BLOCK_FIRST: arrays.block_first,
        layout.EDGE_FIRST: arrays.edge_first,
        layout.EDGES: np.column_stack([arrays.edge_target, place]),
        layout.ENTRY_FIRST: arrays.entry_first,
        layout.ENTRIES: np.column_stack([arrays.entry_edge, place[edge] + arrays.entry_slot]),
        layout.STEP_FIRST: informed.step_first,
        layout.STEPS: np.column_stack([informed.step_edge, informed.step_belief]),
    }
    floats = {
        layout.WEIGHTS: arrays.weights,
        layout.REWARDS: arrays.rewards,
        layout.STEP_WEIGHTS: informed.step_weight,
        layout.BELIEF_Q: informed.belief_q,
        layout.SLOT_Q: informed.slot_q,
        layout.CORNERS: informed.corners,
    }
    header = np.zeros(layout.TABLES_HEADER, np.int64)
    header[layout.N_ACTIONS] = A
    front = np.array([blocks.model.discount, informed.value_bound, negligible])
    for parts, begin in ((integers, len(header)), (floats, len(front))):
        for slot, part in parts.items():
            header[slot] = begin
            begin += part.size
    return Tables(
        np.concatenate([header, *(part.ravel() for part in integers.values())], dtype=np.int64),
        np.concatenate([front, *(part.ravel() for part in floats.values())]),
    )


def initial_search(
    blocks: BlockModel, tables: Tables, blind: FloatArray, drift: float = 0.0
) -> Search:
    """Create a search: blind policies in every block, and the initial belief as node 0.

    `blind` holds the values of the blind policies, shape (A, S), `drift` is the informed bound's.
    """
    A, need = blocks.model.n_actions, backup_reserve(blocks)
    n_vectors, n_edges = blocks.n_blocks * A, len(blocks.arrays.edge_target)
    capacity = Capacity(
        nodes=1024 + need.nodes,
        expanded=256,
        vectors=n_vectors + 256,
        integers=n_edges + layout.VECTOR_ELEMENT * n_vectors + 4 * need.integers + 1024,
        floats=layout.POINT_MASS + blocks.n_slots * (A + 1) + 4 * need.floats,
        scratch=need.scratch + (LP_STATES + 2) * 256,
    )
    search = _allocate(capacity, A, layout.LISTS * blocks.n_blocks)
    search.i[[layout.N_INTEGERS, layout.DEPTH]] = layout.SEARCH_HEADER, layout.NONE
    search.f[layout.DRIFT] = drift
    _add_blind_vectors(blocks, search, blind)
    search.f[search.i[layout.N_FLOATS] :][: len(blocks.start)] = blocks.start
    find_node(tables, search, blocks.start_block)
    return search


def _add_blind_vectors(blocks: BlockModel, search: Search, blind: FloatArray) -> None:
    """Add the blind policies: vector b * A + a repeats action a in block b."""
    arrays, A = blocks.arrays, blocks.model.n_actions
    n_vectors, n_edges = blocks.n_blocks * A, len(arrays.edge_target)
    size = np.diff(arrays.block_first)
    action = np.tile(np.arange(A), blocks.n_blocks)
    search.i[layout.N_VECTORS] = n_vectors
    vectors, links = search.vectors, int(search.i[layout.N_INTEGERS])
    vectors[:, layout.V_BLOCK] = np.repeat(np.arange(blocks.n_blocks), A)
    vectors[:, layout.V_ACTION] = action
    begin = layout.POINT_MASS + blocks.n_slots + arrays.block_first * A
    vectors[:, layout.V_VALUES] = np.repeat(begin[:-1], A) + action * np.repeat(size, A)
    vectors[:, layout.V_LINKS] = links + arrays.edge_first[:-1]
    vectors[:, layout.ROSE], vectors[:, layout.EVALUATED] = 1, 0
    action_of_edge = np.repeat(action, np.diff(arrays.edge_first))
    search.i[links : links + n_edges] = arrays.edge_target * A + action_of_edge
    listed = links + n_edges
    end = listed + n_vectors * layout.VECTOR_ELEMENT
    elements = search.i[listed:end].reshape(n_vectors, layout.VECTOR_ELEMENT)
    elements[:, layout.ITEM] = np.arange(n_vectors)
    elements[:, layout.VALUES_AT] = vectors[:, layout.V_VALUES]
    block = blocks.block_of_slot
    local = np.arange(blocks.n_slots) - arrays.block_first[block]
    base = begin[block] + local
    for a in range(A):
        search.f[base + a * size[block]] = blind[a, blocks.state_of_slot]
    lists = search.lists[layout.VECTOR_LIST :: layout.LISTS]
    lists[:, layout.FIRST] = listed + layout.VECTOR_ELEMENT * A * np.arange(blocks.n_blocks)
    lists[:, layout.LENGTH] = lists[:, layout.CAPACITY] = A
    search.i[layout.N_RISES] = 1
    search.i[layout.N_FLOATS] = begin[-1]
    search.i[layout.N_INTEGERS] = end
    search.i[layout.LONGEST_LIST] = max(A, 8)


def backup_reserve(blocks: BlockModel) -> Capacity:
    """Bound the space that one backup needs."""
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
        integers=values + 4 * edges + 2 * LP_STATES + 64 * layout.POINT_ELEMENT,
        floats=values + 2 * edges + 2 * LP_STATES,
        scratch=entries + (edges + 1) * A + LP_STATES * (LP_STATES + 5),
    )


def enlarge(blocks: BlockModel, tables: Tables, search: Search) -> Search:
    """Copy a search to larger arrays: those more than half full double."""
    counts, need = search.i, backup_reserve(blocks)
    longest = int(counts[layout.LONGEST_LIST])
    used = Capacity(
        nodes=int(counts[layout.N_NODES]) + need.nodes,
        expanded=int(counts[layout.N_EXPANDED]) + 1,
        vectors=int(counts[layout.N_VECTORS]) + 1,
        integers=int(counts[layout.N_INTEGERS])
        + need.integers
        + 8 * layout.POINT_ELEMENT * longest,
        floats=int(counts[layout.N_FLOATS]) + need.floats,
        scratch=need.scratch + (LP_STATES + 2) * longest,
    )
    pairs = zip(used, capacity_of(search), strict=True)
    larger = Capacity(*(2 * max(r, n) if 2 * n > r else r for n, r in pairs))
    return resize(blocks, tables, search, larger)


def resize(blocks: BlockModel, tables: Tables, search: Search, capacity: Capacity) -> Search:
    """Copy a search to arrays of another capacity."""
    after = _allocate(capacity, blocks.model.n_actions, layout.LISTS * blocks.n_blocks)
    after.i[: layout.COUNTERS] = search.i[: layout.COUNTERS]
    used = slice(layout.SEARCH_HEADER, int(search.i[layout.N_INTEGERS]))
    after.i[used] = search.i[used]
    after.f[: search.i[layout.N_FLOATS]] = search.f[: search.i[layout.N_FLOATS]]
    for name in ("nodes", "bounds", "actions", "q_values", "vectors", "lists"):
        getattr(after, name)[:] = getattr(search, name)
    rehash(tables, after)
    return after


def capacity_of(search: Search) -> Capacity:
    """Capacity of a search's arrays."""
    i = search.i
    return Capacity(
        nodes=int(i[layout.NODES_CAPACITY]),
        expanded=int(i[layout.EXPANDED_CAPACITY]),
        vectors=int(i[layout.VECTORS_CAPACITY]),
        integers=int(i[layout.INTEGERS_CAPACITY]),
        floats=int(i[layout.FLOATS_CAPACITY]),
        scratch=int(i[layout.SCRATCH_CAPACITY]),
    )


def _allocate(capacity: Capacity, n_actions: int, n_lists: int) -> Search:
    """Allocate the arrays and fill in the header with capacities and offsets."""
    table = 1 << (2 * capacity.nodes).bit_length()
    begins = np.cumsum(
        [
            capacity.integers,
            capacity.nodes * layout.NODE,
            capacity.expanded * n_actions * layout.ACTION,
            capacity.vectors * layout.VECTOR,
            n_lists * layout.LIST,
            table,
        ]
    )
    f_begins = np.cumsum(
        [
            capacity.floats,
            capacity.scratch,
            capacity.nodes * layout.BOUND,
            capacity.expanded * n_actions * layout.Q_VALUE,
        ]
    )
    # np.zeros: pages that are never written take no memory.
    search = Search(np.zeros(begins[-1], np.int64), np.zeros(f_begins[-1]))
    i = search.i
    i[layout.NODES_CAPACITY], i[layout.EXPANDED_CAPACITY] = capacity.nodes, capacity.expanded
    i[layout.VECTORS_CAPACITY], i[layout.TABLE_CAPACITY] = capacity.vectors, table
    i[layout.INTEGERS_CAPACITY], i[layout.FLOATS_CAPACITY] = capacity.integers, capacity.floats
    i[layout.SCRATCH_CAPACITY] = capacity.scratch
    i[[layout.NODES_AT, layout.ACTIONS_AT, layout.VECTORS_AT]] = begins[:3]
    i[[layout.LISTS_AT, layout.TABLE_AT]] = begins[3:5]
    i[[layout.SCRATCH_AT, layout.BOUNDS_AT, layout.Q_VALUES_AT]] = f_begins[:3]
    i[begins[4] :] = layout.NONE
    return search
