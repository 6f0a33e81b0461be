"""Going on from an earlier result: its vectors, checked against the model, and its upper bound.

Values are not taken on trust. Where every vector v lies below what its action and links earn in a
step, H v, but for d at most, v - d / (1 - g) lies below what the controller earns for ever, for H
contracts by g. The upper bound is the earlier run's word: it is that of the same model.
"""

from __future__ import annotations

import numpy as np

from pomdptool.errors import PolicyError
from pomdptool.graph import NOWHERE
from pomdptool.kernels.sarsop import layout as kernel
from pomdptool.kernels.sarsop.layout import Search, Tables
from pomdptool.linked import LinkedVectors
from pomdptool.policy import SolvedPolicy, check_fits
from pomdptool.solving.sarsop.block_model import BlockModel
from pomdptool.solving.sarsop.policy import edges_of
from pomdptool.solving.sarsop.storage import Capacity, capacity_of, with_capacity
from pomdptool.sparse import FloatArray, IntArray, ragged


def insert(blocks: BlockModel, tables: Tables, search: Search, policy: SolvedPolicy) -> Search:
    """Add a policy's vectors to a search that has just begun.

    Raises
    ------
    PolicyError
        Where the policy is of another model, or its vectors are not linked.
    """
    check_fits(policy.problem, blocks.model)
    values = policy.values
    if policy.method == "sarsop" and not isinstance(values, LinkedVectors):
        return search  # stopped before it began: the vectors are those of blind policies
    if not isinstance(values, LinkedVectors):
        raise PolicyError(f"a result of method {policy.method!r} cannot be resumed")
    known = {tuple(blocks.states(b).tolist()): b for b in range(blocks.n_blocks)}
    block_of = [known.get(tuple(states.tolist()), kernel.NONE) for states in values.states]
    if kernel.NONE in block_of:
        raise PolicyError("the policy's vectors cover states that are no block of the model")
    block = np.array(block_of)[values.block]
    links = [_links(blocks, int(b), values, k) for k, b in enumerate(block.tolist())]
    short = _shortfall(blocks, values, block, links)
    more = Capacity(
        nodes=0,
        expanded=0,
        vectors=len(links),
        integers=sum(map(len, links))
        + kernel.VECTOR_ELEMENT * (16 * len(links) + 8 * len(search.lists)),
        floats=sum(map(len, values.values)),
        scratch=0,
    )
    room = Capacity(*(a + b for a, b in zip(capacity_of(search), more, strict=True)))
    search = with_capacity(blocks, tables, search, room)
    counts = search.i
    first = int(counts[kernel.N_VECTORS])
    counts[kernel.N_VECTORS] += len(links)
    counts[kernel.N_RISES] += 1
    for k, (b, linked) in enumerate(zip(block.tolist(), links, strict=True)):
        i, j, size = int(counts[kernel.N_FLOATS]), int(counts[kernel.N_INTEGERS]), len(linked)
        rose = int(counts[kernel.N_RISES])
        search.vectors[first + k] = b, values.actions[k], i, j, rose, 0
        search.f[i : i + len(values.values[k])] = values.values[k] - short
        search.i[j : j + size] = first + linked
        counts[kernel.N_FLOATS] += len(values.values[k])
        counts[kernel.N_INTEGERS] += size
    for b in np.unique(block).tolist():
        row = kernel.LISTS * b + kernel.VECTOR_LIST
        _lengthen(search, row, first + np.flatnonzero(block == b))
    return search


def _links(blocks: BlockModel, block: int, values: LinkedVectors, k: int) -> IntArray:
    """Successors of a vector by edge."""
    edges = edges_of(blocks, block, int(values.actions[k]))
    linked: IntArray = values.next[k, blocks.observation_of_edge[edges]]
    target = blocks.arrays.edge_target[edges]
    if (linked == NOWHERE).any() or any(
        not np.array_equal(values.states[values.block[m]], blocks.states(b))
        for m, b in zip(linked.tolist(), target.tolist(), strict=True)
    ):
        raise PolicyError(f"vector {k} of the policy is not linked as the model asks for")
    return linked


def _shortfall(
    blocks: BlockModel, values: LinkedVectors, block: IntArray, links: list[IntArray]
) -> float:
    """What must be taken off every vector for the controller to earn them all."""
    arrays, A, g = blocks.arrays, blocks.model.n_actions, blocks.model.discount
    most = 0.0
    for k, (b, linked) in enumerate(zip(block.tolist(), links, strict=True)):
        slots = np.arange(arrays.block_first[b], arrays.block_first[b + 1])
        rows = slots * A + values.actions[k]
        place, entry = ragged(arrays.entry_first[rows], arrays.entry_first[rows + 1])
        starts = np.cumsum([0, *(len(values.values[m]) for m in linked.tolist())])
        ahead: FloatArray = np.concatenate([values.values[m] for m in linked.tolist()])
        worth = ahead[starts[arrays.entry_edge[entry]] + arrays.entry_slot[entry]]
        sums = np.bincount(place, arrays.weights[entry] * worth, len(slots))
        earned = arrays.rewards[slots, values.actions[k]] + g * sums
        most = max(most, float((values.values[k] - earned).max()))
    return most / (1.0 - g)


def _lengthen(search: Search, row: int, vectors: IntArray) -> None:
    """Move a list to the end of the pool, with some vectors more."""
    first, length, _ = search.lists[row].tolist()
    begin, n = int(search.i[kernel.N_INTEGERS]), length + len(vectors)
    width = kernel.VECTOR_ELEMENT
    elements = search.i[begin : begin + n * width].reshape(n, width)
    elements[:length] = search.i[first : first + length * width].reshape(length, width)
    elements[length:, kernel.ITEM] = vectors
    elements[length:, kernel.VALUES_AT] = search.vectors[vectors, kernel.V_VALUES]
    search.lists[row] = begin, n, n
    search.i[kernel.N_INTEGERS] += elements.size
    search.i[kernel.LONGEST_LIST] = max(search.i[kernel.LONGEST_LIST], n)
