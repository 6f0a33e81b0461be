"""What `evaluate` and `compare` say of parts that are missing, and how long they take."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import pomdptool
from models import ROOT
from pomdptool.commands import interrupts
from pomdptool.commands.main import cli
from pomdptool.linked import LinkedVectors

TIGER, HALLWAY, MAZE = (ROOT / "problems" / f"{x}.pomdp" for x in ("tiger", "hallway", "maze-4x3"))


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy of hallway with 6,000 linked vectors: too many to solve for their graph's value."""
    model = pomdptool.load(HALLWAY)
    policy = pomdptool.solve(model, precision=0.5).policy
    values = policy.values
    assert isinstance(values, LinkedVectors)
    n, rng = 6000, np.random.default_rng(1)
    chosen = np.concatenate(
        [np.arange(len(values.actions)), rng.integers(0, len(values.actions), n)]
    )
    linked = LinkedVectors(
        values.actions[chosen], rng.integers(0, len(chosen), (len(chosen), model.n_observations)),
        values.block[chosen], values.states,
        tuple(values.values[k] * rng.uniform(0.9, 1.0) for k in chosen.tolist()), values.floor,
    )  # fmt: skip
    path = tmp_path_factory.mktemp("large") / "large.json"
    pomdptool.dump(replace(policy, values=linked, graph=linked.graph()), path)
    return path


def run(*args: object, code: int | None = 0) -> Any:
    arguments = [*map(str, args), "--seed", "1"]
    result = CliRunner().invoke(cli, arguments, standalone_mode=False)
    assert code is None or result.exception is None
    assert code is None or (result.return_value or 0) == code
    return result


def test_a_large_policy_is_evaluated_in_seconds(large: Path) -> None:
    began = time.process_time()
    document = json.loads(run("evaluate", HALLWAY, large, "--json", "-q").stdout)
    seconds = time.process_time() - began
    assert document["graph_value"] is None
    assert "more than 200,000 coefficients" in document["graph_reason"]
    assert document["residual_beliefs"] == 200
    assert document["episodes"] == 1000
    assert document["residual_reason"] is document["simulation_reason"] is None
    assert seconds < 40.0  # 3 s, and the compilation; belief by belief it took minutes


def test_the_table_tells_the_reason(large: Path) -> None:
    shown = " ".join(run("evaluate", HALLWAY, large, "--episodes", 5, "-q").stdout.split())
    nodes = f"{len(json.loads(large.read_text())['vectors']):,}"
    assert (
        f"graph value not computed: the linear system of a graph of {nodes} nodes has more than "
        "200,000 coefficients; the simulation estimates it"
    ) in shown


def test_the_time_limit_cuts_every_part(tmp_path: Path) -> None:
    model = pomdptool.load(TIGER)
    pomdptool.dump(pomdptool.solve(model).policy, tmp_path / "p.json")
    shown = run("evaluate", TIGER, tmp_path / "p.json", "--time-limit", 0, "-q").stdout
    assert "graph value     not computed: time limit reached" in shown
    assert "residual        not computed: time limit reached after 0 of 200 beliefs" in shown
    assert "time limit reached after" in shown.splitlines()[-1] + shown.splitlines()[-2]
    assert "vector value    19.37" in shown


def test_an_interrupt_prints_what_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pomdptool.dump(pomdptool.solve(pomdptool.load(TIGER)).policy, tmp_path / "p.json")
    monkeypatch.setattr(interrupts, "_received", _Signalled())
    result = run("evaluate", TIGER, tmp_path / "p.json", "-q", code=130)
    assert "vector value    19.37" in result.stdout
    assert "interrupted" in result.stdout
    monkeypatch.setattr(interrupts, "_received", _Signalled())
    document = json.loads(run("compare", TIGER, TIGER, "--json", "-q", code=130).stdout)
    assert document["rate_true"] is None
    assert document["reasons"]["rate_true"] == "interrupted after 0 of 200 trajectories"
    assert document["reasons"]["learned_in_true"] == "interrupted"


class _Signalled(list[int]):
    """Signals received, of which there is one before it is asked for."""

    def __bool__(self) -> bool:
        return True


def test_compare_names_what_was_cut_or_simulated() -> None:
    few = ("--episodes", 5, "-q")
    result = run("compare", HALLWAY, HALLWAY, "--time-limit", 1.5, "--json", *few)
    document = json.loads(result.stdout)
    reason = "time limit reached before the precision"
    assert document["reasons"]["optimum_true"] == document["reasons"]["optimum_learned"] == reason
    low, high = document["optimum_true"]
    assert low <= 1.09
    assert high >= 1.0
    shown = run("compare", HALLWAY, HALLWAY, "--time-limit", 1, *few).stdout
    assert f"({reason})" in shown
    exact = json.loads(run("compare", TIGER, TIGER, "--json", "-q").stdout)
    assert exact["reasons"] == {}


def test_a_policy_of_another_model_is_read_once_and_only_json(tmp_path: Path) -> None:
    pomdptool.dump(pomdptool.solve(pomdptool.load(TIGER)).policy, tmp_path / "p.json")
    other = TIGER.read_text().replace("discount: 0.95", "discount: 0.9")
    (tmp_path / "other.pomdp").write_text(other)
    result = run("evaluate", tmp_path / "other.pomdp", tmp_path / "p.json", "--episodes", 5)
    assert "its graph is followed" in result.stderr
    broken = json.loads((tmp_path / "p.json").read_text())
    broken["vectors"][0]["next"][0] = len(broken["vectors"])
    (tmp_path / "p.json").write_text(json.dumps(broken))
    result = run("evaluate", TIGER, tmp_path / "p.json", code=None)
    assert "must be a whole number from 0 to" in str(result.exception)


def test_a_graph_file_too_large_to_evaluate_is_simulated(tmp_path: Path) -> None:
    model = pomdptool.load(MAZE)
    rng, n = np.random.default_rng(0), 30_000
    nodes = rng.integers(0, n, (n, model.n_observations))
    actions = rng.integers(0, model.n_actions, n).tolist()
    pairs = enumerate(zip(actions, nodes, strict=True))
    rows = [f"{k} {a} {' '.join(map(str, row))}" for k, (a, row) in pairs]
    (tmp_path / "g.pg").write_text("\n".join(rows) + "\n")
    began = time.process_time()
    result = run("evaluate", MAZE, tmp_path / "g.pg", "--json", "-q", "--episodes", 50)
    document = json.loads(result.stdout)
    assert document["vector_value"] is document["graph_value"] is document["residual_min"] is None
    for key in ("graph", "vector", "residual"):
        assert "more than 200,000 coefficients" in document[f"{key}_reason"]
    assert document["episodes"] == 50
    assert time.process_time() - began < 40.0
