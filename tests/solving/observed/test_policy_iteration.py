"""Policy evaluation by sweeps, LU and GMRES."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import mdps
import pomdptool
from pomdptool.model import Model
from pomdptool.solving.observed import policy_iteration
from revealed_states import vectors_of


@pytest.mark.parametrize("discount", [0.9, 0.9999])
@pytest.mark.parametrize("make", [mdps.random_mdp, lambda seed: mdps.corridor(40)])
def test_sweeps_and_lu_agree(
    make: Callable[[int], Model], discount: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = replace(make(1), discount=discount)
    taken: list[bool] = []
    factored = policy_iteration.solve_by_lu

    def noting(*args: Any) -> Any:
        solved = factored(*args)
        taken.append(solved is not None)
        return solved

    monkeypatch.setattr(policy_iteration, "solve_by_lu", noting)
    monkeypatch.setattr(policy_iteration, "SPAN_FACTOR", 0.001)
    values = []
    for patience, work in ((1, 1e9), (1, 0), (10**9, 0)):
        monkeypatch.setattr(policy_iteration, "MAX_SWEEPS", patience)
        monkeypatch.setattr(policy_iteration, "MAX_FACTORING", work)
        taken.clear()
        solution = pomdptool.solve(model, "exact", precision=1e-8)
        assert solution.converged
        assert set(taken) == ({work > 0} if patience == 1 else set())
        values.append(vectors_of(solution))
    assert_allclose(values[1:], [values[0]] * 2, atol=2e-8 * max(1.0, np.abs(values[0]).max()))


def test_a_singular_system_is_left_to_sweeps() -> None:
    from scipy.sparse import csr_matrix

    assert policy_iteration.solve_by_lu(csr_matrix(np.eye(2)), np.ones(2)) is None
    solved = policy_iteration.solve_by_lu(
        csr_matrix([[0.0, 0.5], [0.25, 0.0]]), np.array([1.0, 2.0])
    )
    assert solved is not None
    assert_allclose(solved, np.array([2.0, 2.25]) / 0.875)
