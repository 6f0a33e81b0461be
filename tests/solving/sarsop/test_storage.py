"""Enlarging the arrays of a search."""

from __future__ import annotations

import numpy as np
import pytest

from models import random_model
from pomdptool.kernels.sarsop import layout
from pomdptool.solving.sarsop import storage
from pomdptool.solving.sarsop.block_model import BlockModel
from sarsop_searches import searched


def test_enlarging_arrays_does_not_change_results(monkeypatch: pytest.MonkeyPatch) -> None:
    model = random_model(6, n_states=4, n_actions=3, n_observations=3)
    ample = searched(model, 50)
    enlarge, initial_search, enlarged = storage.enlarge, storage.initial_search, [0]

    def counted(blocks: BlockModel, tables: layout.Tables, search: layout.Search) -> layout.Search:
        enlarged[0] += 1
        return enlarge(blocks, tables, search)

    def tight(
        blocks: BlockModel, tables: layout.Tables, blind: np.ndarray, drift: float
    ) -> layout.Search:
        search = initial_search(blocks, tables, blind, drift)
        capacity, reserve = storage.capacity_of(search), storage.backup_reserve(blocks)
        rows = {"nodes": 4 + reserve.nodes, "expanded": 3, "vectors": len(search.vectors) + 2}
        return storage.resize(blocks, tables, search, capacity._replace(**rows))

    monkeypatch.setattr(storage, "enlarge", counted)
    monkeypatch.setattr(storage, "initial_search", tight)
    small = searched(model, 50)
    assert enlarged[0] > 1
    assert small.search.i[layout.N_NODES] > 4
    assert small.bounds.lower == pytest.approx(ample.bounds.lower, rel=1e-2)
