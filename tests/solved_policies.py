"""Solved policies of all kinds, for tests of policy files."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.testing import assert_allclose

import pomdptool
from models import ROOT, random_beliefs, random_model, tiger
from pomdptool.formats.policy.write import encode_policy
from pomdptool.model import Model, make_model
from pomdptool.policy import SolvedPolicy

PROBLEMS = ROOT / "problems"


@functools.cache
def maze() -> Model:
    return pomdptool.load(PROBLEMS / "maze-4x3.pomdp")


def costly() -> Model:
    T, Z = np.full((2, 2, 2), 0.5), np.array([[0.8, 0.2], [0.3, 0.7]])
    return make_model(T, Z, [[-3.0, 0.0], [-2.0, -1.0]], discount=0.9, costs=True)


Make = Callable[[], Model]

KINDS: list[tuple[Make, dict[str, Any]]] = [
    (tiger, {"method": "exact"}),
    (tiger, {"horizon": 3, "all_horizons": True}),
    (
        tiger,
        {"horizon": 3, "terminal": np.array([[1.0, -0.0], [0.0, 1 / 3]]), "all_horizons": True},
    ),
    (tiger, {"method": "fib"}),
    (tiger, {"method": "blind", "horizon": 4}),
    (tiger, {"method": "exact", "discount": 0.5}),
    (maze, {"method": "exact", "precision": 1e-2}),
    (maze, {"horizon": 4}),
    (maze, {"horizon": 3, "all_horizons": True, "full_simplex": True}),
    (maze, {"horizon": 3, "all_horizons": True}),
    (maze, {"horizon": 3, "all_horizons": True, "terminal": np.linspace(-1, 1, 22).reshape(2, 11)}),
    (costly, {"method": "exact"}),
    (costly, {"horizon": 2, "all_horizons": True, "terminal": np.array([[0.0, -5.0]])}),
    (lambda: random_model(3), {"horizon": 2}),
]


@functools.cache
def solved(k: int) -> tuple[Model, SolvedPolicy]:
    make, options = KINDS[k]
    model = make()
    return model, pomdptool.solve(model, **options).policy


def same_values(read: Any, known: Any, n_states: int) -> None:
    for b in random_beliefs(20, n_states):
        assert_allclose(read.value(b), known.value(b), rtol=1e-9, atol=1e-9)
        ours, theirs = read.action(b), known.action(b)
        assert ours == theirs or n_states > 2  # ties may fall otherwise where faces overlap


@functools.cache
def documents() -> list[Any]:
    policies = [solved(k)[1] for k in (2, 9, 12, 3)]
    policies.append(pomdptool.solve(tiger(), "sarsop", precision=0.1).policy)
    return [json.loads(encode_policy(policy, "json")) for policy in policies]
