"""fit, loglik and decode through real processes."""

from __future__ import annotations

import dataclasses
import json
import re
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import pomdptool
from episode_data import logged, written
from models import tiger
from pomdptool.commands.main import cli
from processes import COMMAND, TIGER, run, until


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = logged(tiger(), 300, 40, np.random.default_rng(1))
    return written(data, tmp_path_factory.mktemp("data") / "log.csv")


def test_fit_writes_a_model_that_solves_and_a_report(log: Path, tmp_path: Path) -> None:
    out, report = tmp_path / "learned.pomdp", tmp_path / "report.json"
    result = run("fit", log, "--states", "2", "--seed", "1", "-o", out, "--report", report)
    assert result.returncode == 0, result.stderr
    model = pomdptool.load(out)
    assert model.n_states == 2
    assert model.actions == ("listen", "open-left", "open-right")
    document = json.loads(report.read_text())
    keys = "loglik loglik_per_step iterations converged restarts bic aic parameters history"
    assert set(keys.split()) | {"candidates", "warnings"} <= set(document)
    assert set(document["restarts"][0]) >= {"seed", "loglik", "iterations"}
    assert document["converged"] is True
    again = run("loglik", out, log, "--json")
    found = json.loads(again.stdout)
    assert found["loglik"] == pytest.approx(document["loglik"], rel=1e-9)
    assert {"loglik_per_step", "perplexity", "steps", "episodes", "bic", "aic"} <= set(found)
    assert "log-likelihood" in result.stderr
    assert run("solve", out, "--time-limit", "5", "-q").returncode == 0
    same = run("fit", log, "--states", "2", "--seed", "1", "--threads", "1", "-q")
    assert same.stderr == ""
    assert same.stdout == out.read_text()


def test_fit_chooses_the_number_of_states(log: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    for by in ("bic", "heldout"):
        result = run(
            "fit", log, "--states", "1:3", "--select", by, "--seed", "3", "--restarts", "4",
            "--tol", "1e-5", "--report", report, "-o", tmp_path / "m.json",
        )  # fmt: skip
        assert result.returncode == 0, result.stderr
        document = json.loads(report.read_text())
        assert [c["states"] for c in document["candidates"]] == [1, 2, 3]
        lines = result.stderr.splitlines()
        header = next(line for line in lines if "parameters      " in line)
        assert ("held-out" in header) == (by == "heldout")
        (chosen,) = (line.split()[0] for line in lines if line.endswith("  *"))
        assert int(chosen) == document["states"]
        (legend,) = (line for line in lines if line.startswith("* selected: "))
        assert ("smallest BIC" in legend) == (by == "bic")
        assert "count observations and rewards" in legend
        if by == "bic":
            assert document["states"] == 2


def test_fit_says_what_bic_counts_and_agrees_with_loglik(log: Path, tmp_path: Path) -> None:
    bare, learned = tmp_path / "bare.csv", tmp_path / "learned.pomdp"
    rows = [line.split(",")[:4] for line in log.read_text().splitlines()]
    bare.write_text("".join(",".join(row) + "\n" for row in rows))
    for data, counted in ((log, ", of observations and rewards"), (bare, "")):
        fitted = run("fit", data, "--states", "2", "--seed", "1", "--restarts", "1", "-o", learned)
        line = re.search(r"^BIC +(\S+) with \d+ parameters(.*)$", fitted.stderr, re.MULTILINE)
        assert line
        assert line[2] == counted
        assert re.search(r"^seconds +\d+\.\d\d$", fitted.stderr, re.MULTILINE)
        told = run("loglik", learned, data).stdout
        other = re.search(r"^bic +(\S+)( \(of the observations, without rewards\))?$", told, re.M)
        assert other
        assert bool(other[2]) == bool(counted)
        assert (float(other[1]) == pytest.approx(float(line[1]), rel=1e-6)) == (not counted)


def test_decode_gives_a_row_a_step(log: Path) -> None:
    result = run("decode", TIGER, log, "--show", "states")
    lines = result.stdout.splitlines()
    assert lines[0] == "episode,step,best,tiger-left,tiger-right"
    assert len(lines) == 1 + 300 * 40
    assert sum(map(float, lines[1].split(",")[3:])) == pytest.approx(1.0)
    path = run("decode", TIGER, log, "--method", "viterbi", "--show", "transitions", "--json")
    document = json.loads(path.stdout)
    assert document["columns"][1] == "tiger-left->tiger-right"
    assert len(document["episodes"]) == 300
    outputs = run("decode", TIGER, log, "--method", "filter", "--show", "outputs")
    assert outputs.stdout.startswith("episode,step,best,hear-left,hear-right\n0,0,")


def test_loglik_names_what_is_impossible(tmp_path: Path) -> None:
    model = tmp_path / "sure.pomdp"
    model.write_text(
        "discount: 0.9\nvalues: reward\nstates: 2\nactions: go\nobservations: x y\nstart: 1 0\n"
        "T: go\nidentity\nO: go\n1 0\n0 1\n"
    )
    data = tmp_path / "data.csv"
    data.write_text("action,observation\ngo,x\ngo,y\n")
    found = json.loads(run("loglik", model, data, "--json", "--per-episode").stdout)
    assert found["loglik"] == "-inf"
    assert "step 1: observation 'y' after action 'go' is impossible" in found["impossible"]
    assert "loglik" in run("loglik", model, data, "--per-episode").stdout
    refused = run("decode", model, data)
    assert refused.returncode == 1
    assert "step 1" in refused.stderr
    data.write_text("action,observation\ngo,z\n")
    lacking = run("loglik", model, data)
    assert lacking.returncode == 1
    assert "'z'" in lacking.stderr


def test_wrong_usage(log: Path, tmp_path: Path) -> None:
    assert run("fit", log).returncode == 2
    assert run("fit", log, "--states", "5:2").returncode == 2
    assert run("fit", log, "--states", "2", "--fix", "Z").returncode == 2
    assert run("fit", log, "--states", "2", "-o", tmp_path / "x.txt").returncode == 2
    column = run("fit", log, "--states", "2", "--action-column", "deed")
    assert column.returncode == 1
    assert "deed" in column.stderr
    shared = run("fit", log, "--states", "2", "--init", TIGER, "--observation-model", "shared")
    assert shared.returncode == 1
    assert shared.stderr.splitlines()[-1].startswith("error: ")


def test_an_interrupt_writes_the_best_model(log: Path, tmp_path: Path) -> None:
    out, said = tmp_path / "learned.json", tmp_path / "said"
    with said.open("w") as stderr:
        process = subprocess.Popen(
            [*COMMAND, "fit", str(log), "--states", "6", "--tol", "0", "--max-iter", "1000000",
             "-v", "-o", str(out)],
            stderr=stderr,
        )  # fmt: skip
        until(lambda: "iteration" in said.read_text(), 60.0)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130
    assert pomdptool.load(out).n_states == 6
    assert "interrupted" in said.read_text()
    assert "Traceback" not in said.read_text()


def test_compare_aligns_and_measures(tmp_path: Path) -> None:
    assert run("convert", TIGER, "-o", tmp_path / "same.json").returncode == 0
    result = run("compare", TIGER, tmp_path / "same.json", "--seed", "1", "--json")
    document = json.loads(result.stdout)
    assert document["states"] == {"tiger-left": "tiger-left", "tiger-right": "tiger-right"}
    assert document["distance_T"] == {"mean": 0.0, "worst": 0.0}
    assert document["rate_true"] == 0.0
    low, high = document["optimum_true"]
    assert low - 1e-8 <= 19.3713683749 <= high + 1e-8
    for key in ("learned_in_true", "true_in_learned"):
        assert document[key]["value"] == pytest.approx(19.3714, abs=1e-3)
        assert document[key]["standard_error"] == 0.0
    shown = run("compare", TIGER, tmp_path / "same.json").stdout
    assert "rate learned" in shown
    assert "learned in true 19.37" in shown


def test_compare_without_rewards_says_that_no_policy_is_compared(tmp_path: Path) -> None:
    plain = tmp_path / "plain.pomdp"
    plain.write_text("\n".join(x for x in TIGER.read_text().splitlines() if x[:2] != "R:"))
    result = run("compare", plain, plain, "--seed", "1", "--json")
    assert "optimum_true" not in json.loads(result.stdout)
    assert "policies are not compared" in result.stderr


def test_a_learned_policy_is_evaluated_in_the_true_model(log: Path, tmp_path: Path) -> None:
    learned, policy = tmp_path / "learned.pomdp", tmp_path / "learned.json"
    assert run("fit", log, "--states", "2", "--seed", "1", "-q", "-o", learned).returncode == 0
    assert run("solve", learned, "-q", "-o", policy).returncode == 0
    result = run("evaluate", TIGER, policy, "--json", "--episodes", "10", "--seed", "1")
    assert json.loads(result.stdout)["graph_value"] >= 0.95 * 19.3714
    assert "its graph is followed" in result.stderr
    other = run("evaluate", TIGER.parent / "maze-4x3.pomdp", policy)
    assert other.returncode == 1
    assert "the actions differ" in other.stderr


@pytest.mark.parametrize("options", ["--values cost", "--like {model}", "--init {model}"])
def test_costs_stay_costs_from_sampling_to_solving(options: str, tmp_path: Path) -> None:
    """A log of a model of costs holds costs, and the policy learned from it keeps them low."""
    model, log, learned = (tmp_path / name for name in ("m.pomdp", "d.csv", "l.pomdp"))
    pomdptool.dump(dataclasses.replace(tiger(), costs=True), model)
    sampled = run(*f"sample {model} --episodes 400 --steps 50 --seed 1 -o {log}".split())
    assert "holds costs" in sampled.stderr
    asked = options.format(model=model).split()
    sizes = [] if "--init" in options else ["--states", "2"]
    assert run("fit", log, *sizes, "--seed", "1", "-o", learned, *asked).returncode == 0
    found = pomdptool.load(learned)
    assert found.costs
    solution = pomdptool.solve(found)
    assert solution.bounds.lower == pytest.approx(19.4, abs=2.0)  # in rewards, as the tiger's


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--states 2 --significance 0.1", "--significance needs --method udm."),
        ("--states 2 --max-states 3", "--max-states needs --method udm."),
        ("--states 2 --select aic", "--select needs several --states"),
        ("--method udm --select aic", "--select needs several --states"),
        ("--method udm --states 3 --max-states 2", "--states 3 is more than --max-states 2."),
        ("--init {model} --restarts 4", "--restarts cannot be used with --init"),
        ("--states 2 --fix T", "--fix needs --init."),
    ],
)
def test_options_that_would_be_ignored_are_refused(options: str, message: str, log: Path) -> None:
    result = CliRunner().invoke(cli, ["fit", str(log), *options.format(model=TIGER).split()])
    assert result.exit_code == 2
    assert message in result.stderr
    assert not result.stdout


def test_rewards_tell_states_apart_where_observations_do_not() -> None:
    data = pomdptool.sample(tiger(), episodes=50, steps=20, rng=np.random.default_rng(1))
    blind = dataclasses.replace(data, observations=np.zeros_like(data.observations))
    for unpaid in (False, True):
        seen = dataclasses.replace(blind, rewards=None) if unpaid else blind
        found = pomdptool.fit(seen, 2, restarts=1, rng=np.random.default_rng(1))
        assert any("states are not identifiable" in text for text in found.warnings) == unpaid
