"""All families: valid models, problem files, invalid parameters."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from family_models import PROBLEMS, RUSSELL, problem, published, same_model, same_rows
from pomdptool.errors import ModelError
from pomdptool.families.heavenhell import heavenhell
from pomdptool.families.maze import maze
from pomdptool.families.rocksample import rocksample
from pomdptool.families.tag import tag
from pomdptool.families.tiger import tiger
from pomdptool.formats.models import load
from pomdptool.model import Model

RESERVED = re.compile(
    "discount|values|states|actions|observations|T|O|R|uniform|identity|reward|cost|start|include"
    "|exclude|reset"
)

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
def test_rows_sum_to_one_and_names_are_valid(make: Callable[[], Model]) -> None:
    model = make()
    for table in (model.sparse_T, model.sparse_Z):
        np.testing.assert_allclose(table.row_sums(), 1.0, rtol=0, atol=1e-14)
    assert all(change.rows == 0 for change in model.renormalised.values())
    for name in (*model.states, *model.actions, *model.observations):
        assert re.fullmatch("[A-Za-z][A-Za-z0-9_-]*", name)
        assert not RESERVED.fullmatch(name)


@pytest.mark.parametrize("path", sorted(PROBLEMS.glob("*.pomdp")), ids=lambda path: path.stem)
def test_problem_files_are_exact_and_cite_their_source(path: Path) -> None:
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
def test_invalid_parameters_are_reported(make: Callable[[], Model], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        make()
