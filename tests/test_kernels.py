"""Kernels give the same numbers interpreted and compiled, and change over when it pays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from models import random_model, tiger

import pomdptool
from pomdptool.formats.policies import encode_policy
from pomdptool.kernels import jit
from pomdptool.model import Model


@pytest.fixture
def way() -> Iterator[jit._Way]:
    """How kernels run, given back as it was."""
    before = dict(vars(jit._way))
    yield jit._way
    vars(jit._way).update(before)


def solved(model: Model, way: jit._Way, *, compiled: bool) -> str:
    way.compiled, way.interpreted_seconds = compiled, -1e9
    solution = pomdptool.solve(model, "exact", full_simplex=True)
    assert way.compiled == compiled
    policy = replace(solution.policy, trace=())
    policy.stats["seconds"] = 0.0
    return encode_policy(policy, "json")


@pytest.mark.parametrize("model", [tiger(), random_model(3), random_model(4, n_states=4)])
def test_both_ways_give_the_same_bytes(model: Model, way: jit._Way) -> None:
    assert solved(model, way, compiled=False) == solved(model, way, compiled=True)


def test_patience_ends(way: jit._Way, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jit, "PATIENCE", 0.0)
    way.compiled, way.interpreted_seconds = False, 0.0
    pomdptool.solve(tiger(), "exact")
    assert way.compiled


def test_much_work_is_compiled_at_once(way: jit._Way) -> None:
    way.compiled = False
    jit.expect(jit.LITTLE)
    assert not way.compiled
    assert jit.budget(10 * jit.SLOWER) == 10
    assert jit.budget(1) == 1
    jit.expect(jit.LITTLE + 1)
    assert way.compiled
    assert jit.budget(10 * jit.SLOWER) == 10 * jit.SLOWER


def test_the_first_compilation_is_announced_once(
    way: jit._Way, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    def double(x):  # type: ignore[no-untyped-def]
        return 2 * x

    said: list[str] = []
    way.compiled = True
    jit.announce(lambda: said.append("compiling"))
    first, second = jit.Kernel(double, False, {}), jit.Kernel(double, False, {})
    assert first(1) == 2
    assert first(2) == 4
    assert said == ["compiling"]
    assert second(2) == 4
    assert said == ["compiling"]
