from __future__ import annotations

import numpy as np
import pytest

import pomdptool
from exact_cases import old_vectors
from models import random_model
from pomdptool.errors import PomdpError
from pomdptool.solving.exact import enumeration
from pomdptool.solving.exact.algorithms import BACKUPS
from pomdptool.solving.exact.projections import stack_branches
from pomdptool.solving.solution import Monitor


def test_vector_limit_suggests_other_algorithms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enumeration, "MAX_VECTORS", 20)
    with pytest.raises(PomdpError, match="use --algorithm incremental, witness or linear-support"):
        pomdptool.solve(random_model(1, n_observations=4), horizon=5, algorithm="enumerate")


def test_huge_numbers_of_sums_fail_immediately() -> None:
    sets = [np.arange(20.0).reshape(10, 2)] * 40
    branches = stack_branches(np.zeros((1, 2)), sets, [0] * 40)
    with pytest.raises(PomdpError, match=r"list 1e\+40 vectors"):
        BACKUPS["enumerate"](branches, old_vectors(0, 2), keep_old=False, monitor=Monitor())
