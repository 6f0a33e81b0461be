"""Finite-horizon policies: their value, and the end of episodes in every command."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import mdps
import naive_planning as naive
import pomdptool
from models import random_model, tiger
from pomdptool.acting.agents import horizon_of
from pomdptool.acting.environment import Environment, episode
from pomdptool.acting.sample import sample
from pomdptool.acting.simulate import default_steps, simulate
from pomdptool.analysis import transfer
from pomdptool.analysis.evaluate import evaluate
from pomdptool.commands.main import cli
from pomdptool.errors import PolicyError
from pomdptool.graph import NOWHERE, PolicyGraph
from pomdptool.model import Model
from pomdptool.policy import SolvedPolicy

VALUE_3 = 2.3098
"""Of the tiger in three steps: listen twice, then open a door after two equal observations."""


def rng() -> np.random.Generator:
    return np.random.default_rng(1)


def run(*args: object, typed: str = "") -> Any:
    result = CliRunner().invoke(cli, list(map(str, args)), input=typed, catch_exceptions=False)
    assert result.exit_code == 0, result.stderr
    return result


@pytest.fixture
def save(tmp_path: Path) -> Callable[[Model, SolvedPolicy, str], tuple[Path, Path]]:
    """Write a model and a policy."""

    def saved(model: Model, policy: SolvedPolicy, kind: str) -> tuple[Path, Path]:
        paths = tmp_path / "model.json", tmp_path / f"policy.{kind}"
        pomdptool.dump(model, paths[0])
        pomdptool.dump(policy, paths[1])
        return paths

    return saved


def optimum(model: Model, horizon: int) -> float:
    """Optimal value by expectimax; in an MDP, the mean over initial states."""
    if not model.mdp:
        return naive.expectimax(model, model.start, horizon)
    corners = np.eye(model.n_states)
    return sum(
        float(model.start[s]) * naive.expectimax(model, corners[s], horizon)
        for s in np.flatnonzero(model.start)
    )


@pytest.mark.parametrize("kind", ["json", "pg"])
@pytest.mark.parametrize(
    ("model", "horizon"),
    [
        (tiger(), 1),
        (tiger(), 3),
        (tiger(discount=1.0), 3),
        (random_model(2, n_states=3, n_actions=2), 3),
        (mdps.random_mdp(3), 3),
    ],
    ids=["tiger-1", "tiger-3", "tiger-undiscounted", "random", "mdp"],
)
def test_evaluate_reports_the_value(
    save: Callable[..., tuple[Path, Path]], model: Model, horizon: int, kind: str
) -> None:
    policy = pomdptool.solve(model, horizon=horizon).policy
    args = "evaluate", *save(model, policy, kind), "--seed", 2, "-q", "--episodes", 4000
    result = json.loads(run(*args, "--json").stdout)
    value = optimum(model, horizon)
    assert result["graph_value"] == pytest.approx(value, abs=1e-9)
    assert result["vector_value"] == pytest.approx(value, abs=1e-6)
    assert result["steps"] == result["mean_length"] == horizon
    assert result["truncation_bound"] == 0.0
    assert abs(result["mean_discounted_return"] - value) <= 4.0 * result["standard_error"] + 1e-9
    assert result["residual_min"] is result["residual_max"] is None
    assert result["residual_beliefs"] == 0
    assert "residual" not in run(*args).stdout


def test_tiger_agrees_with_expectimax() -> None:
    assert naive.expectimax(tiger(), tiger().start, 3) == pytest.approx(VALUE_3, abs=1e-12)


def test_vectors_of_a_finite_graph_belong_to_its_start_node() -> None:
    """Later nodes, with fewer costly steps to go, have larger values."""
    graph = PolicyGraph(np.zeros(2, np.int64), np.array([[1, 1], [NOWHERE, NOWHERE]]))
    policy = transfer.policy_from_graph(graph, tiger())
    assert policy.horizon == 2
    result = evaluate(tiger(), policy, rng=rng())
    assert result.graph_value == result.vector_value == pytest.approx(-1.95)


def test_evaluate_reports_terminal_values(
    save: Callable[..., tuple[Path, Path]],
) -> None:
    """Terminal values count in the vectors, not in the return of the steps."""
    model, ends = tiger(), np.array([[50.0, -20.0], [-20.0, 50.0]])
    policy = pomdptool.solve(model, horizon=2, terminal=ends).policy
    args = "evaluate", *save(model, policy, "json"), "--seed", 1, "-q"
    result = json.loads(run(*args, "--json").stdout)
    assert result["vector_value"] == pytest.approx(naive.expectimax(model, model.start, 2, ends))
    assert result["graph_value"] == pytest.approx(-1.95)  # it listens twice
    assert result["mean_discounted_return"] == pytest.approx(-1.95)
    row = "included in the vector value and bounds only"
    assert row in run(*args).stdout
    assert (
        row
        not in run(
            "evaluate", *save(model, replace(policy, terminal=None), "json"), "--seed", 1, "-q"
        ).stdout
    )


def test_horizon_of_policy_graphs() -> None:
    assert pomdptool.solve(tiger(), horizon=4).policy.graph.horizon == 4  # type: ignore[union-attr]
    assert pomdptool.solve(tiger()).policy.graph.horizon is None  # type: ignore[union-attr]
    lone = PolicyGraph(np.zeros(2, np.int64), np.array([[NOWHERE], [1]]))
    assert lone.horizon == 1  # the cycle is out of reach


@pytest.mark.parametrize("asked", [True, False])
@pytest.mark.parametrize("method", ["exact", "qmdp", "blind", "stopped"])
def test_episodes_end_with_the_policy(method: str, asked: bool) -> None:
    """In kernels and step by step; also for a stopped policy, which has no graph."""
    model, stopped = tiger(), method == "stopped"
    method, limit = ("exact", 0.0) if stopped else (method, None)
    policy = pomdptool.solve(model, method, horizon=5, time_limit=limit).policy
    assert (policy.graph is None) == stopped
    on_step = (lambda step: None) if asked else None
    for steps in (None, 5, 9):
        result = simulate(model, policy, episodes=20, rng=rng(), steps=steps, on_step=on_step)
        assert result.steps == 5
        assert (result.lengths == 5).all()
        assert result.truncation_bound == 0.0
    result = simulate(model, policy, episodes=20, rng=rng(), steps=2, on_step=on_step)
    assert result.steps == 2
    left = 100.0 * (0.95**2 + 0.95**3 + 0.95**4)
    assert result.truncation_bound == pytest.approx(left)
    data = sample(model, episodes=3, steps=50, rng=rng(), policy=policy)
    assert data.lengths.tolist() == [5, 5, 5]
    assert data.terminated.sum() == 0


def test_simulated_returns_cover_the_horizon() -> None:
    result = simulate(
        tiger(), pomdptool.solve(tiger(), horizon=3).policy, episodes=50_000, rng=rng()
    )
    assert abs(result.mean - VALUE_3) < 4.0 * result.standard_error
    assert result.standard_error < 0.1


def test_default_steps_are_at_most_the_horizon() -> None:
    assert default_steps(tiger()) == default_steps(tiger(), 500) == 135
    assert default_steps(tiger(), 3) == 3
    assert default_steps(tiger(discount=1.0)) == 100
    assert default_steps(tiger(discount=1.0), 500) == 500


def test_undiscounted_steps_up_to_the_horizon_are_bounded() -> None:
    model = tiger(discount=1.0)
    policy = pomdptool.solve(model, horizon=4).policy
    assert simulate(model, policy, episodes=5, rng=rng()).steps == 4
    assert simulate(model, policy, episodes=5, rng=rng(), steps=1).truncation_bound == 300.0
    endless = simulate(model, None, episodes=5, rng=rng(), steps=1)
    assert endless.truncation_bound == np.inf


def test_policies_are_compared_each_over_its_horizon(
    save: Callable[..., tuple[Path, Path]],
) -> None:
    model = tiger()
    path, short = save(model, pomdptool.solve(model, horizon=3).policy, "json")
    result = run(
        *("simulate", path, "--policy", short, "--compare", short, "--episodes", 500),
        *("--seed", 1, "-q"),
    )
    assert result.stdout.count("500 of at most 3 steps") == 2
    assert result.stdout.count("error at most 0") == 2


def test_agents_stop_at_the_horizon() -> None:
    model = tiger()
    agent = pomdptool.agent_for(model, pomdptool.solve(model, horizon=3).policy)
    assert horizon_of(agent) == 3
    assert len(list(episode(Environment(model), agent, 10, rng()))) == 3
    agent.reset()
    for _ in range(3):
        agent.observe(agent.act(), 0)
    with pytest.raises(PolicyError, match="the policy of 3 steps has ended"):
        agent.act()
    agent.reset()
    assert agent.act() == 0


def test_a_graph_too_large_to_evaluate_is_simulated_to_the_horizon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transfer, "is_cheap", lambda *_: False)
    graph = pomdptool.solve(tiger(), horizon=3).policy.graph
    assert graph is not None
    result = transfer.policy_return(tiger(), graph, rng=rng())
    assert result.standard_error > 0.0
    assert abs(result.value - VALUE_3) < 4.0 * result.standard_error


def test_missing_successors_are_reported() -> None:
    graph = PolicyGraph(np.zeros(1, np.int64), np.array([[0, NOWHERE]]))
    agent = pomdptool.agent_for(tiger(), transfer.policy_from_graph(graph, tiger()))
    with pytest.raises(PolicyError, match="no successor for observation 'hear-right'"):
        agent.observe(0, 1)


# ---------------------------------------------------------------- act


@pytest.fixture
def three(save: Callable[..., tuple[Path, Path]]) -> tuple[Path, Path]:
    return save(tiger(), pomdptool.solve(tiger(), horizon=3).policy, "json")


def test_act_reports_the_end_of_the_policy(three: tuple[Path, Path]) -> None:
    """One output line per input line; empty after the horizon."""
    result = run("act", *three, typed="0\n0\n0\n\n0\n")
    assert result.stdout.split("\n") == [
        *("listen", "listen", "open-right", ""),
        *("listen", "listen", ""),
    ]
    assert result.stderr.splitlines() == [
        "note: the policy of 3 steps has ended; an empty line starts a new episode"
    ]
    assert run("act", *three, "-q", typed="0\n0\n0\n").stderr == ""


def test_act_restarts_instead_of_reading_the_last_observation(three: tuple[Path, Path]) -> None:
    result = run("act", *three, typed="0\n0\n\n0\n")
    assert result.stdout.split() == ["listen", "listen", "open-right", "listen", "listen"]
    assert result.stderr == ""


@pytest.mark.parametrize("reaction", ["error", "reset", "ignore"])
def test_act_rejects_observations_after_the_horizon(
    three: tuple[Path, Path], reaction: str
) -> None:
    message = "the policy of 3 steps has ended: expected an empty line, not '1'"
    with pytest.raises(PolicyError, match=message):
        run("act", *three, "-q", "--on-impossible", reaction, typed="0\n0\n0\n1\n")


def test_act_stops_at_the_horizon_in_an_mdp(save: Callable[..., tuple[Path, Path]]) -> None:
    model = mdps.random_mdp(3)
    paths = save(model, pomdptool.solve(model, horizon=1).policy, "json")
    states = [model.states[s] for s in np.flatnonzero(model.start)]
    after = model.states[int(np.flatnonzero(model.T[:, np.flatnonzero(model.start)[0]].all(0))[0])]
    result = run("act", *paths, typed=f"{states[0]}\n{after}\n\n{states[0]}\n")
    first, ended, again = result.stdout.splitlines()
    assert first == again
    assert ended == ""
    assert "the policy of 1 step has ended" in result.stderr
