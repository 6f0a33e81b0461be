"""Pruning of a SARSOP search's lists of vectors and points, which backups scan."""

from __future__ import annotations

import numpy as np

from pomdptool.kernels.sarsop import layout as kernel
from pomdptool.kernels.sarsop.layout import Search
from pomdptool.sparse import IntArray, ragged


def prune_vectors(search: Search, n_first: int) -> int:
    """Unlist vectors that are maximal at no expanded node, except for the first few.

    A vector stays listed once, where it was listed last, and stays in memory, as others link to it.
    Returns how many remain listed.
    """
    nodes = search.nodes
    expanded = nodes[nodes[:, kernel.EXPANSION] != kernel.NONE]
    needed = np.zeros(search.i[kernel.N_VECTORS], dtype=bool)
    needed[:n_first] = True
    needed[expanded[:, kernel.BEST]] = True
    lists = search.lists[kernel.VECTOR_LIST :: kernel.LISTS]
    begins, place = _flat(lists, kernel.VECTOR_ELEMENT)
    vector = search.i[place + kernel.ITEM]
    last = np.empty(len(needed), dtype=np.int64)
    last[vector] = np.arange(len(vector))
    kept = needed[vector] & (last[vector] == np.arange(len(vector)))
    before = np.concatenate([[0], np.cumsum(kept)])
    checked = begins[nodes[:, kernel.BLOCK]] + nodes[:, kernel.CHECKED_VECTORS]
    nodes[:, kernel.CHECKED_VECTORS] = before[checked] - before[begins[nodes[:, kernel.BLOCK]]]
    _keep(search, lists, begins, place, kept, kernel.VECTOR_ELEMENT)
    return int(kept.sum())


def prune_points(search: Search) -> int:
    """List every point once, and only those below the corners' interpolation; how many remain."""
    nodes = search.nodes
    values = search.bounds
    points = search.lists[kernel.POINT_LIST :: kernel.LISTS]
    corners = search.lists[kernel.POINT_SET :: kernel.LISTS]
    block = nodes[:, kernel.BLOCK]
    all_checked = nodes[:, kernel.CHECKED_POINTS] == points[block, kernel.LENGTH]
    begins, place = _flat(corners, kernel.POINT_ELEMENT)
    point = search.i[place + kernel.ITEM]
    kept = values[point, kernel.UPPER] < values[point, kernel.BASE]
    values[point[~kept], kernel.LISTED] = np.inf
    _keep(search, corners, begins, place, kept, kernel.POINT_ELEMENT)
    # POINT_LIST held each point at least once, so its capacity suffices.
    points[:, kernel.LENGTH] = corners[:, kernel.LENGTH]
    _, place = _flat(corners, kernel.POINT_ELEMENT)
    elements = search.i[_rows(place, kernel.POINT_ELEMENT)]
    search.i[_rows(_flat(points, kernel.POINT_ELEMENT)[1], kernel.POINT_ELEMENT)] = elements
    lengths = corners[:, kernel.LENGTH]
    number = ragged(np.zeros_like(lengths), lengths)[1]
    nodes[elements[:, kernel.ITEM], kernel.SET_INDEX] = number
    nodes[:, kernel.CHECKED_POINTS] = np.where(all_checked, points[block, kernel.LENGTH], 0)
    nodes[:, kernel.LP_POINTS] = 0
    return int(kept.sum())


def _flat(lists: IntArray, element: int) -> tuple[IntArray, IntArray]:
    """Where each list begins when all are concatenated, and the indices of all elements."""
    lengths = lists[:, kernel.LENGTH]
    row, number = ragged(np.zeros_like(lengths), lengths)
    begins = np.concatenate([[0], np.cumsum(lengths)])
    return begins, lists[row, kernel.FIRST] + element * number


def _rows(place: IntArray, element: int) -> IntArray:
    """Indices of all fields of list elements, shape (elements, fields)."""
    return place[:, None] + np.arange(element)


def _keep(
    search: Search,
    lists: IntArray,
    begins: IntArray,
    place: IntArray,
    kept: IntArray,
    element: int,
) -> None:
    """Move the kept elements of every list to its front."""
    elements = search.i[_rows(place[kept], element)]
    before = np.concatenate([[0], np.cumsum(kept)])
    lists[:, kernel.LENGTH] = np.diff(before[begins])
    search.i[_rows(_flat(lists, element)[1], element)] = elements
