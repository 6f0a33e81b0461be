"""Pruning of the lists that backups scan: vectors and upper-bound points.

A pruned vector stays in memory, because other vectors may link to it.
"""

from __future__ import annotations

import numpy as np

from pomdptool.kernels.sarsop import layout
from pomdptool.kernels.sarsop.layout import Search
from pomdptool.sparse import IntArray, ragged


def prune_vectors(search: Search, n_first: int) -> int:
    """Remove vectors that are maximal at no expanded node, except for the first `n_first`.

    Repeated entries are reduced to the last. Returns the number of entries left.
    """
    nodes = search.nodes
    expanded = nodes[nodes[:, layout.EXPANSION] != layout.NONE]
    needed = np.zeros(search.i[layout.N_VECTORS], dtype=bool)
    needed[:n_first] = True
    needed[expanded[:, layout.BEST]] = True
    lists = search.lists[layout.VECTOR_LIST :: layout.LISTS]
    begins, place = _flatten(lists, layout.VECTOR_ELEMENT)
    vector = search.i[place + layout.ITEM]
    last = np.empty(len(needed), dtype=np.int64)
    last[vector] = np.arange(len(vector))
    kept = needed[vector] & (last[vector] == np.arange(len(vector)))
    before = np.concatenate([[0], np.cumsum(kept)])
    checked = begins[nodes[:, layout.BLOCK]] + nodes[:, layout.CHECKED_VECTORS]
    nodes[:, layout.CHECKED_VECTORS] = before[checked] - before[begins[nodes[:, layout.BLOCK]]]
    _compact(search, lists, begins, place, kept, layout.VECTOR_ELEMENT)
    return int(kept.sum())


def prune_points(search: Search) -> int:
    """List each useful point once, and return their number.

    A point is useful if its upper bound lies below the interpolation between the corners.
    """
    nodes = search.nodes
    values = search.bounds
    points = search.lists[layout.POINT_LIST :: layout.LISTS]
    corners = search.lists[layout.POINT_SET :: layout.LISTS]
    block = nodes[:, layout.BLOCK]
    all_checked = nodes[:, layout.CHECKED_POINTS] == points[block, layout.LENGTH]
    begins, place = _flatten(corners, layout.POINT_ELEMENT)
    point = search.i[place + layout.ITEM]
    kept = values[point, layout.UPPER] < values[point, layout.BASE]
    values[point[~kept], layout.LISTED] = np.inf
    _compact(search, corners, begins, place, kept, layout.POINT_ELEMENT)
    # POINT_LIST held each point at least once, so its capacity suffices.
    points[:, layout.LENGTH] = corners[:, layout.LENGTH]
    _, place = _flatten(corners, layout.POINT_ELEMENT)
    elements = search.i[_fields(place, layout.POINT_ELEMENT)]
    _, copies = _flatten(points, layout.POINT_ELEMENT)
    search.i[_fields(copies, layout.POINT_ELEMENT)] = elements
    lengths = corners[:, layout.LENGTH]
    number = ragged(np.zeros_like(lengths), lengths)[1]
    nodes[elements[:, layout.ITEM], layout.SET_INDEX] = number
    nodes[:, layout.CHECKED_POINTS] = np.where(all_checked, points[block, layout.LENGTH], 0)
    nodes[:, layout.LP_POINTS] = 0
    return int(kept.sum())


def _flatten(lists: IntArray, element: int) -> tuple[IntArray, IntArray]:
    """Offset of each list in their concatenation, and the position of every element."""
    lengths = lists[:, layout.LENGTH]
    row, number = ragged(np.zeros_like(lengths), lengths)
    begins = np.concatenate([[0], np.cumsum(lengths)])
    return begins, lists[row, layout.FIRST] + element * number


def _fields(place: IntArray, element: int) -> IntArray:
    """Positions of all fields of list elements, shape (elements, fields)."""
    return place[:, None] + np.arange(element)


def _compact(
    search: Search, lists: IntArray, begins: IntArray, place: IntArray, kept: IntArray, element: int
) -> None:
    """Move the kept elements of each list to its front."""
    elements = search.i[_fields(place[kept], element)]
    before = np.concatenate([[0], np.cumsum(kept)])
    lists[:, layout.LENGTH] = np.diff(before[begins])
    search.i[_fields(_flatten(lists, element)[1], element)] = elements
