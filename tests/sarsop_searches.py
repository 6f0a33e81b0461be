"""Models and stopped SARSOP searches for the tests of the solver and its kernels."""

from __future__ import annotations

import contextlib
import json
from typing import Any
from unittest import mock

import numpy as np
import pytest

from models import random_model, tiger
from pomdptool.formats.policy.write import encode_policy
from pomdptool.kernels.sarsop import layout
from pomdptool.model import Model, make_model
from pomdptool.policy import SolvedPolicy
from pomdptool.solving.sarsop import search, solver
from pomdptool.solving.solution import LimitReached, Monitor


def models() -> list[Model]:
    return [
        tiger(),
        *(random_model(seed, n_states=2 + seed % 4, n_actions=3) for seed in range(6)),
        random_model(7, n_states=5, n_observations=1),
        random_model(8, n_states=3, n_actions=1),
        random_model(9, n_states=3, discount=0.0),
        make_model(np.ones((1, 1, 1)), np.ones((1, 1, 1)), [[2.0]], discount=0.5),
    ]


def corners_of(run: solver.SarsopSearch, block: int) -> np.ndarray:
    """Upper bounds in the states of a block."""
    first = run.blocks.arrays.block_first[block : block + 2]
    begin = run.tables.i[layout.CORNERS]
    return run.tables.f[begin + first[0] : begin + first[1]]


def after_backups(n: int) -> Monitor:
    """Monitor that interrupts a search after a number of checks."""
    asked = [0]

    def interrupted() -> bool:
        asked[0] += 1
        return asked[0] > n

    return Monitor(interrupted=interrupted)


def searched(model: Model, backups: int) -> solver.SarsopSearch:
    """Search stopped after some backups."""
    asked = [0]

    def interrupted() -> bool:
        asked[0] += 1
        return asked[0] > backups

    run = solver.SarsopSearch(model, 1e-9, Monitor(), backups_per_call=1)
    run.initialise()
    run.monitor.interrupted = interrupted
    with contextlib.suppress(LimitReached), mock.patch.object(search, "CHUNK_SECONDS", 0.0):
        run.run_to_convergence()
    return run


def belief_of(run: solver.SarsopSearch, n: int) -> np.ndarray:
    """Belief of a node over all states."""
    block, first = run.search.nodes[n, [layout.BLOCK, layout.BELIEF]].tolist()
    states = run.blocks.states(block)
    b = np.zeros(run.model.n_states)
    b[states] = run.search.f[first : first + len(states)]
    return b


def stopped(model: Model, calls: int) -> solver.SarsopSearch:
    """Stopped search that has not solved any linear system."""
    run = solver.SarsopSearch(model, 1e-9, Monitor())
    run.initialise()
    run.monitor.interrupted = after_backups(calls).interrupted
    run.upper.next = run.lower.next = search.UNLIMITED
    with pytest.raises(LimitReached):
        run.run_to_convergence()
    return run


def elements_of(search: layout.Search, row: int, width: int) -> np.ndarray:
    """Elements of a list, a row each; a view."""
    begin, length = search.lists[row, : layout.CAPACITY].tolist()
    return search.i[begin : begin + length * width].reshape(length, width)


def points_of(search: layout.Search, block: int) -> list[int]:
    """Nodes of a block's set of points."""
    row = layout.LISTS * block + layout.POINT_SET
    points_listed: list[int] = elements_of(search, row, layout.POINT_ELEMENT)[:, 0].tolist()
    return points_listed


def as_listed(run: solver.SarsopSearch) -> None:
    """Reset points to their listed upper bounds, as scans may miss later improvements."""
    for block in range(run.blocks.n_blocks):
        row = layout.LISTS * block + layout.POINT_SET
        elements = elements_of(run.search, row, layout.POINT_ELEMENT)
        node = elements[:, layout.ITEM]
        drop = np.ascontiguousarray(elements[:, layout.POINT_DROP]).view(np.float64)
        run.search.bounds[node, layout.UPPER] = run.search.bounds[node, layout.BASE] - drop


def written(policy: SolvedPolicy) -> dict[str, Any]:
    """Policy document without times."""
    content: dict[str, Any] = json.loads(encode_policy(policy, "json", None))
    del content["stats"]["seconds"]
    content.pop("trace", None)
    return content
