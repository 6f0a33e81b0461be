"""Children of expanded nodes against the belief filter."""

from __future__ import annotations

import pytest
from numpy.testing import assert_allclose

import naive_planning as naive
from pomdptool.kernels.sarsop import layout
from pomdptool.model import Model
from sarsop_searches import belief_of, models, searched


@pytest.mark.parametrize("model", models()[:-2], ids=lambda m: m.name)
def test_children_agree_with_the_filter(model: Model) -> None:
    run = searched(model, 12)
    search, A = run.search, model.n_actions
    checked = 0
    for n in range(search.i[layout.N_NODES]):
        x = search.nodes[n, layout.EXPANSION]
        for a in range(A if x >= 0 else 0):
            children, chances = search.actions[x].reshape(A, -1)[a].tolist()
            if children < 0:
                continue
            block = search.nodes[n, layout.BLOCK]
            edges = run.blocks.arrays.edge_first[block * A + a : block * A + a + 2]
            observations = run.blocks.observation_of_edge[edges[0] : edges[1]].tolist()
            for o in range(model.n_observations):
                after, p = naive.update(model, belief_of(run, n), a, o)
                if o not in observations:
                    assert p == 0.0
                    continue
                e = observations.index(o)
                assert_allclose(search.f[chances + e], p, atol=1e-13)
                if search.i[children + e] != layout.NONE:
                    assert_allclose(belief_of(run, search.i[children + e]), after, atol=1e-9)
                checked += 1
    assert checked or run.bounds.closed(1e-9)
