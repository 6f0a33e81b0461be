"""Finite horizons: terminal values, values for every horizon, stopped runs, and the command."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.testing import assert_allclose

import naive_planning as naive
import pomdptool
from exact_cases import model_with_faces
from models import ROOT, random_beliefs, random_model, tiger
from pomdptool.commands.main import cli
from pomdptool.model import Model, make_model
from pomdptool.policy import Row
from pomdptool.solving.exact.faces import find_faces

TIGER = ROOT / "problems" / "tiger.pomdp"
MAZE = ROOT / "problems" / "maze-4x3.pomdp"


def observed_model(seed: int) -> Model:
    """An MDP."""
    rng = np.random.default_rng(seed)
    T = rng.dirichlet(np.ones(3), size=(2, 3))
    return make_model(T, None, rng.normal(size=(2, 3)), discount=0.9, start=[0.2, 0.3, 0.5])


MODELS: list[Callable[[int], Model]] = [
    lambda seed: random_model(seed, n_states=2 + seed % 3),
    model_with_faces,
    observed_model,
    lambda seed: random_model(seed, n_states=3, discount=1.0),
]


def after(calls: int) -> Callable[[], bool]:
    """Return true from call number `calls` on."""
    count = itertools.count()
    return lambda: next(count) >= calls


def terminal_values(model: Model, seed: int) -> np.ndarray:
    return 5.0 * np.random.default_rng(seed).normal(size=(1 + seed % 4, model.n_states))


def test_the_models_have_faces() -> None:
    faces = find_faces(model_with_faces(0))
    assert sorted(source.size for source in faces.faces) == [2, 3]


# ---------------------------------------------------------------- terminal values


@pytest.mark.parametrize("make", MODELS)
@pytest.mark.parametrize("seed", range(4))
def test_terminal_values_agree_with_expectimax(seed: int, make: Callable[[int], Model]) -> None:
    model = make(seed)
    terminal = terminal_values(model, seed)
    for horizon in (1, 2, 3):
        solution = pomdptool.solve(model, horizon=horizon, terminal=terminal)
        assert solution.stop_reason == "horizon"
        for b in random_beliefs(8, model.n_states, seed):
            expected = naive.expectimax(model, b, horizon, terminal)
            assert_allclose(solution.policy.value(b), expected, rtol=1e-8, atol=1e-8)
        known = np.diag(model.start) if model.mdp else model.start[np.newaxis]
        start = sum(
            b.sum() * naive.expectimax(model, b / b.sum(), horizon, terminal) for b in known
        )
        assert solution.bounds.lower - 1e-9 <= start <= solution.bounds.upper + 1e-9
        assert solution.bounds.gap < 1e-6
        if not model.mdp:
            assert solution.policy.graph_value == pytest.approx(start, abs=1e-8)


@pytest.mark.parametrize("make", MODELS)
def test_vectors_over_all_states_as_terminal_values(make: Callable[[int], Model]) -> None:
    model = make(2)
    first = pomdptool.solve(model, horizon=2, full_simplex=True)
    terminal = np.array([row.values for row in first.policy.values.rows()])
    more = pomdptool.solve(model, horizon=2, terminal=terminal).bounds
    assert more.lower == pytest.approx(pomdptool.solve(model, horizon=4).bounds.lower, abs=1e-8)


@pytest.mark.parametrize("make", MODELS)
@pytest.mark.parametrize("seed", range(4))
def test_stopped_runs_have_valid_bounds(seed: int, make: Callable[[int], Model]) -> None:
    model = make(seed)
    terminal = terminal_values(model, seed)
    exact_value = pomdptool.solve(model, horizon=6, terminal=terminal).bounds.lower
    for stop_at in range(0, 40, 3):
        stopped = pomdptool.solve(model, horizon=6, terminal=terminal, interrupted=after(stop_at))
        assert stopped.bounds.lower - 1e-8 <= exact_value <= stopped.bounds.upper + 1e-8


def test_bounds_without_a_backup_come_from_terminal_values() -> None:
    model = tiger(0.5)
    terminal = np.array([[3.0, 1.0], [2.0, 2.0]])
    stopped = pomdptool.solve(model, horizon=2, terminal=terminal, interrupted=lambda: True)
    # Two steps of -100 to 10 each, and at the end 2 to 3 after them in place of 2 at once.
    low, high = -150.0 + 0.25 * 2.0, 15.0 + 0.25 * 3.0
    assert stopped.bounds.lower == pytest.approx(2.0 + low - 3.0)
    assert stopped.bounds.upper == pytest.approx(2.0 + high - 2.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"terminal": np.zeros((1, 2))}, "terminal values need a horizon"),
        ({"all_horizons": True}, "all horizons need a horizon"),
        ({"terminal": np.zeros((1, 2)), "horizon": 2, "method": "qmdp"}, "need method 'exact'"),
        ({"all_horizons": True, "horizon": 2, "method": "fib"}, "need method 'exact', not 'fib'"),
        ({"terminal": np.zeros((1, 3)), "horizon": 2}, r"shape \(n, 2\), not \(1, 3\)"),
        ({"terminal": np.zeros((0, 2)), "horizon": 2}, "shape"),
        ({"terminal": np.zeros(2), "horizon": 2}, "shape"),
        ({"terminal": np.array([[np.nan, 0.0]]), "horizon": 2}, "numbers of magnitude below 1e"),
        ({"terminal": np.array([[1e101, 0.0]]), "horizon": 2}, "numbers of magnitude below 1e"),
    ],
)
def test_incompatible_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(pomdptool.PomdpError, match=message):
        pomdptool.solve(tiger(), **options)


# ---------------------------------------------------------------- all stages


def value_of(rows: list[Row], b: np.ndarray) -> float:
    """The largest vector that covers a belief."""
    values = [
        float(row.values @ (b if row.states is None else b[row.states]))
        for row in rows
        if row.states is None or not b[np.setdiff1d(np.arange(len(b)), row.states)].any()
    ]
    return max(values)


@pytest.mark.parametrize("with_ends", [False, True])
@pytest.mark.parametrize("make", MODELS)
@pytest.mark.parametrize("seed", range(3))
def test_stages_agree_with_expectimax(
    seed: int, make: Callable[[int], Model], with_ends: bool
) -> None:
    model = make(seed)
    terminal = terminal_values(model, seed) if with_ends else None
    policy = pomdptool.solve(model, horizon=3, terminal=terminal, all_horizons=True).policy
    assert len(policy.stages) == 3
    for k, stage in enumerate(policy.stages, start=1):
        rows = list(stage.rows())
        for b in random_beliefs(6, model.n_states, seed):
            expected = naive.expectimax(model, b, k, terminal)
            assert_allclose(stage.value(b), expected, atol=1e-8)
        for face in find_faces(model).faces:
            inside = np.zeros(model.n_states)
            inside[face.states] = np.random.default_rng(seed).dirichlet(np.ones(face.size))
            expected = naive.expectimax(model, inside, k, terminal)
            assert_allclose(value_of(rows, inside), expected, atol=1e-8)
            assert_allclose(stage.value(inside), expected, atol=1e-8)


@pytest.mark.parametrize("seed", range(3))
def test_full_simplex_stages_cover_all_states(seed: int) -> None:
    model = model_with_faces(seed)
    policy = pomdptool.solve(model, horizon=3, all_horizons=True, full_simplex=True).policy
    assert len(policy.stages) == 3
    for k, stage in enumerate(policy.stages, start=1):
        rows = list(stage.rows())
        assert all(row.states is None for row in rows)
        for b in random_beliefs(6, model.n_states, seed):
            assert_allclose(value_of(rows, b), naive.expectimax(model, b, k), atol=1e-8)
    assert policy.stages[-1] is policy.values


def test_stopped_runs_keep_their_stages() -> None:
    model = model_with_faces(1)
    kept = set()
    for stop_at in range(0, 240, 12):
        policy = pomdptool.solve(
            model, horizon=5, all_horizons=True, interrupted=after(stop_at)
        ).policy
        kept.add(len(policy.stages))
        assert policy.converged == (len(policy.stages) == 5)
        assert policy.stop_reason == ("horizon" if policy.converged else "interrupted")
        for k, stage in enumerate(policy.stages, start=1):
            expected = naive.expectimax(model, model.start, k) if k <= 3 else None
            assert expected is None or stage.value(model.start) == pytest.approx(expected)
    assert {0, 5} < kept


def test_stopped_runs_keep_stages_over_all_states() -> None:
    model = model_with_faces(1)
    for stop_at in range(0, 200, 9):
        policy = pomdptool.solve(
            model, horizon=4, all_horizons=True, full_simplex=True, interrupted=after(stop_at)
        ).policy
        assert policy.converged == (len(policy.stages) == 4)
        for k, stage in enumerate(policy.stages, start=1):
            assert all(row.states is None for row in stage.rows())
            if k <= 2:
                expected = naive.expectimax(model, model.start, k)
                assert stage.value(model.start) == pytest.approx(expected)


def test_no_stages_by_default() -> None:
    assert pomdptool.solve(tiger(), horizon=3).policy.stages == ()


# ---------------------------------------------------------------- the command


def run(*args: str | Path | int) -> Any:
    return CliRunner().invoke(cli, list(map(str, args)))


def document(*args: str | Path | int) -> Any:
    result = run("solve", *args, "-q")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_command_reads_terminal_values_in_every_format(tmp_path: Path) -> None:
    whole = document(TIGER, "--horizon", 5)["bounds"]["lower"]
    for name in ("tiger.alpha", "tiger.json", "tiger.json.gz"):
        file = tmp_path / name
        assert run("solve", TIGER, "--horizon", 3, "-o", file).exit_code == 0
        solution = document(TIGER, "--horizon", 2, "--terminal-values", file)
        assert solution["bounds"]["lower"] == pytest.approx(whole, abs=1e-9)
        assert len(solution["terminal_values"]) == 9
    faces = tmp_path / "maze.json"
    run("solve", MAZE, "--horizon", 2, "-o", faces)
    result = run("solve", MAZE, "--horizon", 2, "--terminal-values", faces)
    assert isinstance(result.exception, pomdptool.PolicyError)
    assert "solve with --full-simplex" in str(result.exception)
    run("solve", MAZE, "--horizon", 2, "--full-simplex", "-o", faces)
    solution = document(MAZE, "--horizon", 2, "--terminal-values", faces)
    assert solution["bounds"] == pytest.approx(document(MAZE, "--horizon", 4)["bounds"], abs=1e-8)


def test_terminal_values_must_fit(tmp_path: Path) -> None:
    file = tmp_path / "tiger.alpha"
    run("solve", TIGER, "--horizon", 1, "-o", file)
    result = run("solve", MAZE, "--horizon", 2, "--terminal-values", file)
    assert isinstance(result.exception, pomdptool.FormatError)
    assert "expected 11 values, not 2" in str(result.exception)
    policy = tmp_path / "tiger.json"
    run("solve", TIGER, "--horizon", 1, "-o", policy)
    result = run("solve", MAZE, "--horizon", 2, "--terminal-values", policy)
    assert "for 2 states, the model has 11" in str(result.exception)
    policy.write_text(policy.read_text().replace("tiger-left", "lion"))
    result = run("solve", TIGER, "--horizon", 2, "--terminal-values", policy)
    assert "state 0 is 'lion' there and 'tiger-left' here" in str(result.exception)


def test_command_writes_stages() -> None:
    stages = document(MAZE, "--horizon", 3, "--all-horizons")["stages"]
    assert [stage["steps"] for stage in stages] == [1, 2, 3]
    assert all("states" in vector for stage in stages for vector in stage["vectors"])
    full = document(MAZE, "--horizon", 3, "--all-horizons", "--full-simplex")
    assert all("states" not in v for stage in full["stages"] for v in stage["vectors"])
    assert full["stages"][-1]["vectors"] == full["vectors"]
    assert "stages" not in document(MAZE, "--horizon", 3)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--terminal-values", TIGER], "--terminal-values needs --horizon"),
        (["--all-horizons"], "--all-horizons needs --horizon"),
        (
            ["--all-horizons", "--horizon", "2", "-o", "x.alpha"],
            "needs .json output",
        ),
        (["--all-horizons", "--horizon", "2", "-o", "x.pg"], "needs .json output"),
        (
            ["--all-horizons", "--horizon", "2", "-o", "x.dot.gz"],
            "needs .json output",
        ),
        (["--horizon", "2", "--terminal-values", "none.alpha"], "does not exist"),
    ],
)
def test_usage_errors(
    args: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("solve", TIGER, *args)
    assert result.exit_code == 2
    assert message in result.output
    assert not list(tmp_path.iterdir())


def test_command_reports_the_graph(tmp_path: Path) -> None:
    out = tmp_path / "tiger.json"
    report = run("solve", TIGER, "--method", "exact", "-o", out).stderr
    assert "\ngraph           5 nodes, value 19.3714\n" in report
    assert json.loads(out.read_text())["graph"]["value"] == pytest.approx(19.3713683749)
    costs = ROOT / "problems" / "bridge-repair.pomdp"
    report = run("solve", costs, "--horizon", 3, "-o", out).stderr
    assert "\ngraph           3 nodes, value 1409.65\n" in report
    assert json.loads(out.read_text())["graph"]["value"] == pytest.approx(1409.65)


def test_dot_output_has_probabilities(tmp_path: Path) -> None:
    out = tmp_path / "tiger.dot"
    run("solve", TIGER, "--method", "exact", "-o", out)
    assert 'n0 -> n1 [label="hear-left\\n0.5"]' in out.read_text()
    assert "\\n0.745" in out.read_text()
    run("solve", TIGER, "--horizon", 3, "-o", out)
    assert "\\n0.745" in out.read_text()


@pytest.mark.parametrize("name", ["maze-4x3", "shuttle", "network", "cheese-maze", "parr95"])
def test_known_problems_close_their_bounds(name: str) -> None:
    model = pomdptool.load(ROOT / "problems" / f"{name}.pomdp")
    coarse = pomdptool.solve(model, "exact", precision=1e-3)
    fine = pomdptool.solve(model, "exact", precision=1e-5)
    assert coarse.converged
    assert fine.converged
    assert coarse.bounds.lower <= fine.bounds.upper
    assert fine.bounds.lower <= coarse.bounds.upper
    header = (ROOT / "problems" / f"{name}.pomdp").read_text()
    assert "Value at the start belief" in header
