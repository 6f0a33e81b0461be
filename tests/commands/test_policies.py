"""Commands that run policies: simulate, evaluate, act and sample."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import pomdptool
from models import ROOT

TIGER = ROOT / "problems" / "tiger.pomdp"


def run(*args: object, text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pomdptool", *map(str, args)],
        input=text,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("policies")
    model = pomdptool.load(TIGER)
    policy = pomdptool.solve(model, "exact").policy
    for kind in ("json", "alpha", "policy", "pg"):
        pomdptool.dump(policy, folder / f"tiger.{kind}")
    return folder


@pytest.mark.parametrize("kind", ["json", "alpha", "policy", "pg"])
def test_evaluate_reads_every_policy_format(policies: Path, kind: str) -> None:
    result = run("evaluate", TIGER, policies / f"tiger.{kind}", "--json", "--seed", 1, "-q")
    assert result.returncode == 0, result.stderr
    document = json.loads(result.stdout)
    assert document["vector_value"] == pytest.approx(19.371, abs=5e-3)
    low, high = document["confidence_95"]
    assert low - 2.0 <= 19.371 <= high + 2.0


def test_simulate_prints_json_and_a_trace(tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    args = ["simulate", TIGER, "--sims", 50, "--episodes", 3, "--steps", 4, "--seed", 1]
    result = run(*args, "--json", "--trace", trace, "-q")
    assert result.returncode == 0, result.stderr
    document = json.loads(result.stdout)
    assert document["episodes"] == 3
    assert document["planner"]["name"] == "pomcp"
    rows = [json.loads(line) for line in trace.read_text().splitlines()]
    assert len(rows) == 12
    assert rows[0]["belief"] == {"tiger-left": 0.5, "tiger-right": 0.5}
    assert sum(rows[0]["visits"]) >= 50
    again = run(*args, "--json", "-q", "--threads", 2)
    first, second = (json.loads(r.stdout)["mean_discounted_return"] for r in (result, again))
    assert first == second


def test_compared_policies_share_random_streams(policies: Path) -> None:
    file = policies / "tiger.json"
    result = run("simulate", TIGER, "--policy", file, "--compare", file, "--json", "--seed", 1)
    entry = json.loads(result.stdout)["compared"][0]
    assert entry["difference"] == 0.0


def test_act_answers_each_line(policies: Path) -> None:
    file = policies / "tiger.json"
    result = run("act", TIGER, file, "-q", text="hear-left\nhear-left\n")
    assert result.stdout.split() == ["listen", "listen", "open-right"]
    wrong = run("act", TIGER, file, "-q", text="hear-up\n")
    assert wrong.returncode == 1
    assert "no observation 'hear-up'" in wrong.stderr
    assert "Traceback" not in wrong.stderr


def test_sample_writes_the_same_bytes_for_a_seed() -> None:
    one, two = (run("sample", TIGER, "--episodes", 5, "--steps", 3, "--seed", 4) for _ in "ab")
    assert one.stdout == two.stdout
    assert len(one.stdout.splitlines()) == 16
    assert one.stdout.splitlines()[0] == (
        "episode,step,action,observation,reward,terminated,truncated"
    )


@pytest.mark.parametrize(
    ("args", "code", "text"),
    [
        (["simulate", TIGER, "--episodes", "0"], 2, "episodes"),
        (["simulate", TIGER, "--sims", "-3"], 2, "sims"),
        (["simulate", ROOT / "problems/maze-4x3.pomdp", "--policy", "P"], 1, "the policy is for"),
        (["sample", TIGER, "--actions", "S"], 1, "did you mean 'listen'"),
        (["evaluate", TIGER, "B"], 1, "not XML"),
    ],
)
def test_errors_name_the_wrong_input(
    policies: Path, tmp_path: Path, args: list[Any], code: int, text: str
) -> None:
    (tmp_path / "s.txt").write_text("lisen\n")
    (tmp_path / "b.policy").write_text("<Policy><AlphaVector>")
    places = {"P": policies / "tiger.json", "S": tmp_path / "s.txt", "B": tmp_path / "b.policy"}
    result = run(*(places.get(a, a) if isinstance(a, str) else a for a in args))
    assert result.returncode == code
    assert text in result.stderr
    assert "Traceback" not in result.stderr
