"""Perseus: backups against plain loops, and its lower bound against the exact value."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import naive_planning as naive
import pomdptool
from models import ROOT, random_beliefs, random_model, tiger
from pomdptool.commands.main import cli
from pomdptool.errors import PomdpError
from pomdptool.model import Model
from pomdptool.solving.graph_evaluation import evaluate
from pomdptool.solving.perseus import _PointBackup, sample_beliefs, solve_perseus
from pomdptool.solving.solution import Monitor, Solution

PROBLEMS = ROOT / "problems"


def graph_value(model: Model, solution: Solution) -> float:
    """Value of the policy graph at the initial belief."""
    graph = solution.policy.graph
    assert graph is not None
    return float(evaluate(model, graph)[graph.start] @ model.start)


def solved(model: Model, seed: int = 1) -> Solution:
    return solve_perseus(model, rng=np.random.default_rng(seed))


@pytest.mark.parametrize("seed", range(5))
def test_a_backup_is_a_step_of_expectimax(seed: int) -> None:
    model = random_model(seed, n_states=2 + seed % 3, n_actions=3)
    rng = np.random.default_rng(seed)
    ends = rng.normal(size=(4, model.n_states))
    for b in random_beliefs(5, model.n_states, seed):
        action, row, _ = _PointBackup(model).backup(b, ends)
        assert row @ b == pytest.approx(naive.expectimax(model, b, 1, ends))
        assert 0 <= action < model.n_actions


@pytest.mark.parametrize("seed", range(3))
def test_sampled_beliefs_agree_with_the_filter(seed: int) -> None:
    model = random_model(seed, n_states=3, n_actions=2, n_observations=2)
    points = sample_beliefs(_PointBackup(model), 30, np.random.default_rng(1), Monitor())
    assert 20 < len(points) <= 30
    reached = [model.start]
    for b in points[:1]:
        assert b.tolist() == model.start.tolist()
    for b in points[1:]:
        successors = [
            naive.update(model, before, a, o)[0]
            for before in reached
            for a in range(model.n_actions)
            for o in range(model.n_observations)
        ]
        assert min(np.abs(b - after).max() for after in successors) < 1e-9
        reached.append(b)


@pytest.mark.parametrize("name", ["tiger", "maze-4x3", "cheese-maze", "shuttle", "parr95"])
def test_lower_bound_is_close_to_the_exact_value(name: str) -> None:
    model = pomdptool.load(PROBLEMS / f"{name}.pomdp")
    exact = pomdptool.solve(model, "exact", precision=1e-3).bounds
    solution = solved(model)
    assert solution.bounds.lower <= exact.upper + 1e-9
    assert solution.bounds.lower >= exact.lower - 2e-3 * max(1.0, abs(exact.lower))
    assert solution.bounds.upper >= exact.lower
    assert solution.stop_reason in ("fixed-point", "precision")
    assert solution.converged == (solution.stop_reason == "precision")
    assert graph_value(model, solution) >= solution.bounds.lower - 1e-9


def test_vectors_are_a_lower_bound_everywhere() -> None:
    model = tiger()
    exact = pomdptool.solve(model, "exact", precision=1e-6, full_simplex=True)
    solution = solved(model)
    for b in random_beliefs(200, 2, 3):
        assert solution.policy.value(b) <= exact.policy.value(b) + 1e-4


def test_values_never_fall_from_stage_to_stage() -> None:
    lower = [step.lower for step in solved(tiger()).trace]
    assert all(after >= before - 1e-9 for before, after in pairwise(lower))
    assert lower[-1] > lower[0] + 10


def test_the_same_seed_gives_the_same_vectors() -> None:
    one, same, other = solved(tiger(), 1), solved(tiger(), 1), solved(tiger(), 2)
    rows = [[row.values.tolist() for row in s.policy.values.rows()] for s in (one, same, other)]
    assert rows[0] == rows[1] != rows[2]


@pytest.mark.parametrize("checks", [0, 1, 3, 40, 1010, 1500])
def test_interrupted_runs_return_a_lower_bound(checks: int) -> None:
    left = [checks]

    def interrupted() -> bool:
        left[0] -= 1
        return left[0] < 0

    model = pomdptool.load(PROBLEMS / "maze-4x3.pomdp")
    solution = solve_perseus(
        model, rng=np.random.default_rng(1), monitor=Monitor(interrupted=interrupted)
    )
    assert solution.stop_reason == "interrupted"
    assert solution.bounds.lower <= 1.90386 <= solution.bounds.upper
    assert solution.policy.value(model.start) == pytest.approx(solution.bounds.lower, abs=1e-9)
    assert graph_value(model, solution) >= solution.bounds.lower - 1e-9


def test_unsupported_options_are_rejected() -> None:
    with pytest.raises(PomdpError, match="pass rng"):
        pomdptool.solve(tiger(), "perseus")
    with pytest.raises(PomdpError, match="no horizon"):
        pomdptool.solve(tiger(), "perseus", horizon=3, rng=np.random.default_rng(1))
    with pytest.raises(PomdpError, match="discount 1"):
        pomdptool.solve(tiger(), "perseus", discount=1.0, rng=np.random.default_rng(1))


def test_command(tmp_path: Path) -> None:
    out = tmp_path / "p.json"
    command = ["solve", str(PROBLEMS / "tiger.pomdp"), "--method", "perseus", "-o", str(out)]
    result = CliRunner().invoke(cli, command)
    assert result.exit_code == 0
    assert result.stderr.startswith("seed ")
    policy = json.loads(out.read_text())
    assert policy["method"] == "perseus"
    assert 19.36 < policy["bounds"]["lower"] < 19.3714
    again = CliRunner().invoke(cli, [*command[:-2], "-q", "--seed", "1"])
    same = CliRunner().invoke(cli, [*command[:-2], "-q", "--seed", "1"])
    assert json.loads(again.stdout)["vectors"] == json.loads(same.stdout)["vectors"]
    graph = CliRunner().invoke(cli, [*command[:-1], str(tmp_path / "p.pg")])
    assert graph.exit_code == 0
    assert (tmp_path / "p.pg").read_text().count("\n") >= 3
    limited = CliRunner().invoke(cli, [*command, "--max-vectors", "1", "--seed", "1"])
    assert limited.exit_code == 0
    assert json.loads(out.read_text())["stop_reason"] == "max-vectors"
