"""Pruning of vectors and points."""

from __future__ import annotations

from models import random_model
from pomdptool.kernels.sarsop import layout, lower_bound
from pomdptool.solving.sarsop import list_pruning
from sarsop_searches import points_of, searched


def test_points_store_their_index() -> None:
    run = searched(random_model(3, n_states=4, n_actions=3, n_observations=3), 200)
    for _ in range(2):
        for block in range(run.blocks.n_blocks):
            nodes_there = points_of(run.search, block)
            assert nodes_there
            assert run.search.nodes[nodes_there, layout.SET_INDEX].tolist() == list(
                range(len(nodes_there))
            )
        list_pruning.prune_points(run.search)


def test_pruning_keeps_the_bounds_of_nodes() -> None:
    run = searched(random_model(4, n_states=4, n_actions=3, n_observations=3), 80)
    search = run.search
    before = search.bounds[: search.i[layout.N_NODES]].copy()
    A = run.model.n_actions
    lengths = search.lists[:, layout.LENGTH].copy()
    list_pruning.prune_vectors(search, run.blocks.n_blocks * A)
    list_pruning.prune_points(search)
    assert search.lists[:, layout.LENGTH].sum() < lengths.sum()
    for n in range(search.i[layout.N_NODES]):
        block = search.nodes[n, layout.BLOCK]
        lists = search.lists[layout.LISTS * block :, layout.LENGTH]
        assert search.nodes[n, layout.CHECKED_VECTORS] <= lists[layout.VECTOR_LIST]
        assert search.nodes[n, layout.CHECKED_POINTS] <= lists[layout.POINT_LIST]
        if search.nodes[n, layout.EXPANSION] != layout.NONE:
            search.nodes[n, layout.CHECKED_VECTORS] = 0
            lower = lower_bound.update_lower(run.tables, search, n)
            assert lower >= before[n, layout.LOWER] - 1e-12
