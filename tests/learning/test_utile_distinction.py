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
from models import tiger
from pomdptool.acting.sample import sample
from pomdptool.analysis.transfer import transfer
from pomdptool.errors import DataError
from pomdptool.learning.utile_distinction import Split, distinguish
from pomdptool.model import Model
from processes import run


def earns(model: Model, learned: Model) -> tuple[float, float]:
    """Expected return of the learned policy in a model, and a lower bound on the optimum."""
    result = transfer(model, learned, rng=np.random.default_rng(0))
    return result.learned_in_true.value, result.true_optimum.lower


def test_aliased_cells_are_distinguished() -> None:
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
def test_observed_states_are_not_split(seed: int) -> None:
    rng = np.random.default_rng(seed)
    data = sample(maze(aliased=False), episodes=400, steps=100, rng=rng)
    result = distinguish(data, rng=rng, discount=0.9)
    assert result.splits == ()
    assert result.fit.model.states[3] == "cell-" + sorted(map(str, range(11)))[3]


def test_correct_hidden_states_are_not_split() -> None:
    data = sample(tiger(), episodes=1000, steps=50, rng=np.random.default_rng(3))
    result = distinguish(data, 2, rng=np.random.default_rng(3), restarts=3)
    assert not any(split.kept for split in result.splits)
    assert earns(tiger(), result.fit.model)[0] > 0.95 * 19.3713


def test_an_interrupt_keeps_the_model_so_far() -> None:
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


def test_data_without_rewards_are_refused() -> None:
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
    assert (
        "split walls-ew -> walls-ew-2, 8 states: returns after south differ, p = " in result.stderr
    )
    assert "  walls-ew-2 entered by walls-n south 1." in result.stderr
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
