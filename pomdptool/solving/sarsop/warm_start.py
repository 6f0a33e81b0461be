"""Warm start of a search from the vectors and the upper bound of an earlier result.

The vectors are checked against the model. If every vector v exceeds H v, the backup of its action
with its links, by at most d, then v - d / (1 - g) is a lower bound on the controller's value, since
H contracts by g. The upper bound is not checked: it is that of the same model.
"""

from __future__ import annotations

import numpy as np

from pomdptool.errors import PolicyError
from pomdptool.graph import NOWHERE
from pomdptool.kernels.sarsop import layout
from pomdptool.kernels.sarsop.layout import Search, Tables
from pomdptool.linked import LinkedVectors
from pomdptool.policy import SolvedPolicy, check_fits
from pomdptool.solving.sarsop.block_model import BlockModel
from pomdptool.solving.sarsop.policy import edges_of
from pomdptool.solving.sarsop.storage import capacity_of, resize
from pomdptool.sparse import FloatArray, IntArray, ragged


def add_vectors(blocks: BlockModel, tables: Tables, search: Search, policy: SolvedPolicy) -> Search:
    """Add the vectors of a policy to a new search.

    Raises PolicyError if the policy belongs to another model, or its vectors are not linked.
    """
    check_fits(policy.problem, blocks.model)
    values = policy.values
    if policy.method == "sarsop" and not isinstance(values, LinkedVectors):
        return search  # stopped before the search: its vectors are those of blind policies
    if not isinstance(values, LinkedVectors):
        raise PolicyError(f"a result of method {policy.method!r} cannot be resumed")
    known = {tuple(blocks.states(b).tolist()): b for b in range(blocks.n_blocks)}
    block_of = [known.get(tuple(states.tolist()), layout.NONE) for states in values.states]
    if layout.NONE in block_of:
        raise PolicyError("the policy's vectors do not match the belief blocks of the model")
    block = np.array(block_of)[values.block]
    links = [_links(blocks, int(b), values, k) for k, b in enumerate(block.tolist())]
    correction = _correction(blocks, values, block, links)
    elements = 16 * len(links) + 8 * len(search.lists)
    capacity = capacity_of(search)
    capacity = capacity._replace(
        vectors=capacity.vectors + len(links),
        integers=capacity.integers + sum(map(len, links)) + layout.VECTOR_ELEMENT * elements,
        floats=capacity.floats + sum(map(len, values.values)),
    )
    search = resize(blocks, tables, search, capacity)
    counts = search.i
    first = int(counts[layout.N_VECTORS])
    counts[layout.N_VECTORS] += len(links)
    counts[layout.N_RISES] += 1
    for k, (b, linked) in enumerate(zip(block.tolist(), links, strict=True)):
        i, j, size = int(counts[layout.N_FLOATS]), int(counts[layout.N_INTEGERS]), len(linked)
        rose = int(counts[layout.N_RISES])
        search.vectors[first + k] = b, values.actions[k], i, j, rose, 0
        search.f[i : i + len(values.values[k])] = values.values[k] - correction
        search.i[j : j + size] = first + linked
        counts[layout.N_FLOATS] += len(values.values[k])
        counts[layout.N_INTEGERS] += size
    for b in np.unique(block).tolist():
        row = layout.LISTS * b + layout.VECTOR_LIST
        _extend_list(search, row, first + np.flatnonzero(block == b))
    return search


def _links(blocks: BlockModel, block: int, values: LinkedVectors, k: int) -> IntArray:
    """Successors of vector k, by edge."""
    edges = edges_of(blocks, block, int(values.actions[k]))
    linked: IntArray = values.next[k, blocks.observation_of_edge[edges]]
    target = blocks.arrays.edge_target[edges]
    if (linked == NOWHERE).any() or any(
        not np.array_equal(values.states[values.block[m]], blocks.states(b))
        for m, b in zip(linked.tolist(), target.tolist(), strict=True)
    ):
        raise PolicyError(f"the links of vector {k} do not match the model's observations")
    return linked


def _correction(
    blocks: BlockModel, values: LinkedVectors, block: IntArray, links: list[IntArray]
) -> float:
    """Amount by which all vectors must be lowered to be lower bounds of the controller's value."""
    arrays, A, g = blocks.arrays, blocks.model.n_actions, blocks.model.discount
    excess = 0.0
    for k, (b, linked) in enumerate(zip(block.tolist(), links, strict=True)):
        slots = np.arange(arrays.block_first[b], arrays.block_first[b + 1])
        rows = slots * A + values.actions[k]
        place, entry = ragged(arrays.entry_first[rows], arrays.entry_first[rows + 1])
        starts = np.cumsum([0, *(len(values.values[m]) for m in linked.tolist())])
        successors: FloatArray = np.concatenate([values.values[m] for m in linked.tolist()])
        next_value = successors[starts[arrays.entry_edge[entry]] + arrays.entry_slot[entry]]
        sums = np.bincount(place, arrays.weights[entry] * next_value, len(slots))
        backup = arrays.rewards[slots, values.actions[k]] + g * sums
        excess = max(excess, float((values.values[k] - backup).max()))
    return excess / (1.0 - g)


def _extend_list(search: Search, row: int, vectors: IntArray) -> None:
    """Append vectors to a list, which moves to the end of the heap."""
    first, length, _ = search.lists[row].tolist()
    begin, n = int(search.i[layout.N_INTEGERS]), length + len(vectors)
    width = layout.VECTOR_ELEMENT
    elements = search.i[begin : begin + n * width].reshape(n, width)
    elements[:length] = search.i[first : first + length * width].reshape(length, width)
    elements[length:, layout.ITEM] = vectors
    elements[length:, layout.VALUES_AT] = search.vectors[vectors, layout.V_VALUES]
    search.lists[row] = begin, n, n
    search.i[layout.N_INTEGERS] += elements.size
    search.i[layout.LONGEST_LIST] = max(search.i[layout.LONGEST_LIST], n)
