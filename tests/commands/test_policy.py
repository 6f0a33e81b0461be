"""`pomdptool policy`: a policy as a table and as JSON, and its answers at beliefs."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import pomdptool as pt
from models import ROOT, tiger
from pomdptool.commands.beliefs import parse_belief, parse_history, read_beliefs
from pomdptool.commands.main import cli

STATES = ("tiger-left", "tiger-right")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("policies")
    model = tiger()
    pt.dump(model, folder / "m.pomdp")
    pt.dump(pt.solve(model), folder / "p.json")
    pt.dump(pt.solve(model, "exact").policy, folder / "p.alpha")
    pt.dump(pt.solve(model, horizon=3, all_horizons=True), folder / "h.json")
    return folder


def run(*args: object, code: int = 0) -> Result:
    result = CliRunner().invoke(cli, ["policy", *map(str, args)])
    assert (0 if result.exception is None else 1) == (code > 0), result.output
    return result


def answer(folder: Path, name: str, *args: str) -> dict[str, Any]:
    text = run(folder / name, "--model", folder / "m.pomdp", *args, "--json").stdout
    document: dict[str, Any] = json.loads(text)["at"]
    return document


def test_without_a_question_it_describes(folder: Path) -> None:
    shown = run(folder / "p.json").stdout
    assert "value function  lower bound, certified at the initial belief: 19.37136" in shown
    assert "first action    listen" in shown
    document = json.loads(run(folder / "p.json", "--json").stdout)
    assert document["method"] == "sarsop"
    assert document["bounds"]["lower"] <= 19.37136837547 <= document["bounds"]["upper"]
    assert "at" not in document


def test_an_answer_agrees_with_the_exact_solution(folder: Path) -> None:
    """At (0.3, 0.7) the optimum is 20.03; sarsop's vectors hold less."""
    d = answer(folder, "p.json", "--at", "tiger-left=0.3,tiger-right=0.7")
    exact = pt.solve(tiger(), "exact", precision=1e-6).policy
    optimum = exact.value([0.3, 0.7])
    assert d["value"] < d["bounds"]["lower"] < optimum < d["bounds"]["upper"]
    assert optimum == pytest.approx(20.03, abs=0.01)
    assert d["action"] == "listen" == max(d["action_values"], key=d["action_values"].get)
    q = exact.action_values([0.3, 0.7], tiger())
    assert d["action_values"]["open-left"] == pytest.approx(q[1], abs=1e-3)


def test_a_history_updates_the_belief(folder: Path) -> None:
    d = answer(folder, "p.json", "--after", "listen:hear-left,listen:hear-left")
    assert d["belief"]["tiger-left"] == pytest.approx(0.85**2 / (0.85**2 + 0.15**2))
    assert d["action"] == "open-right"


def test_a_history_counts_the_steps_of_a_horizon(folder: Path) -> None:
    first = answer(folder, "h.json", "--at", "0.5,0.5")
    later = answer(folder, "h.json", "--after", "listen:hear-left,listen:hear-left")
    assert first["value"] == pytest.approx(pt.solve(tiger(), horizon=3).bounds.lower, abs=1e-9)
    assert later["value"] == pytest.approx(10 * 0.96980 - 100 * 0.03020, abs=0.01)
    assert later["bounds"]["lower"] <= later["value"] + 1e-9 <= later["bounds"]["upper"] + 2e-9
    result = run(
        *(folder / "h.json", "--model", folder / "m.pomdp", "--after"),
        ",".join(["listen:hear-left"] * 3), code=1,
    )  # fmt: skip
    assert "the policy ends after 3 steps" in str(result.exception)


def test_vectors_of_other_programs_need_the_model(folder: Path) -> None:
    assert "the model is required" in str(run(folder / "p.alpha", code=1).exception)
    d = answer(folder, "p.alpha", "--at", "tiger-left")
    assert d["action"] == "open-right"
    assert d["bounds"]["lower"] <= 28.4 <= d["bounds"]["upper"]


def test_without_the_model_the_table_names_the_option(folder: Path) -> None:
    shown = run(folder / "p.json", "--at", "0.5,0.5").stdout
    assert "value           19.3714 (lower bound)" in shown
    assert "needs the model: --model MODEL" in shown
    message = str(run(folder / "p.json", "--after", "listen:hear-left", code=1).exception)
    assert "a history needs the model" in message


def test_beliefs_of_a_file_keep_the_other_columns(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "b.csv"
    file.write_text("id,tiger-right,tiger-left\nx,0.5,0.5\ny,1,0\n")
    out = tmp_path / "answers.csv"
    run(folder / "p.json", "--model", folder / "m.pomdp", "--beliefs", file, "-o", out)
    rows = list(csv.DictReader(io.StringIO(out.read_text())))
    assert [row["id"] for row in rows] == ["x", "y"]
    assert [row["action"] for row in rows] == ["listen", "open-left"]
    assert all(float(row["lower"]) <= float(row["upper"]) for row in rows)
    assert "Q(listen)" in rows[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.3,0.7", [0.3, 0.7]),
        ("tiger-right=0.7, tiger-left=0.3", [0.3, 0.7]),
        ("tiger-left", [1, 0]),
        ("tiger-right=1", [0, 1]),
        ("1=1", [0, 1]),
        ("0", [1, 0]),
    ],
)
def test_forms_of_a_belief(text: str, expected: list[float]) -> None:
    assert parse_belief(text, STATES).tolist() == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tiger-lefd", "there is no state 'tiger-lefd'; did you mean 'tiger-left'"),
        ("qqq=1", "there is no state 'qqq'; the states are tiger-left, tiger-right"),
        ("0.3,0.8", "must sum to 1, not 1.1"),
        ("0.3", "must have 2 entries"),
        ("0.3;0.7", "there is no state"),
        ("0.3,x", "expected a probability, not 'x'"),
        ("-1,2", "one is negative"),
        ("nan,1", "not finite"),
        ("=1", "expected STATE=PROBABILITY"),
        ("", "there is no state ''"),
        ("7", "no state 7: the indices are 0 to 1"),
    ],
)
def test_other_beliefs_are_refused(text: str, message: str) -> None:
    with pytest.raises(pt.ModelError, match=message):
        parse_belief(text, STATES)


def test_histories_are_pairs() -> None:
    names = (("listen", "open"), ("l", "r"))
    assert parse_history("listen:r, open:0", *names) == [(0, 1), (1, 0)]
    with pytest.raises(pt.DataError, match="expected ACTION:OBSERVATION, not 'listen'"):
        parse_history("listen", *names)
    with pytest.raises(pt.DataError, match="no action 'lisden'; did you mean 'listen'"):
        parse_history("lisden:l", *names)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "b.csv:1: no column is named by a state"),
        ("a,b\n1,2\n", "b.csv:1: no column"),
        ("tiger-left,tiger-right\n0.5\n", "b.csv:2: 1 columns, the header has 2"),
        ("tiger-left,tiger-right\n0.5,0.5\n0.5,0.4\n", "b.csv:3: .* sum to 1, not 0.9"),
        ("tiger-left,tiger-right\n0.5,x\n", "b.csv:2: expected a probability, not 'x'"),
    ],
)
def test_files_of_beliefs_are_checked(text: str, message: str) -> None:
    with pytest.raises(pt.DataError, match=message):
        read_beliefs(text, "b.csv", STATES)


def test_questions_exclude_each_other(folder: Path) -> None:
    result = CliRunner().invoke(
        cli, ["policy", str(folder / "p.json"), "--at", "0.5,0.5", "--beliefs", str(ROOT / "x")]
    )
    assert result.exit_code == 2
