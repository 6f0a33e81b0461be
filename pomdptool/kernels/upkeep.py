"""Upkeep of the search: shorter lists to scan, and a larger table to find nodes in."""

from __future__ import annotations

import numpy as np

from pomdptool.kernels import kernel
from pomdptool.kernels.nodes import hash_of
from pomdptool.kernels.search import (
    BASE,
    BELIEF,
    BEST,
    BLOCK,
    CORNERS,
    EXPANSION,
    FIRST,
    LENGTH,
    LISTED,
    LISTS,
    N_NODES,
    N_VECTORS,
    NONE,
    POINTS,
    SEEN_LP,
    SEEN_POINTS,
    SEEN_VECTORS,
    UPPER,
    VECTORS,
    append,
)


@kernel
def prune_vectors(search, n_first):
    """Take off the lists what is no expanded node's largest vector, but for the first few.

    The vectors stay: others link to them. How many are left.
    """
    n_blocks = search.list_i.shape[0] // LISTS
    needed = np.zeros(search.counts[N_VECTORS], np.bool_)
    needed[:n_first] = True
    for n in range(search.counts[N_NODES]):
        if search.node_i[n, EXPANSION] != NONE and search.node_i[n, BEST] != NONE:
            needed[search.node_i[n, BEST]] = True
    begins = np.zeros(n_blocks + 1, np.int64)
    for b in range(n_blocks):
        begins[b + 1] = begins[b] + search.list_i[LISTS * b + VECTORS, LENGTH] + 1
    kept = np.zeros(begins[n_blocks], np.int64)
    left = 0
    for b in range(n_blocks):
        row = LISTS * b + VECTORS
        first, count = search.list_i[row, FIRST], 0
        for i in range(search.list_i[row, LENGTH]):
            v = search.integers[first + i]
            if needed[v]:
                search.integers[first + count] = v
                count += 1
            kept[begins[b] + i + 1] = count
        search.list_i[row, LENGTH] = count
        left += count
    for n in range(search.counts[N_NODES]):
        at = begins[search.node_i[n, BLOCK]] + search.node_i[n, SEEN_VECTORS]
        search.node_i[n, SEEN_VECTORS] = kept[at]
    return left


@kernel
def prune_points(search):
    """List every point once, and only those below the interpolation; how many are left."""
    n_blocks = search.list_i.shape[0] // LISTS
    for n in range(search.counts[N_NODES]):
        row = LISTS * search.node_i[n, BLOCK] + POINTS
        seen_all = search.node_i[n, SEEN_POINTS] == search.list_i[row, LENGTH]
        search.node_i[n, SEEN_POINTS] = 1 if seen_all else 0
        search.node_i[n, SEEN_LP] = 0
    left = 0
    for b in range(n_blocks):
        row = LISTS * b + POINTS
        search.list_i[row, LENGTH] = 0
        first, length = search.list_i[row + CORNERS - POINTS, FIRST], 0
        for i in range(first, first + search.list_i[row + CORNERS - POINTS, LENGTH]):
            n = search.integers[i]
            if search.node_f[n, UPPER] < search.node_f[n, BASE]:
                append(search, row, n)
                search.integers[first + length] = n
                length += 1
            else:
                search.node_f[n, LISTED] = np.inf
        search.list_i[row + CORNERS - POINTS, LENGTH] = length
        left += length
    for n in range(search.counts[N_NODES]):
        if search.node_i[n, SEEN_POINTS] == 1:
            row = LISTS * search.node_i[n, BLOCK] + POINTS
            search.node_i[n, SEEN_POINTS] = search.list_i[row, LENGTH]
    return left


@kernel
def rehash(blocks, search):
    """Enter every node in a table that is empty."""
    mask = np.uint64(search.table.shape[0] - 1)
    for n in range(search.counts[N_NODES]):
        block = search.node_i[n, BLOCK]
        size = blocks.block_first[block + 1] - blocks.block_first[block]
        h = np.int64(hash_of(search.floats, search.node_i[n, BELIEF], size, block) & mask)
        while search.table[h] != NONE:
            h = np.int64((np.uint64(h) + np.uint64(1)) & mask)
        search.table[h] = n
