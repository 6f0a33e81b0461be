"""Rock sample."""

import math

import numpy as np
import pytest

from family_models import (
    after,
    index,
    observations_in,
    problem,
    published,
    reward,
    same_model,
)
from pomdptool.families.rocksample import rocksample
from pomdptool.model import Model

ROCKS = {
    "RockSample_4_4": (4, [(3, 1), (2, 1), (1, 3), (1, 0)], math.log(2)),
    "RockSample_5_5": (5, [(2, 4), (0, 4), (3, 3), (2, 2), (4, 1)], 4.0),
    "RockSample_7_8": (
        7,
        [(2, 0), (0, 1), (3, 1), (6, 3), (2, 4), (3, 4), (5, 5), (1, 6)],
        20.0,
    ),
}


def rocks_like(name: str) -> Model:
    size, positions, half_efficiency = ROCKS[name]
    return rocksample(size, len(positions), positions=positions, half_efficiency=half_efficiency)


@pytest.mark.parametrize("name", ["RockSample_4_4", "RockSample_5_5", "RockSample_7_8"])
def test_rocksample_is_the_published_one(name: str) -> None:
    same_model(rocks_like(name), published(name), atol=1e-6)


def test_rocksample_is_its_problem_file() -> None:
    ours, file = rocks_like("RockSample_4_4"), problem("rocksample-4-4")
    same_model(ours, file)
    assert (ours.states, ours.actions, ours.observations) == (
        file.states,
        file.actions,
        file.observations,
    )


def test_rocksample_sensor() -> None:
    model = rocksample(7, 2, positions=[(0, 0), (3, 4)], half_efficiency=5.0)
    assert observations_in(model, "x3y4-gb", "check-1")["good"] == 0.75  # at d0 = 5
    assert observations_in(model, "x3y4-bb", "check-1")["good"] == 0.25
    assert observations_in(model, "x3y4-gb", "check-2") == {"bad": 1.0}
    assert observations_in(model, "x3y4-bg", "check-2") == {"good": 1.0}
    assert observations_in(model, "x0y6-gb", "check-1")["good"] == pytest.approx(
        0.5 + 0.5 * 2 ** (-6 / 5)
    )
    for action in ["north", "east", "south", "west", "sample"]:
        assert observations_in(model, "x3y4-bb", action) == {"good": 1.0}
    assert observations_in(model, "exit", "check-1") == {"good": 1.0}


def test_rocksample_steps() -> None:
    model = rocksample(3, 2, positions=[(0, 1), (2, 2)])
    assert (model.n_states, model.n_actions) == (9 * 4 + 1, 7)
    assert [model.states[s] for s in model.terminal_states] == ["exit"]
    assert np.flatnonzero(model.start).tolist() == [
        index(model, s) for s in ("x0y1-bb", "x0y1-bg", "x0y1-gb", "x0y1-gg")
    ]
    steps = [
        ("x0y1-gb", "north", "x0y2-gb", 0.0),
        ("x0y1-gb", "south", "x0y0-gb", 0.0),
        ("x0y1-gb", "east", "x1y1-gb", 0.0),
        ("x0y1-gb", "west", "exit", -100.0),
        ("x1y2-gb", "north", "exit", -100.0),
        ("x1y0-gb", "south", "exit", -100.0),
        ("x2y1-gb", "east", "exit", 10.0),
        ("x0y1-gb", "sample", "x0y1-bb", 10.0),
        ("x0y1-bb", "sample", "x0y1-bb", -10.0),
        ("x2y2-gg", "sample", "x2y2-gb", 10.0),
        ("x1y1-gg", "sample", "exit", -100.0),
        ("x1y1-gg", "check-2", "x1y1-gg", 0.0),
        ("exit", "sample", "exit", 0.0),
    ]
    for state, action, to, paid in steps:
        assert after(model, state, action) == {to: 1.0}
        assert reward(model, state, action) == paid


def test_rocksample_start_may_be_chosen() -> None:
    model = rocksample(3, 1, positions=[(0, 0)], start=(2, 1))
    assert [model.states[s] for s in np.flatnonzero(model.start)] == ["x2y1-b", "x2y1-g"]


def test_rocksample_draws_rocks_by_seed() -> None:
    def made(seed: int) -> Model:
        return rocksample(5, 3, rng=np.random.default_rng(seed))

    assert made(1).equals(made(1))
    assert any(not made(1).equals(made(seed)) for seed in (2, 3, 4))


def test_rocksample_of_many_states_is_sparse() -> None:
    model = rocksample(11, 9, rng=np.random.default_rng(0))
    assert model.n_states == 121 * 2**9 + 1
    assert model.sparse_T.nonzeros == model.n_actions * model.n_states
