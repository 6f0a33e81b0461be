"""Belief blocks: their entries are the steps of the model."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

import naive_planning as naive
from pomdptool.model import Model
from pomdptool.solving.sarsop.block_model import block_model
from sarsop_searches import models


@pytest.mark.parametrize("model", models(), ids=lambda m: m.name)
def test_block_entries_agree_with_the_model(model: Model) -> None:
    blocks = block_model(model)
    arrays, A = blocks.arrays, model.n_actions
    for i, s in enumerate(blocks.state_of_slot.tolist()):
        block = int(blocks.block_of_slot[i])
        for a in range(A):
            joint = np.zeros((model.n_states, model.n_observations))
            edges = arrays.edge_first[block * A + a]
            row = slice(*arrays.entry_first[i * A + a : i * A + a + 2])
            for e, local, weight in zip(
                arrays.entry_edge[row], arrays.entry_slot[row], arrays.weights[row], strict=True
            ):
                o = blocks.observation_of_edge[edges + e]
                joint[blocks.states(arrays.edge_target[edges + e])[local], o] += weight
            assert_allclose(joint, model.T[a, s][:, None] * model.Z[a], atol=1e-15)
            assert_allclose(
                arrays.rewards[i, a], naive.expected_reward(model, np.eye(model.n_states)[s], a)
            )
