"""Policy evaluation: graph value and Bellman residual."""

from __future__ import annotations

import numpy as np
import pytest

import pomdptool
from models import tiger
from pomdptool.analysis.evaluate import bellman_residual, evaluate


def test_graph_value_is_exact() -> None:
    model = tiger()
    policy = pomdptool.solve(model, precision=1e-4).policy
    result = evaluate(model, policy, rng=np.random.default_rng(1), beliefs=50)
    assert result.graph_value == pytest.approx(19.371, abs=2e-3)
    assert result.residual_min is not None
    assert result.residual_min > -1e-6
    far = pomdptool.solve(model, "blind").policy
    assert bellman_residual(model, far, np.array([0.95, 0.05])) > 0.1
