from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import naive_planning as naive
import pomdptool
from models import ROOT, SHARED, random_beliefs, random_model
from pomdptool.commands.main import cli
from pomdptool.model import Model
from pomdptool.solving.exact import run
from pomdptool.solving.exact.backup import FaceBackup
from pomdptool.solving.exact.epsilon_pruning import (
    backup_by_epsilon_pruning,
)
from pomdptool.solving.exact.faces import equivalent_faces, find_faces
from pomdptool.solving.exact.run import ExactRun
from pomdptool.solving.solution import Monitor


@pytest.fixture
def large_face() -> Model:
    """A face of nine states."""
    return random_model(3, n_states=9, n_actions=2, n_observations=2, discount=0.95)


def test_detail_of_faces_and_methods() -> None:
    maze = ROOT / "problems" / "maze-4x3.pomdp"
    sizes = "faces 6: 4 3 1 1 1 1 states; "
    for extra, how in (
        ([], "by vertex enumeration 2, by incremental pruning 0"),
        (["--algorithm", "witness"], "by witness 2"),
    ):
        arguments = ["solve", str(maze), "--horizon", "3", *extra, "-v"]
        result = CliRunner().invoke(cli, arguments)
        assert result.exit_code == 0
        assert sizes + how in result.stderr.splitlines()
        quiet = CliRunner().invoke(cli, arguments[:-1])
        assert "faces" not in quiet.stderr
    wrong = CliRunner().invoke(cli, ["solve", str(maze), "--algorithm", "simplex"])
    assert wrong.exit_code == 2
    assert "'linear-support'" in wrong.stderr


def test_detail_abbreviates_many_faces() -> None:
    n = 12
    model = pomdptool.make_model(np.full((1, n, n), 1 / n), np.eye(n)[np.newaxis], discount=0.5)
    run = ExactRun(model, Monitor(), full_simplex=False)
    expected = "faces 12: 1 1 1 1 1 1 1 1 ... (4 more) states; by vertex enumeration 0"
    assert run.detail().startswith(expected)


def test_large_faces_with_few_vectors_are_exact(large_face: Model) -> None:
    solution = pomdptool.solve(large_face, "exact", horizon=3)
    assert solution.detail == "faces 1: 9 states; by vertex enumeration 0, by incremental pruning 1"
    assert solution.bounds.gap < 1e-6
    expected = naive.expectimax(large_face, large_face.start, 3)
    assert solution.bounds.lower == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("precision", [1e-1, 1e-2, 1e-3])
def test_large_faces_with_many_vectors_are_within_the_precision(
    large_face: Model, precision: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits: list[float] = []

    def recorded(*arguments: Any, max_vectors: float = np.inf, **options: Any) -> FaceBackup:
        limits.append(max_vectors)
        return backup_by_epsilon_pruning(*arguments, max_vectors=max_vectors, **options)

    monkeypatch.setattr(run, "backup_by_epsilon_pruning", recorded)
    monkeypatch.setattr(run, "PRECISE_VECTORS", 3)
    solution = pomdptool.solve(large_face, "exact", horizon=3, precision=precision)
    assert limits.count(3) == 2, "once for each stage until there are too many vectors"
    expected = naive.expectimax(large_face, large_face.start, 3)
    assert solution.bounds.lower <= expected + 1e-12
    assert expected - 1e-12 <= solution.bounds.upper
    assert 0.0 < solution.bounds.gap <= precision * max(1.0, abs(expected))
    precise = pomdptool.solve(large_face, "exact", horizon=3, algorithm="incremental")
    for b in random_beliefs(50, 9):
        lack = precise.policy.value(b) - solution.policy.value(b)
        assert -1e-9 <= lack <= solution.bounds.gap + 1e-9


def test_large_faces_converge(large_face: Model) -> None:
    model = replace(large_face, discount=0.7)
    solution = pomdptool.solve(model, "exact", precision=1e-2)
    assert solution.converged
    finite = pomdptool.solve(model, "exact", horizon=8, precision=1e-3)
    rest = 0.7**8 / 0.3 * float(np.abs(model.expected_rewards).max())
    assert solution.bounds.lower <= finite.bounds.upper + rest
    assert finite.bounds.lower - rest <= solution.bounds.upper


def test_large_faces_start_from_the_fib_bound(large_face: Model) -> None:
    begun = pomdptool.solve(large_face, "exact", max_vectors=1)
    assert begun.stop_reason == "max-vectors"
    assert begun.bounds.upper == pytest.approx(pomdptool.solve(large_face, "fib").bounds.upper)
    assert begun.bounds.upper < pomdptool.solve(large_face, "qmdp").bounds.upper - 1e-6


def test_too_many_vertices_switch_to_epsilon_pruning(monkeypatch: pytest.MonkeyPatch) -> None:
    model = random_model(5, n_states=4)
    usual = pomdptool.solve(model, "exact", horizon=4)
    monkeypatch.setattr(run, "MAX_VERTICES", 10)
    pruned = pomdptool.solve(model, "exact", horizon=4)
    assert usual.detail.endswith("by vertex enumeration 1, by incremental pruning 0")
    assert pruned.detail.endswith("by vertex enumeration 0, by incremental pruning 1")
    assert pruned.bounds.lower == pytest.approx(usual.bounds.lower, abs=1e-7)


def test_equivalent_faces_are_backed_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two identical copies of a model; the copy is observed."""
    copy = random_model(2, n_states=3)
    T = np.kron(np.full((1, 2, 2), 0.5), copy.T)
    here = np.pad(copy.Z, ((0, 0), (0, 0), (0, 2)))
    Z = np.concatenate([here, np.roll(here, 2, axis=2)], axis=1)
    R = np.tile(copy.expected_rewards, (1, 2))
    model = pomdptool.make_model(T, Z, R, discount=0.9)
    faces = find_faces(model)
    assert [face.size for face in faces.faces] == [3, 3]
    assert equivalent_faces(faces) == [0, 0]
    calls = []
    backup_face = ExactRun._backup_face

    def noted(self: ExactRun, k: int, *rest: object) -> FaceBackup:
        calls.append(k)
        return backup_face(self, k, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(ExactRun, "_backup_face", noted)
    solution = pomdptool.solve(model, "exact", horizon=3)
    assert set(calls) == {0}
    expected = naive.expectimax(model, model.start, 3)
    assert solution.bounds.lower == pytest.approx(expected, abs=1e-8)
    other = replace(model, name="other")
    assert equivalent_faces(find_faces(other)) == [0, 0]
    R[0, 0] += 1.0
    assert equivalent_faces(find_faces(pomdptool.make_model(T, Z, R, discount=0.9))) == [0, 1]


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared")
def test_aloha() -> None:
    """Two faces of ten states and one of eight, too large for exact sets."""
    model = pomdptool.load(SHARED / "problems" / "aloha-10max.POMDP")
    precise = pomdptool.solve(model, "exact", horizon=4)
    assert precise.bounds.gap < 1e-6
    coarse = pomdptool.solve(model, "exact", horizon=7, precision=0.01)
    assert coarse.converged
    assert coarse.bounds.gap <= 0.01 * coarse.bounds.lower
    finer = pomdptool.solve(model, "exact", horizon=7, precision=0.005)
    assert coarse.bounds.lower <= finer.bounds.upper
    assert finer.bounds.lower <= coarse.bounds.upper


@pytest.mark.parametrize("limit", ["states", "vertices"])
def test_epsilon_pruning_agrees_with_vertex_enumeration(
    limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = random_model(5, n_states=3, n_actions=2)
    usual = pomdptool.solve(model, "exact", horizon=5)
    if limit == "states":
        monkeypatch.setattr(run, "POLYTOPE_STATES", 1)
    else:
        monkeypatch.setattr(run, "MAX_VERTICES", 8)
    pruned = pomdptool.solve(model, "exact", horizon=5)
    endless = pomdptool.solve(model, "exact", precision=1e-4)
    assert endless.converged
    for b in random_beliefs(50, 3):
        assert pruned.policy.value(b) == pytest.approx(usual.policy.value(b), abs=1e-7)
