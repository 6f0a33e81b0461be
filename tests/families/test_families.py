"""The families: sizes and steps known from their papers, and equality with published files."""

import itertools
import math
import re
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pomdptool.errors import ModelError, PomdpWarning
from pomdptool.families.grid import read_grid
from pomdptool.families.heavenhell import heavenhell
from pomdptool.families.maze import maze
from pomdptool.families.rocksample import rocksample
from pomdptool.families.tag import ARENA, tag
from pomdptool.families.tiger import tiger
from pomdptool.formats.models import load
from pomdptool.model import Model
from pomdptool.sparse import SparseRows

PROBLEMS = Path(__file__).parents[2] / "problems"
SHARED = Path(__file__).parents[3] / "shared" / "problems"
RUSSELL = "...+\n.#.-\n....\n"
RESERVED = re.compile(
    "discount|values|states|actions|observations|T|O|R|uniform|identity|reward|cost|start|include"
    "|exclude|reset"
)
ROCKS = {
    "RockSample_4_4": (4, [(3, 1), (2, 1), (1, 3), (1, 0)], math.log(2)),
    "RockSample_5_5": (5, [(2, 4), (0, 4), (3, 3), (2, 2), (4, 1)], 4.0),
    "RockSample_7_8": (
        7,
        [(2, 0), (0, 1), (3, 1), (6, 3), (2, 4), (3, 4), (5, 5), (1, 6)],
        20.0,
    ),
}


def published(name: str) -> Model:
    """Read a published file, or skip the test where there is none."""
    path = SHARED / f"{name}.POMDP"
    if not path.exists():
        pytest.skip(f"{path.name} is not here")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PomdpWarning)
        return load(path)


def problem(name: str) -> Model:
    return load(PROBLEMS / f"{name}.pomdp")


def drawing(name: str) -> str:
    return (PROBLEMS / f"{name}.map").read_text()


def rocks_like(name: str) -> Model:
    size, positions, half_efficiency = ROCKS[name]
    return rocksample(size, len(positions), positions=positions, half_efficiency=half_efficiency)


def same_rows(ours: SparseRows, theirs: SparseRows, atol: float) -> None:
    assert np.array_equal(ours.indptr, theirs.indptr)
    assert np.array_equal(ours.indices, theirs.indices)
    np.testing.assert_allclose(ours.data, theirs.data, rtol=0, atol=atol)


def same_model(ours: Model, theirs: Model, atol: float = 1e-12) -> None:
    """Compare two models whose states, actions and observations come in the same order."""
    assert ours.discount == theirs.discount
    same_rows(ours.sparse_T, theirs.sparse_T, atol)
    same_rows(ours.sparse_Z, theirs.sparse_Z, atol)
    np.testing.assert_allclose(ours.start, theirs.start, rtol=0, atol=atol)
    np.testing.assert_allclose(ours.expected_rewards, theirs.expected_rewards, atol=100 * atol)


def index(model: Model, state: str) -> int:
    return model.states.index(state)


def after(model: Model, state: str, action: str) -> dict[str, float]:
    """Next states and their probabilities."""
    row = model.T[model.actions.index(action), index(model, state)]
    return {model.states[i]: float(row[i]) for i in np.flatnonzero(row)}


def observations_in(model: Model, state: str, action: str) -> dict[str, float]:
    """Observations on arrival in a state, and their probabilities."""
    row = model.Z[model.actions.index(action), index(model, state)]
    return {model.observations[i]: float(row[i]) for i in np.flatnonzero(row)}


def reward(model: Model, state: str, action: str) -> float:
    return float(model.expected_rewards[model.actions.index(action), index(model, state)])


EVERY_FAMILY: list[Callable[[], Model]] = [
    tiger,
    lambda: tiger(5, 0.6),
    heavenhell,
    lambda: heavenhell(1),
    tag,
    lambda: tag("..\n.\n", rest=0.5),
    lambda: rocksample(3, 2, rng=np.random.default_rng(5)),
    lambda: rocksample(1, 1, positions=[(0, 0)]),
    lambda: maze(RUSSELL),
    lambda: maze("S.s+\n-#.v", kind="hallway", pit=-2.0, step=-0.1),
]


@pytest.mark.parametrize("make", EVERY_FAMILY)
def test_rows_sum_to_one_and_names_are_names_of_the_format(make: Callable[[], Model]) -> None:
    model = make()
    for table in (model.sparse_T, model.sparse_Z):
        np.testing.assert_allclose(table.row_sums(), 1.0, rtol=0, atol=1e-14)
    assert all(change.rows == 0 for change in model.renormalised.values())
    for name in (*model.states, *model.actions, *model.observations):
        assert re.fullmatch("[A-Za-z][A-Za-z0-9_-]*", name)
        assert not RESERVED.fullmatch(name)


@pytest.mark.parametrize("path", sorted(PROBLEMS.glob("*.pomdp")), ids=lambda path: path.stem)
def test_problems_are_exact_and_say_where_they_come_from(path: Path) -> None:
    model = load(path)
    assert all(change.worst < 1e-9 for change in model.renormalised.values())
    lines = path.read_text().splitlines()
    assert lines[0].startswith("# ")
    assert lines[1].startswith("# Source: ")


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("tiger", "tiger.95"),
        ("tiger-aaai", "tiger.aaai"),
        ("maze-1d", "1d"),
        ("cheese-maze", "cheese.95"),
        ("shuttle", "shuttle.95"),
        ("network", "network"),
        ("parr95", "parr95.95"),
        ("bridge-repair", "bridge-repair"),
    ],
)
def test_problem_is_the_published_one(ours: str, theirs: str) -> None:
    same_model(problem(ours), published(theirs), atol=4e-7)
    assert problem(ours).costs == published(theirs).costs


def test_machine_maintenance_is_the_published_one_but_for_the_start() -> None:
    ours, theirs = problem("machine-maintenance"), published("ejs1")
    same_rows(ours.sparse_T, theirs.sparse_T, 1e-15)
    same_rows(ours.sparse_Z, theirs.sparse_Z, 1e-15)
    np.testing.assert_allclose(ours.expected_rewards, theirs.expected_rewards, atol=1e-12)


def test_taxicab_has_howards_values() -> None:
    model = problem("taxicab")
    V = np.zeros(3)
    for _ in range(400):
        Q = model.expected_rewards + model.discount * model.T @ V
        V = Q.max(axis=0)
    np.testing.assert_allclose(V, [121.65, 135.31, 122.84], atol=0.005)
    assert Q.argmax(axis=0).tolist() == [1, 1, 1]


def test_tiger_of_two_doors_is_the_tiger() -> None:
    same_model(tiger(), problem("tiger"), atol=1e-16)
    assert tiger().states == problem("tiger").states
    assert tiger().actions == problem("tiger").actions


def test_tiger_of_many_doors() -> None:
    model = tiger(4, 0.7, listening=-2.0, treasure=5.0, eaten=-50.0)
    assert (model.n_states, model.n_actions, model.n_observations) == (4, 5, 4)
    assert after(model, "tiger-3", "listen") == {"tiger-3": 1.0}
    assert after(model, "tiger-3", "open-1") == dict.fromkeys(model.states, 0.25)
    assert observations_in(model, "tiger-3", "open-2") == dict.fromkeys(model.observations, 0.25)
    heard = observations_in(model, "tiger-3", "listen")
    assert heard.pop("tiger-3") == 0.7
    assert list(heard.values()) == pytest.approx([0.1] * 3)
    assert reward(model, "tiger-3", "listen") == -2.0
    assert [reward(model, "tiger-3", f"open-{i}") for i in (1, 2, 3, 4)] == [5, 5, -50, 5]


def test_heavenhell_is_its_problem_file() -> None:
    model = heavenhell()
    assert (model.n_states, model.n_actions, model.n_observations) == (20, 4, 11)
    assert model.equals(problem("heaven-hell"))


def test_heavenhell_steps() -> None:
    model = heavenhell(3)
    assert (model.n_states, model.n_observations) == (28, 15)
    here = "heaven-west_stem-0"
    for action in ["south", "east", "east", "east"]:
        ((here, _),) = after(model, here, action).items()
    assert here == "heaven-west_path-3"
    assert observations_in(model, here, "east") == {"priest-west": 1.0}
    for action in ["west"] * 3 + ["north"] * 4 + ["west"] * 3:
        assert reward(model, here, action) == 0.0
        ((here, _),) = after(model, here, action).items()
    assert here == "heaven-west_west-3"
    assert observations_in(model, here, "west") == {"west-3": 1.0}
    assert reward(model, here, "west") == 1.0
    assert reward(model, "heaven-west_east-3", "north") == -1.0
    assert after(model, here, "north") == {"heaven-west_stem-0": 0.5, "heaven-east_stem-0": 0.5}
    assert after(model, "heaven-east_stem-1", "west") == {"heaven-east_stem-1": 1.0}


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


def test_map_comments_and_ragged_lines() -> None:
    plain, drawn = maze("..G\n.\n"), maze("; a title\n#####\n#..G#\n#.\n")
    assert plain.states == ("x0y1", "x1y1", "x2y1", "x0y0")
    assert np.array_equal(plain.T, drawn.T)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: tiger(1), "at least two doors, not 1"),
        (lambda: tiger(3, 1.5), "accuracy must lie between 0 and 1"),
        (lambda: tiger(400), "over the limit"),
        (lambda: heavenhell(0), "at least one cell, not 0"),
        (lambda: heavenhell(10**6), "over the limit"),
        (lambda: rocksample(0, 1, positions=[]), "at least 1 cell and 1 rock"),
        (lambda: rocksample(3, 0, positions=[]), "at least 1 cell and 1 rock"),
        (lambda: rocksample(2, 5, rng=np.random.default_rng(0)), "5 rocks do not fit on 2 x 2"),
        (lambda: rocksample(12, 14, rng=np.random.default_rng(0)), "over the limit"),
        (lambda: rocksample(4, 2), "positions, or a generator"),
        (lambda: rocksample(4, 2, positions=[(0, 0)]), "1 positions for 2 rocks"),
        (lambda: rocksample(4, 2, positions=[(1, 1), (1, 1)]), "two rocks lie in the same cell"),
        (lambda: rocksample(4, 1, positions=[(4, 0)]), r"a rock in \(4, 0\) lies outside"),
        (lambda: rocksample(4, 1, positions=[(0, 0)], start=(0, -1)), "cannot start"),
        (lambda: rocksample(4, 1, positions=[(0, 0)], half_efficiency=0.0), "must be positive"),
        (lambda: tag("..\n.S"), "line 2, column 2: unknown character 'S'"),
        (lambda: tag(rest=-0.1), "probability of resting"),
        (lambda: tag("." * 2000), "over the limit"),
        (lambda: maze("S..G\n.x."), "line 2, column 2: unknown character 'x'"),
        (lambda: maze("^..G"), "line 1, column 1: unknown character '\\^'"),
        (lambda: maze("..."), "no goal"),
        (lambda: maze("G"), "no initial cell"),
        (lambda: maze("##\n; .\n"), "no free cell"),
        (lambda: maze("..G", slip=0.6), "probability of slipping"),
        (lambda: maze("..G", kind="round"), "'russell' or 'hallway'"),  # type: ignore[arg-type]
        (lambda: maze("..G", discount=1.5), "discount"),
    ],
)
def test_bad_parameters_are_said(make: Callable[[], Model], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        make()
