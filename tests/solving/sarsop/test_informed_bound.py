"""Informed bounds against FIB and exact values, and merging of one-step beliefs."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pytest
from numpy.testing import assert_allclose

import pomdptool
from pomdptool.kernels.sarsop import belief_graph, layout
from pomdptool.model import Model, make_model
from pomdptool.solving.bounds import fixed_point
from pomdptool.solving.sarsop import informed_bound, storage
from pomdptool.solving.sarsop.block_model import BlockModel, block_model
from pomdptool.solving.sarsop.informed_bound import InformedBound, compute_informed_bound
from pomdptool.solving.solution import Monitor
from sarsop_searches import models


def parts(model: Model) -> tuple[BlockModel, InformedBound, layout.Tables, layout.Search]:
    blocks = block_model(model)
    blind = fixed_point(model, "blind", precision=1e-6, horizon=None, monitor=Monitor()).Q
    mdp = fixed_point(model, "mdp", precision=1e-6, horizon=None, monitor=Monitor()).Q
    above = compute_informed_bound(blocks, mdp, blind, Monitor())
    tables = storage.pack_model(blocks, above, 1e-12)
    return blocks, above, tables, storage.initial_search(blocks, tables, blind)


@pytest.mark.parametrize("model", models(), ids=lambda m: m.name)
def test_informed_bounds_lie_between_fib_and_the_optimum(model: Model) -> None:
    blocks, above, tables, search = parts(model)
    exact = pomdptool.solve(model, "exact", precision=1e-7)
    qmdp = fixed_point(model, "qmdp", precision=1e-6, horizon=None, monitor=Monitor()).Q
    fib = fixed_point(model, "fib", precision=1e-6, horizon=None, monitor=Monitor()).Q
    root = int(search.nodes[0, layout.BLOCK])
    belief_graph.apply_informed_bound(tables, search, 0)
    informed = search.bounds[0, layout.UPPER]
    assert root == blocks.start_block
    assert exact.bounds.lower - 1e-6 <= informed <= (fib @ model.start).max() + 1e-2
    for slot, s in enumerate(blocks.state_of_slot.tolist()):
        assert exact.policy.value(np.eye(model.n_states)[s]) <= above.corners[slot] + 1e-6
        assert (above.slot_q[slot] <= qmdp[:, s] + 1e-3 * max(1.0, np.abs(qmdp).max())).all()


@pytest.mark.parametrize("same", [1e-12, 10.0])
def test_equal_one_step_beliefs_are_merged(same: float) -> None:
    """And only these, even if all hashes collide because the projections are rounded to 0."""
    T = np.zeros((1, 6, 6))
    T[0, 0, 3:5] = T[0, 1, 3:5] = 0.5
    T[0, 2, 3:5] = 0.4, 0.6
    T[0, 3, 4:] = 0.5
    T[0, 4, 5] = T[0, 5, 5] = 1.0
    model = make_model(T, np.ones((1, 6, 1)), np.zeros((1, 6)), discount=0.9)
    blocks = block_model(model)
    with mock.patch.object(informed_bound, "HASH_RESOLUTION", same):
        row, _, weight, number, B, drift = informed_bound._one_step_beliefs(blocks, Monitor())
    B = B.toarray()
    assert same > 1.0 or len(np.unique(B, axis=0)) == len(B)
    assert drift == 0.0
    for i, k in zip(row.tolist(), number.tolist(), strict=True):
        after = np.zeros(6)
        np.add.at(after, blocks.state_of_slot, B[k])
        assert_allclose(after, T[0, blocks.state_of_slot[i]])
    assert_allclose(weight, 1.0)
