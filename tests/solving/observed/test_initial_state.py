"""MDPs (files without observations), whose state is observed before the first action."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import pomdptool
from pomdptool.commands.main import cli
from pomdptool.formats.policy.write import encode_policy
from pomdptool.model import Model, make_model
from pomdptool.policy import SolvedPolicy

TEXT = """discount: 0.9
values: reward
states: a b
actions: pa pb
T: * identity
R: pa : a : * 1
R: pb : b : * 1
"""
"""Each state is absorbing and rewards an action of its own; the value is 10."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "start.pomdp"
    path.write_text(TEXT)
    return path


def run(*args: str | Path, typed: str = "") -> Any:
    return CliRunner().invoke(cli, list(map(str, args)), input=typed, catch_exceptions=False)


def rng() -> np.random.Generator:
    return np.random.default_rng(1)


@pytest.mark.parametrize("method", ["sarsop", "exact", "perseus", "qmdp", "fib", "mdp", "blind"])
def test_every_method_gives_value_10(path: Path, method: str) -> None:
    solution = pomdptool.solve(pomdptool.load(path), method, rng=rng())
    assert solution.bounds.lower == pytest.approx(10.0, abs=1e-4)
    assert solution.bounds.lower <= 10.0 <= solution.bounds.upper
    assert solution.policy.graph_value == pytest.approx(10.0)


def test_observing_the_state_only_after_the_first_action_reduces_the_value() -> None:
    T = np.array([np.eye(2)] * 2)
    model = make_model(T, np.eye(2), np.eye(2), discount=0.9)
    assert pomdptool.solve(model).bounds.lower == pytest.approx(9.5)


@pytest.mark.parametrize("horizon", [1, 2, 5])
@pytest.mark.parametrize("method", ["exact", "qmdp", "blind"])
def test_with_a_horizon_every_step_pays(path: Path, method: str, horizon: int) -> None:
    solution = pomdptool.solve(pomdptool.load(path), method, horizon=horizon)
    value = sum(0.9**t for t in range(horizon))
    assert solution.bounds.lower == pytest.approx(value)
    assert solution.policy.graph_value == pytest.approx(value)


def acting_by(model: Model, policy: SolvedPolicy) -> float:
    return pomdptool.simulate(model, policy, episodes=50, rng=rng(), steps=200).mean


def test_agents_observe_the_initial_state(path: Path) -> None:
    """By graph and by vectors in kernels, and step by step in Python."""
    model = pomdptool.load(path)
    rewards: list[float] = []
    for method in ("sarsop", "qmdp", "blind"):
        policy = pomdptool.solve(model, method).policy
        assert acting_by(model, policy) == pytest.approx(10.0)
        pomdptool.simulate(
            model,
            policy,
            episodes=5,
            rng=rng(),
            steps=3,
            on_step=lambda step: rewards.append(step.step.reward),
        )
    assert rewards == [1.0] * 45


@pytest.mark.parametrize("exact", [True, False])
def test_planners_observe_the_initial_state(path: Path, exact: bool) -> None:
    model = pomdptool.load(path)
    planner = pomdptool.Pomcp(model, sims=200, exact=exact, rng=rng())
    assert pomdptool.simulate(model, planner, episodes=10, rng=rng(), steps=5).mean == sum(
        0.9**t for t in range(5)
    )


@pytest.mark.parametrize("policy", ["p.json", "p.alpha"])
def test_act_reads_the_state_first(path: Path, tmp_path: Path, policy: str) -> None:
    run("solve", path, "-q", "-o", tmp_path / policy)
    result = run("act", path, tmp_path / policy, "--belief", typed="b\nb\n\na\na\n")
    assert result.stdout.splitlines() == ["pb\tb 1", "pb\tb 1", "pa\ta 1", "pa\ta 1"]
    assert run("act", path, tmp_path / policy, typed="").stdout == ""
    wrong = CliRunner().invoke(cli, ["act", str(path), str(tmp_path / policy)], input="c\n")
    assert wrong.exit_code == 1
    assert "state" in str(wrong.exception)


def test_files_hold_a_node_for_every_initial_state(path: Path, tmp_path: Path) -> None:
    model = pomdptool.load(path)
    policy = pomdptool.solve(model).policy
    document = json.loads(encode_policy(policy, "json"))
    assert document["graph"]["start"] == [0, 1]
    assert document["problem"]["mdp"] is True
    assert encode_policy(policy, "pg") == "0 0  0 -\n1 1  - 1\n"
    dot = encode_policy(policy, "dot")
    assert 'start -> n0 [label="a"];' in dot
    assert 'start -> n1 [label="b"];' in dot
    for name in ("p.json", "p.pg"):
        pomdptool.dump(policy, tmp_path / name)
        result = json.loads(run("evaluate", path, tmp_path / name, "--json", "-q").stdout)
        assert result["graph_value"] == pytest.approx(10.0)
        assert result["vector_value"] == pytest.approx(10.0)
        assert result["mean_discounted_return"] == pytest.approx(10.0, abs=0.01)


def test_the_report_lists_the_action_of_each_state(path: Path) -> None:
    result = run("solve", path, "-o", path.with_suffix(".json"))
    assert "first action    pa in a, pb in b" in result.stderr


BROKEN: dict[str, Callable[[dict[str, Any]], None]] = {
    "order": lambda graph: graph.update(start=[1, 0]),
    "too few": lambda graph: graph.update(start=[0]),
    "no node": lambda graph: graph.update(start=[0, 5]),
}


@pytest.mark.parametrize("breaks", BROKEN.values(), ids=BROKEN)
def test_initial_nodes_are_checked(
    path: Path, tmp_path: Path, breaks: Callable[[dict[str, Any]], None]
) -> None:
    document = json.loads(encode_policy(pomdptool.solve(pomdptool.load(path)).policy, "json"))
    breaks(document["graph"])
    (tmp_path / "p.json").write_text(json.dumps(document))
    result = CliRunner().invoke(cli, ["act", str(path), str(tmp_path / "p.json")], input="a\n")
    assert result.exit_code == 1
    assert "one for each state" in str(result.exception)
