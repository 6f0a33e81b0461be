"""Upkeep of the anytime search: shorter lists to scan."""

from __future__ import annotations

import numpy as np

from pomdptool.kernels.sarsop import layout as kernel
from pomdptool.kernels.sarsop.layout import Search
from pomdptool.sparse import IntArray, ragged


def prune_vectors(search: Search, n_first: int) -> int:
    """Take off the lists what is no expanded node's largest vector, but for the first few.

    Each is listed once, where it was listed last. The vectors stay: others link to them. How many
    are left on the lists.
    """
    nodes = search.nodes
    expanded = nodes[nodes[:, kernel.EXPANSION] != kernel.NONE]
    needed = np.zeros(search.i[kernel.N_VECTORS], dtype=bool)
    needed[:n_first] = True
    needed[expanded[:, kernel.BEST]] = True
    lists = search.lists[kernel.VECTOR_LIST :: kernel.LISTS]
    begins, place = _flat(lists, kernel.VECTOR_ELEMENT)
    vector = search.i[place + kernel.WHICH]
    last = np.empty(len(needed), dtype=np.int64)
    last[vector] = np.arange(len(vector))
    kept = needed[vector] & (last[vector] == np.arange(len(vector)))
    before = np.concatenate([[0], np.cumsum(kept)])
    seen = begins[nodes[:, kernel.BLOCK]] + nodes[:, kernel.SEEN_VECTORS]
    nodes[:, kernel.SEEN_VECTORS] = before[seen] - before[begins[nodes[:, kernel.BLOCK]]]
    _keep(search, lists, begins, place, kept, kernel.VECTOR_ELEMENT)
    return int(kept.sum())


def prune_points(search: Search) -> int:
    """List every point once, and only those below the interpolation; how many are left."""
    nodes = search.nodes
    values = search.bounds
    points = search.lists[kernel.POINT_LIST :: kernel.LISTS]
    corners = search.lists[kernel.POINT_SET :: kernel.LISTS]
    block = nodes[:, kernel.BLOCK]
    seen_all = nodes[:, kernel.SEEN_POINTS] == points[block, kernel.LENGTH]
    begins, place = _flat(corners, kernel.POINT_ELEMENT)
    point = search.i[place + kernel.WHICH]
    kept = values[point, kernel.UPPER] < values[point, kernel.BASE]
    values[point[~kept], kernel.LISTED] = np.inf
    _keep(search, corners, begins, place, kept, kernel.POINT_ELEMENT)
    # The list of points held each of them at least once, so that there is room.
    points[:, kernel.LENGTH] = corners[:, kernel.LENGTH]
    _, place = _flat(corners, kernel.POINT_ELEMENT)
    elements = search.i[_rows(place, kernel.POINT_ELEMENT)]
    search.i[_rows(_flat(points, kernel.POINT_ELEMENT)[1], kernel.POINT_ELEMENT)] = elements
    lengths = corners[:, kernel.LENGTH]
    number = ragged(np.zeros_like(lengths), lengths)[1]
    nodes[elements[:, kernel.WHICH], kernel.PLACE] = number
    nodes[:, kernel.SEEN_POINTS] = np.where(seen_all, points[block, kernel.LENGTH], 0)
    nodes[:, kernel.SEEN_LP] = 0
    return int(kept.sum())


def _flat(lists: IntArray, element: int) -> tuple[IntArray, IntArray]:
    """Where each list begins when all are laid end to end, and the places of all elements."""
    lengths = lists[:, kernel.LENGTH]
    row, number = ragged(np.zeros_like(lengths), lengths)
    begins = np.concatenate([[0], np.cumsum(lengths)])
    return begins, lists[row, kernel.FIRST] + element * number


def _rows(place: IntArray, element: int) -> IntArray:
    """Places of all that elements of lists hold, a row each."""
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
