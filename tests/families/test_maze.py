"""Mazes of both kinds."""

import numpy as np
import pytest

from family_models import (
    PROBLEMS,
    RUSSELL,
    after,
    observations_in,
    problem,
    published,
    reward,
    same_model,
)
from pomdptool.families.maze import maze


def drawing(name: str) -> str:
    return (PROBLEMS / f"{name}.map").read_text()


@pytest.mark.parametrize(
    ("name", "atol"), [("hallway", 2e-5), ("hallway2", 6e-5), ("tiger-grid", 1e-5)]
)
def test_hallway_maze_is_the_published_one(name: str, atol: float) -> None:
    ours, theirs = maze(drawing(name), kind="hallway"), published(name)
    np.testing.assert_allclose(ours.T, theirs.T, rtol=0, atol=atol)
    np.testing.assert_allclose(ours.Z, theirs.Z, rtol=0, atol=2e-5)
    np.testing.assert_allclose(ours.start, theirs.start, rtol=0, atol=atol)
    np.testing.assert_allclose(ours.expected_rewards, theirs.expected_rewards, atol=1e-9)


def test_hallway_maze_is_its_problem_file() -> None:
    ours, file = maze(drawing("hallway"), kind="hallway"), problem("hallway")
    same_model(ours, file)
    assert (ours.states, ours.observations) == (file.states, file.observations)


def test_hallway_steps() -> None:
    model = maze("#####\n#.>.#\n##e##\n#-G.#\n#####\n", kind="hallway", step=-0.5)
    assert [model.states[s] for s in np.flatnonzero(model.start)] == ["x2y3-east"]
    assert after(model, "x2y3-east", "forward") == pytest.approx(
        {
            "x3y3-east": 0.8,
            "x2y2-south": 0.05,
            "x1y3-east": 0.025,
            "x1y3-west": 0.025,
            "x2y3-east": 0.1,
        }
    )
    assert after(model, "x1y3-south", "turn-around") == pytest.approx(
        {"x1y3-south": 0.1, "x1y3-west": 0.15, "x1y3-north": 0.6, "x1y3-east": 0.15}
    )
    assert after(model, "x2y1-west", "stay") == {"x2y3-east": 1.0}
    assert observations_in(model, "x2y2-east", "forward") == {"landmark-1": 1.0}
    assert observations_in(model, "x2y1-north", "stay") == {"goal": 1.0}
    corner = observations_in(model, "x1y3-south", "forward")  # walls ahead, to the right and behind
    assert corner["wall-ahead-right-back"] == pytest.approx(0.9**3 * 0.95)
    assert corner["no-wall"] == pytest.approx(0.1**3 * 0.95)
    assert corner["wall-ahead-right-back-left"] == pytest.approx(0.9**3 * 0.05)
    assert reward(model, "x2y2-south", "forward") == pytest.approx(0.8 * 1.0 + 0.2 * -0.5)
    assert reward(model, "x1y1-north", "stay") == -1.0


def test_russell_maze_is_the_published_one_but_for_one_slip() -> None:
    ours, theirs = maze(RUSSELL), published("4x3.95")
    a = [0, 2, 1, 3]  # the file goes north, south, east, west
    wrong = np.argwhere(np.abs(ours.T[a] - theirs.T) > 2e-6)
    # Going east from x2y0, no slip leads back to x1y0.
    assert wrong.tolist() == [[2, 9, 8], [2, 9, 9]]
    np.testing.assert_array_equal(ours.Z[a], theirs.Z)
    np.testing.assert_allclose(ours.expected_rewards[a], theirs.expected_rewards)
    np.testing.assert_allclose(ours.start, theirs.start, atol=1e-6)


def test_russell_maze_is_its_problem_file() -> None:
    ours, file = maze(drawing("maze-4x3")), problem("maze-4x3")
    a = [0, 2, 1, 3]
    np.testing.assert_allclose(ours.T[a], file.T, atol=1e-15)
    np.testing.assert_array_equal(ours.Z[a], file.Z)
    np.testing.assert_array_equal(ours.expected_rewards[a], file.expected_rewards)
    np.testing.assert_allclose(ours.start, file.start, atol=1e-15)


def test_russell_maze_steps() -> None:
    model = maze("S.G\n#.-\n", slip=0.2, goal=5.0, pit=-7.0, step=-1.0)
    assert after(model, "x1y1", "east") == pytest.approx({"x2y1": 0.6, "x1y1": 0.2, "x1y0": 0.2})
    assert after(model, "x0y1", "north") == pytest.approx({"x0y1": 0.8, "x1y1": 0.2})
    assert after(model, "x2y1", "north") == {"x0y1": 1.0}
    assert after(model, "x2y0", "west") == {"x0y1": 1.0}
    views = {"x0y1": "left", "x1y1": "neither", "x1y0": "left", "x2y1": "good", "x2y0": "bad"}
    assert all(observations_in(model, cell, "west") == {view: 1.0} for cell, view in views.items())
    assert [reward(model, cell, "east") for cell in ("x0y1", "x2y1", "x2y0")] == [-1.0, 5.0, -7.0]
