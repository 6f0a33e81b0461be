"""Tag."""

import itertools

import numpy as np
import pytest

from family_models import (
    after,
    observations_in,
    problem,
    published,
    reward,
    same_model,
)
from pomdptool.families.grid import read_grid
from pomdptool.families.tag import ARENA, tag
from pomdptool.model import Model


def test_tag_is_its_problem_file() -> None:
    model = tag()
    assert (model.n_states, model.n_actions, model.n_observations) == (870, 5, 30)
    same_model(model, problem("tag"))
    assert model.states == problem("tag").states


def tag_as_published(model: Model) -> tuple[list[int], list[int], list[int]]:
    """Order our states, actions and observations as the published file does: cells from the south.

    Its actions are north, south, east, west, catch.
    """
    grid = read_grid(ARENA, known=".")
    cells = np.lexsort((grid.x, grid.y)).tolist()
    states = [30 * r + t for r, t in itertools.product(cells, [*cells, 29])]
    return states, [0, 2, 1, 3, 4], [*cells, 29]


def test_tag_is_the_published_one_but_for_its_known_slips() -> None:
    theirs, model = published("tag"), tag()
    s, a, o = tag_as_published(model)
    T, Z = model.T[np.ix_(a, s, s)], model.Z[np.ix_(a, s, o)]
    wrong = np.unique(np.argwhere(np.abs(T - theirs.T) > 2e-6)[:, 1])
    assert [divmod(int(i), 30) for i in wrong] == [(19, 19), (25, 23), (27, 24), (27, 27)]
    reached = T.sum(axis=1) > 0
    np.testing.assert_allclose(Z[reached], theirs.Z[reached])
    r = model.expected_rewards[np.ix_(a, s)]
    after_tag = np.arange(870) % 30 == 29
    np.testing.assert_array_equal(r[:, ~after_tag], theirs.expected_rewards[:, ~after_tag])
    np.testing.assert_array_equal(r[:, after_tag], 0.0)
    np.testing.assert_allclose(model.start[s], theirs.start, atol=1e-8)


def test_tag_steps() -> None:
    model = tag("...\n...\n...\n")  # cells 0 1 2 / 3 4 5 / 6 7 8
    assert model.states[model.terminal_states[4]] == "r4-tagged"
    assert after(model, "r0-t0", "catch") == {"r0-tagged": 1.0}
    assert after(model, "r0-t1", "catch") == {"r0-t1": 1.0}
    assert reward(model, "r0-t0", "catch") == 10.0
    assert reward(model, "r0-t1", "catch") == -10.0
    assert reward(model, "r0-t1", "east") == -1.0
    flights = {
        "r0-t4": {"r3-t4": 0.2, "r3-t7": 0.4, "r3-t5": 0.4},
        "r4-t4": {"r7-t4": 0.2, "r7-t1": 0.2, "r7-t5": 0.2, "r7-t7": 0.2, "r7-t3": 0.2},
        "r1-t4": {"r4-t4": 0.2, "r4-t7": 0.4, "r4-t3": 0.2, "r4-t5": 0.2},
        "r0-t8": {"r3-t8": 1.0},
        "r8-t4": {"r8-t4": 0.2, "r8-t1": 0.4, "r8-t3": 0.4},
    }
    for state, expected in flights.items():
        assert after(model, state, "south") == pytest.approx(expected)
    assert observations_in(model, "r4-t4", "north") == {"found": 1.0}
    assert observations_in(model, "r4-t5", "north") == {"r4": 1.0}
    assert observations_in(model, "r4-tagged", "catch") == {"r4": 1.0}


def test_tag_target_may_rest() -> None:
    assert after(tag("...", rest=1.0), "r0-t1", "east") == {"r1-t1": 1.0}
