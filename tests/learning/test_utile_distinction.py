"""Utile distinction: states are split where returns differ, and only there."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import pomdptool
from episode_data import logged
from mazes import maze
from models import random_model, tiger
from pomdptool.acting.sample import sample
from pomdptool.analysis.transfer import transfer
from pomdptool.errors import DataError
from pomdptool.learning.encoding import encode
from pomdptool.learning.parameters import Parameters
from pomdptool.learning.returns import (
    discounted_returns,
    return_length,
    returns_by_transition,
    welch_p_value,
)
from pomdptool.learning.rewards import reward_bin_edges
from pomdptool.learning.utile_distinction import Split, distinguish
from pomdptool.model import Model
from processes import run


def earns(model: Model, learned: Model) -> tuple[float, float]:
    """What the learned policy earns in a model, and the optimum, at least."""
    result = transfer(model, learned, rng=np.random.default_rng(0))
    return result.learned_in_true.value, result.true_optimum.lower


def test_cells_that_look_alike_are_told_apart() -> None:
    model = maze(aliased=True)
    data = sample(model, episodes=400, steps=100, rng=np.random.default_rng(1))
    reported: list[Split] = []
    rng = np.random.default_rng(2)
    result = distinguish(data, rng=rng, discount=0.9, on_split=reported.append)
    kept = [split for split in result.splits if split.kept]
    assert reported == list(result.splits)
    assert [split.state for split in kept] == ["walls-ew", "walls-ns"]
    first = kept[0]
    assert (first.copy, first.action, first.states) == ("walls-ew-2", "south", 8)
    assert [(e.state, e.action) for e in first.go] == [("walls-n", "south")]
    assert first.p < 1e-50
    assert min(e.mean for e in first.go) > 2.0 * max(e.mean for e in first.stay)
    assert result.fit.model.n_states == 9
    value, optimum = earns(model, result.fit.model)
    assert value > 0.98 * optimum
    coarse = distinguish(data, rng=rng, discount=0.9, max_states=7)
    assert coarse.splits == ()
    assert any("returns call for more" in w for w in coarse.fit.warnings)
    assert earns(model, coarse.fit.model)[0] < 0.9 * optimum


@pytest.mark.parametrize("seed", range(4))
def test_what_is_observed_is_not_split(seed: int) -> None:
    rng = np.random.default_rng(seed)
    data = sample(maze(aliased=False), episodes=400, steps=100, rng=rng)
    result = distinguish(data, rng=rng, discount=0.9)
    assert result.splits == ()
    assert result.fit.model.states[3] == "cell-" + sorted(map(str, range(11)))[3]


def test_states_that_are_hidden_but_right_are_not_split() -> None:
    data = sample(tiger(), episodes=1000, steps=50, rng=np.random.default_rng(3))
    result = distinguish(data, 2, rng=np.random.default_rng(3), restarts=3)
    assert not any(split.kept for split in result.splits)
    assert earns(tiger(), result.fit.model)[0] > 0.95 * 19.3713


def test_an_interrupt_keeps_what_was_learned_before() -> None:
    data = sample(maze(aliased=True), episodes=400, steps=100, rng=np.random.default_rng(1))
    reported: list[Split] = []
    result = distinguish(
        data, rng=np.random.default_rng(2), discount=0.9, on_split=reported.append,
        interrupted=lambda: bool(reported),
    )  # fmt: skip
    assert result.fit.stop_reason == "interrupted"
    assert result.fit.model.n_states == 8
    assert len(reported) == len(result.splits) == 1
    none = distinguish(data, rng=np.random.default_rng(2), time_limit=0.0)
    assert none.fit.stop_reason == "time-limit"


def test_returns_are_discounted_and_complete() -> None:
    data = logged(random_model(0), 2, 5, np.random.default_rng(0))
    r = np.array([1.0, 2.0, 4.0, np.nan, 8.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    G = discounted_returns(replace(data, rewards=r), 0.5, 2)
    nan = np.nan
    np.testing.assert_array_equal(G, [2.0, 4.0, nan, nan, nan, 1.5, 1.5, 1.5, 1.5, nan])
    assert return_length(data, 0.0) == 1
    assert return_length(logged(random_model(0), 1, 400, np.random.default_rng(0)), 0.9) == 22
    assert return_length(data, 1.0) == 1


def test_means_of_returns_are_those_of_known_states() -> None:
    """Where states are observed the posterior is sure, and means are counted by hand."""
    model = replace(maze(aliased=False), start=np.eye(11)[0])
    data = sample(model, episodes=30, steps=80, rng=np.random.default_rng(5), states=True)
    assert data.states is not None
    assert data.next_states is not None
    Z = model.Z[:1]
    result = returns_by_transition(
        Parameters(model.T, Z, model.start),
        encode(data, reward_bin_edges(data), merge=False),
        data,
        0.9,
    )
    G = discounted_returns(data, 0.9, return_length(data, 0.9))
    sums, n = np.zeros(result.mean.shape), np.zeros(result.mean.shape)
    for t in range(data.n_steps - 1):
        if (t + 1) % 80 and np.isfinite(G[t + 1]):
            at = (data.actions[t], data.actions[t + 1], data.states[t], data.next_states[t])
            sums[at] += G[t + 1]
            n[at] += 1.0
    np.testing.assert_allclose(result.weight, n, atol=1e-9)
    met = n > 0
    np.testing.assert_allclose(result.unit * result.mean[met], sums[met] / n[met], atol=1e-9)


def test_the_test_keeps_its_level_and_finds_differences() -> None:
    rng = np.random.default_rng(0)
    p = []
    for _ in range(2000):
        x = rng.exponential(size=(3, 40))
        p.append(welch_p_value(x.mean(axis=1), x.var(axis=1, ddof=1) / 40, np.full(3, 40.0)))
    assert 0.02 < np.mean(np.array(p) < 0.05) < 0.07
    x[2] += 2.0
    assert welch_p_value(x.mean(axis=1), x.var(axis=1, ddof=1) / 40, np.full(3, 40.0)) < 1e-4
    assert welch_p_value(x[:1, 0], x[:1, 0], np.array([40.0])) == 1.0


def test_without_rewards_there_is_nothing_to_tell_apart() -> None:
    data = logged(tiger(), 3, 5, np.random.default_rng(0))
    with pytest.raises(DataError, match="need a column of rewards"):
        distinguish(replace(data, rewards=None), rng=np.random.default_rng(0))
    with pytest.raises(DataError, match="significance"):
        distinguish(data, rng=np.random.default_rng(0), significance=0.0)


def test_the_command_shows_each_split_and_reports_it(tmp_path: Path) -> None:
    pomdptool.dump(maze(aliased=True), tmp_path / "maze.pomdp")
    data, report, out = tmp_path / "log.csv", tmp_path / "report.json", tmp_path / "out.pomdp"
    run("sample", tmp_path / "maze.pomdp", "--episodes", "200", "--steps", "100", "--seed", "1",
        "-o", data)  # fmt: skip
    result = run("fit", data, "--method", "udm", "--discount", "0.9", "--seed", "1",
                 "--report", report, "-o", out)  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "split walls-ew -> walls-ew-2, 8 states: returns after south, p " in result.stderr
    assert "  walls-ew-2 by walls-n south 1." in result.stderr
    splits = json.loads(report.read_text())["splits"]
    assert splits[0]["state"] == "walls-ew"
    assert splits[0]["kept"] is True
    assert "walls-ew-2" in pomdptool.load(out).states
    assert run("fit", data, "--method", "udm", "--states", "2:3").returncode == 2
    bare = tmp_path / "bare.csv"
    bare.write_text("action,observation\na,x\nb,y\n")
    refused = run("fit", bare, "--method", "udm")
    assert refused.returncode == 1
    assert "column of rewards" in refused.stderr
