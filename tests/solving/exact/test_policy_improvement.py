from __future__ import annotations

import numpy as np
import pytest

import pomdptool
from models import random_beliefs, random_model
from pomdptool.solving.exact.faces import find_faces
from pomdptool.solving.exact.policy_improvement import evaluate_controller
from pomdptool.solving.exact.value_function import VectorSet, lookahead_value


@pytest.mark.parametrize("seed", range(4))
def test_controller_values_satisfy_their_equation(seed: int) -> None:
    """Values are a fixed point of evaluation and a lower bound of the optimum."""
    model = random_model(seed, n_states=3, discount=0.8)
    faces = find_faces(model)
    optimum = pomdptool.solve(model, "exact", precision=1e-6)
    blind = tuple(
        VectorSet(
            np.full((2, s.size), model.expected_rewards.min() / 0.2),
            np.arange(2),
            random_beliefs(2, s.size, seed),
        )
        for s in faces.faces
    )
    V = evaluate_controller(faces, blind, model.discount).V
    for b in random_beliefs(50, 3, seed):
        assert lookahead_value(faces, V, b) <= optimum.policy.value(b) + 1e-5
    again = evaluate_controller(faces, V, model.discount).V
    assert min(float((y.vectors - x.vectors).max()) for x, y in zip(V, again, strict=True)) >= -1e-9
