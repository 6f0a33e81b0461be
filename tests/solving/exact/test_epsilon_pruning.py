from __future__ import annotations

from dataclasses import replace

import pytest

from exact_cases import check_backup, make_branches, old_vectors
from pomdptool.kernels import jit
from pomdptool.solving.exact import epsilon_pruning
from pomdptool.solving.exact.epsilon_pruning import (
    TooManyVectorsError,
    backup_by_epsilon_pruning,
)
from pomdptool.solving.solution import Monitor


@pytest.mark.parametrize("keep_old", [False, True])
@pytest.mark.parametrize("kind", ["dense", "whole", "sparse", "equal"])
@pytest.mark.parametrize("d", [2, 3, 5, 9])
@pytest.mark.parametrize("tolerance", [1e-9, 1e-2, 0.5])
def test_backup_is_within_the_tolerance(
    tolerance: float, d: int, kind: str, keep_old: bool
) -> None:
    for seed in range(3):
        branches, old = make_branches(10 * d + seed, d, kind), old_vectors(seed, d)
        step = backup_by_epsilon_pruning(
            branches, old, tolerance=tolerance, keep_old=keep_old, monitor=Monitor()
        )
        check_backup(step, branches, old, keep_old=keep_old, within=tolerance)


def test_coarse_tolerance_keeps_few_vectors() -> None:
    branches, old = make_branches(7, 6, "dense"), old_vectors(7, 6)
    sizes = []
    for tolerance in (1e-9, 0.1, 1.0, 100.0):
        step = backup_by_epsilon_pruning(
            branches, old, tolerance=tolerance, keep_old=False, monitor=Monitor()
        )
        sizes.append(len(step.new.vectors))
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > sizes[1] > sizes[2] > sizes[3] == 1


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e9])
def test_tolerance_is_in_units_of_value(scale: float) -> None:
    branches, old = make_branches(3, 5, "dense"), old_vectors(3, 5)
    large = branches._replace(rewards=scale * branches.rewards, vectors=scale * branches.vectors)
    before = replace(old, vectors=scale * old.vectors)
    step = backup_by_epsilon_pruning(branches, old, tolerance=0.1, keep_old=True, monitor=Monitor())
    same = backup_by_epsilon_pruning(
        large, before, tolerance=0.1 * scale, keep_old=True, monitor=Monitor()
    )
    assert len(same.new.vectors) == pytest.approx(len(step.new.vectors), abs=2)
    assert same.loss <= 0.1 * scale
    assert same.residual == pytest.approx(scale * step.residual, rel=0.2)


def test_compiled_and_interpreted_results_agree() -> None:
    branches, old = make_branches(5, 3, "dense"), old_vectors(5, 3)
    before = dict(vars(jit.runtime))
    results = []
    try:
        for compiled in (False, True):
            jit.runtime.compiled = compiled
            jit.runtime.interpreted_seconds = -1e9
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(
                    "pomdptool.solving.exact.epsilon_pruning.request_compilation",
                    lambda multiplications: None,
                )
                results.append(
                    backup_by_epsilon_pruning(
                        branches, old, tolerance=0.1, keep_old=True, monitor=Monitor()
                    )
                )
            assert jit.runtime.compiled == compiled
    finally:
        vars(jit.runtime).update(before)
    assert results[0].new.vectors.tolist() == results[1].new.vectors.tolist()
    assert (results[0].loss, results[0].residual) == (results[1].loss, results[1].residual)


def test_losses_of_cross_sums_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most of the tolerance is used before the last set."""
    monkeypatch.setattr(epsilon_pruning, "REDUCTIONS", 0.5)
    monkeypatch.setattr(epsilon_pruning, "JOINS", 0.49)
    for seed in range(20):
        branches, old = make_branches(seed, 3, "dense"), old_vectors(seed, 3)
        step = backup_by_epsilon_pruning(
            branches, old, tolerance=2.0, keep_old=False, monitor=Monitor()
        )
        check_backup(step, branches, old, keep_old=False, within=2.0)


def test_vector_limit_raises() -> None:
    branches, old = make_branches(7, 6, "dense"), old_vectors(7, 6)
    with pytest.raises(TooManyVectorsError):
        backup_by_epsilon_pruning(
            branches, old, tolerance=1e-9, keep_old=False, monitor=Monitor(), max_vectors=5
        )
