"""Odd and broken data, through the command: a clear error, or case is documented."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import pomdptool
from processes import TIGER, run

BROKEN = {
    "empty": ("", [], "data.csv:1: the file is empty"),
    "header": ("action,observation\n", [], "error: data.csv: there are no rows after the header"),
    "column": (
        "action,observation\na,x\n",
        ["--action-column", "deed"],
        "error: data.csv: there is no column 'deed' among 'action', 'observation'",
    ),
    "like": (
        "action,observation\nlisten,x\n",
        ["--like", str(TIGER)],
        "data.csv:2: column 'observation': unknown observation 'x'",
    ),
    "NaN": (
        "action,observation,reward\na,x,1\na,x,nan\na,x,\n",
        [],
        "data.csv:3: column 'reward': a reward is missing (empty or NaN) (and 1 more)",
    ),
    "twice": (
        "episode,step,action,observation\n0,0,a,x\n0,0,a,y\n",
        [],
        "data.csv:3: column 'step': step 0 occurs twice in episode '0'",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_invalid_data_are_rejected_with_line_and_column(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, options, message = BROKEN[case]
    monkeypatch.chdir(tmp_path)
    Path("data.csv").write_text(text)
    result = run("fit", "data.csv", "--states", "2", "-q", "-o", "out.json", *options)
    assert result.returncode == 1
    assert result.stderr == message + "\n"
    assert not Path("out.json").exists()


def test_a_misspelt_column_is_a_warning_in_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data.csv").write_text("acton,observation\n" + "a,x\nb,y\n" * 5)
    expected = (
        "data.csv: there is no column 'action': a single action is assumed; did you mean 'acton'?"
    )
    arguments = ["fit", "data.csv", "--states", "1", "--seed", "1", "-o", "m.pomdp"]
    result = run(*arguments, "--report", "report.json")
    assert result.returncode == 0, result.stderr
    assert result.stderr.startswith(f"warning: {expected}\n")
    assert json.loads(Path("report.json").read_text())["warnings"] == [expected]
    assert run(*arguments, "-q").stderr == ""
    assert run("loglik", "m.pomdp", "data.csv").stderr == f"warning: {expected}\n"


ODD = {
    "one row": ("action,observation\na,x\n", 2, "more states, 2, than steps of data, 1"),
    "one symbol": (
        "action,observation\n" + "a,x\n" * 20,
        2,
        "fewer than two distinct observations",
    ),
    "many states": (
        "action,observation\na,x\nb,y\na,y\n",
        9,
        "more states, 9, than steps of data, 3",
    ),
    "empty states": ("action,observation\n" + "a,x\na,y\n" * 20, 6, ""),
}


@pytest.mark.parametrize("case", ODD)
def test_odd_data_give_a_sound_model_and_a_warning(case: str, tmp_path: Path) -> None:
    text, states, warning = ODD[case]
    data, out = tmp_path / "data.csv", tmp_path / "out.json"
    data.write_text(text)
    result = run("fit", data, "--states", str(states), "--seed", "1", "-o", out)
    assert result.returncode == 0, result.stderr
    assert warning in result.stderr
    model = pomdptool.load(out)
    np.testing.assert_allclose(model.T.sum(axis=2), 1.0)
    np.testing.assert_allclose(model.Z.sum(axis=2), 1.0)


def test_rows_in_any_order_are_the_same_episode(tmp_path: Path) -> None:
    rows = ["0,0,a,x,1", "0,1,b,y,2", "0,2,a,y,1", "1,0,b,x,2", "1,1,a,y,1"]
    models = []
    for k, order in enumerate([[0, 1, 2, 3, 4], [2, 4, 0, 3, 1]]):
        data = tmp_path / f"{k}.csv"
        lines = ["episode,step,action,observation,reward", *(rows[i] for i in order)]
        data.write_text("\n".join(lines) + "\n")
        models.append(run("fit", data, "--states", "2", "--seed", "1", "-q").stdout)
    assert models[0] == models[1] != ""
