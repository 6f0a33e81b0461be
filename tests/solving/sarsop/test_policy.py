"""The extracted controller attains its vectors."""

from __future__ import annotations

import pytest

from pomdptool.linked import LinkedVectors
from pomdptool.model import Model
from pomdptool.solving.graph_evaluation import evaluate
from sarsop_searches import models, searched


@pytest.mark.parametrize("model", models(), ids=lambda m: m.name)
def test_vectors_are_attained_by_their_controller(model: Model) -> None:
    run = searched(model, 30)
    solution = run.solution("interrupted")
    values = solution.policy.values
    assert isinstance(values, LinkedVectors)
    earned = evaluate(model, values.graph())
    for k, vector in enumerate(values.values):
        assert (vector <= earned[k, values.states[values.block[k]]] + 1e-9).all()
    assert solution.bounds.lower <= earned[0] @ model.start + 1e-9
