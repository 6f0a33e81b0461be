"""Evaluation of the controller by a linear system."""

from __future__ import annotations

import pytest

from models import random_model
from pomdptool.kernels.sarsop import layout
from pomdptool.solving.graph_evaluation import evaluate
from pomdptool.solving.sarsop.lower_evaluation import evaluate_controller
from sarsop_searches import stopped


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_evaluated_controllers_attain_their_vectors(seed: int) -> None:
    model = random_model(seed, n_states=4, n_actions=3, n_observations=2, discount=0.999)
    run = stopped(model, 40)
    before = run.bounds.lower
    since = run.count(layout.N_RISES)
    assert evaluate_controller(run.blocks, run.search, 0) >= 4
    run.monitor.interrupted = None
    run.propagate(since)
    policy = run.solution("interrupted").policy
    assert policy.graph is not None
    value = evaluate(model, policy.graph)[0] @ model.start
    assert before < run.bounds.lower <= value + 1e-9
    assert run.bounds.lower == pytest.approx(value, rel=1e-6)
