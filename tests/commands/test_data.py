"""Data as people have it, from the file to the policy: sample, fit, loglik, decode, solve, act."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import pomdptool as pt
from models import ROOT
from pomdptool.commands.main import cli
from pomdptool.errors import DataError, PomdpError
from pomdptool.model import make_model

ENDING = ROOT / "tests" / "cases" / "ending-tiger.pomdp"


def run(*args: object, stdin: str | None = None) -> Result:
    """Run a command in this process; what it raises on purpose is the last line of its output."""
    return CliRunner().invoke(cli, [*map(str, args)], input=stdin)


def good(*args: object, stdin: str | None = None) -> Result:
    result = run(*args, stdin=stdin)
    assert result.exit_code == 0, (result.output, result.exception)
    return result


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Status codes of a server that is up or down, and retries or waits."""
    server = make_model(
        [[[0.95, 0.05], [0.1, 0.9]], [[0.95, 0.05], [0.4, 0.6]]],
        [[0.9, 0.08, 0.02], [0.2, 0.3, 0.5]],
        [[1.0, -1.0], [-0.5, -0.5]],
        discount=0.9,
        actions=["10", "30"],
        observations=["200", "404", "500"],
    )
    path = tmp_path_factory.mktemp("http") / "http.csv"
    pt.dump(pt.sample(server, episodes=20, steps=50, rng=np.random.default_rng(1)), path)
    return path


def test_codes_are_learned_and_used_again(http: Path, tmp_path: Path) -> None:
    text = http.read_text()
    assert ",30,404," in text
    letters = tmp_path / "letters.csv"
    letters.write_text("\n".join(
        ",".join(f"c{x}" if k in (2, 3) else x for k, x in enumerate(line.split(",")))
        for line in text.splitlines()
    ).replace("caction,cobservation", "action,observation"))  # fmt: skip
    model, other = tmp_path / "m.pomdp", tmp_path / "l.json"
    options = ["--states", "1:3", "--seed", "1", "--restarts", "3", "--report"]
    result = good("fit", http, "-o", model, *options, tmp_path / "m.report.json")
    assert "'200' is written as 'o_200'" in result.stderr
    assert "'10' is written as 'a_10'" in result.stderr
    good("fit", letters, "-o", other, *options, tmp_path / "l.report.json", "-q")
    reports = [json.loads((tmp_path / f"{x}.report.json").read_text()) for x in "ml"]
    assert reports[0]["states"] == reports[1]["states"] == 2
    assert reports[0]["loglik"] == pytest.approx(reports[1]["loglik"], rel=1e-12)
    assert reports[0]["parameters"] == reports[1]["parameters"] < 20
    read = pt.load(model)
    assert read.actions == ("a_10", "a_30")
    assert read.observations == ("o_200", "o_404", "o_500")
    found = json.loads(good("loglik", model, http, "--json").stdout)
    assert found["loglik"] == pytest.approx(reports[0]["loglik"], rel=1e-9)
    assert len(good("decode", model, http).stdout.splitlines()) == 1001
    policy = tmp_path / "p.json"
    good("solve", model, "-q", "-o", policy)
    acted = good("act", model, policy, stdin="200\n404\no_500\n").stdout.split()
    assert len(acted) == 4
    assert set(acted) <= {"a_10", "a_30"}
    refused = run("act", model, policy, stdin="3\n")
    assert isinstance(refused.exception, DataError)


def test_json_keeps_codes_as_they_are(http: Path, tmp_path: Path) -> None:
    model = tmp_path / "m.json"
    result = good("fit", http, "--states", "2", "--seed", "1", "--restarts", "2", "-o", model)
    assert "is written as" not in result.stderr
    assert pt.load(model).observations == ("200", "404", "500")
    good("loglik", model, http)
    good("solve", model, "-q", "-o", tmp_path / "p.json")
    assert set(good("act", model, tmp_path / "p.json", stdin="404\n").stdout.split()) <= {
        "10",
        "30",
    }
    refused = run("act", model, tmp_path / "p.json", stdin="0\n")
    assert "no observation '0'" in str(refused.exception)


def test_an_alphabet_on_the_command_line(http: Path, tmp_path: Path) -> None:
    fit = ["fit", http, "--states", "1", "--seed", "1", "--restarts", "1", "-q"]
    out = tmp_path / "m.json"
    good(*fit, "-o", out, "--observations", "200,404,500,503", "--actions", "30,10")
    assert pt.load(out).observations == ("200", "404", "500", "503")
    assert pt.load(out).actions == ("30", "10")
    assert "404 is not the name" in str(run(*fit, "--observations", "200,500").exception)
    coded = tmp_path / "coded.csv"
    coded.write_text("observation\n0\n1\n1\n")
    good("fit", coded, "--states", "1", "--seed", "1", "-q", "-o", out, "--observations", '"a,b",c')
    assert pt.load(out).observations == ("a,b", "c")
    back = json.loads(good("loglik", out, coded, "--json", "--observations", '"a,b",c').stdout)
    assert back["loglik"] == pytest.approx(np.log(1 / 3) + 2 * np.log(2 / 3), abs=1e-3)
    for bad in ("a,,b", "a,a", ""):
        assert run(*fit, "--observations", bad).exit_code == 2


def test_options_of_data_are_those_of_three_commands(tmp_path: Path) -> None:
    data, model = tmp_path / "data.csv", tmp_path / "m.json"
    data.write_text("step;observation\n0;x\n1;NA\n3;y\n")
    options = ["--missing", "NA", "--gaps", "missing"]
    result = good("fit", data, "--states", "1", "--seed", "1", "-o", model, *options)
    assert "warning" not in result.stderr
    for command in (["loglik"], ["decode"]):
        assert good(*command, model, data, *options).stderr.count("warning") == 0
    assert len(good("decode", model, data, *options).stdout.splitlines()) == 5
    assert "unknown observation 'NA'" in str(run("loglik", model, data).exception)
    gap = run("loglik", model, data, "--missing", "NA")
    assert "--gaps missing" in gap.stderr


def test_a_model_that_ends_is_solved_from_its_samples(tmp_path: Path) -> None:
    data, learned = tmp_path / "log.csv", tmp_path / "learned.pomdp"
    good("sample", ENDING, "--episodes", "4000", "--steps", "50", "--seed", "1", "-o", data)
    options = ["--states", "3", "--seed", "1", "--restarts", "3"]
    result = good("fit", data, *options, "-o", learned)
    assert "do not show how they ended" not in result.stderr
    assert "states          3, terminal: 2\n" in result.stderr
    policy = tmp_path / "p.json"
    good("solve", learned, "-q", "-o", policy)
    found = json.loads(
        good("evaluate", ENDING, policy, "--json", "--episodes", "10", "--seed", "1").stdout
    )
    assert found["graph_value"] == pytest.approx(5.143, abs=0.05)
    bounds = json.loads(policy.read_text())["bounds"]
    assert bounds["lower"] == pytest.approx(5.143, abs=0.5)

    bare = tmp_path / "bare.csv"
    lines = data.read_text().splitlines()
    bare.write_text("\n".join(line.rsplit(",", 2)[0] for line in lines) + "\n")
    absorbing = tmp_path / "absorbing.pomdp"
    result = good("fit", bare, *options, "--ends", "absorbing", "-o", absorbing, "-q")
    assert pt.load(absorbing).terminal_states.tolist() == [2]
    warned = good("fit", bare, *options, "-o", tmp_path / "cut.pomdp")
    assert "do not show how they ended" in warned.stderr
    told = good("fit", bare, *options, "--ends", "cut", "-o", tmp_path / "told.pomdp")
    assert "do not show how they ended" not in told.stderr
    assert pt.load(tmp_path / "told.pomdp").equals(pt.load(tmp_path / "cut.pomdp"))
    assert "do not show how they ended" in good("loglik", ENDING, bare).stderr
    known = json.loads(good("loglik", ENDING, data, "--json").stdout)["loglik"]
    same = json.loads(good("loglik", ENDING, bare, "--ends", "absorbing", "--json").stdout)
    assert known == pytest.approx(same["loglik"], rel=1e-12)


def test_sampling_continues_in_terminal_states_where_it_is_asked_to() -> None:
    sample = ["sample", ENDING, "--episodes", "5", "--steps", "9", "--seed", "1"]
    rows = good(*sample, "--ends", "continue").stdout.splitlines()
    assert len(rows) == 46
    assert [row.rsplit(",", 2)[1:] for row in rows[9:46:9]] == [["0", "1"]] * 5
    assert len(good(*sample).stdout.splitlines()) < 46


ODD = {
    "empty": ("", "1: the file is empty"),
    "header": ("observation\n", "there are no rows after the header"),
    "duplicate": ("observation,observation\nx,y\n", "several columns 'observation'"),
    "nothing": ("action,observation\na,\n", "every observation is empty"),
    "no column": ("a;b\n1;2\n", "there is no column 'observation' among 'a;b'"),
    "flag": ("observation,truncated\nx,2\n", "'2' is not a boolean (0, 1, false or true)"),
}


@pytest.mark.parametrize("what", ODD)
@pytest.mark.parametrize("command", ["fit", "loglik", "decode"])
def test_odd_data_are_refused_in_a_line(what: str, command: str, tmp_path: Path) -> None:
    text, said = ODD[what]
    data = tmp_path / "data.csv"
    data.write_text(text)
    first = ["fit", "--states", "1"] if command == "fit" else [command, ENDING]
    result = run(*first, data, "--seed", "1") if command == "fit" else run(*first, data)
    assert isinstance(result.exception, PomdpError)
    if command == "fit" or what in ("empty", "header", "duplicate", "no column"):
        assert said in str(result.exception)


@pytest.mark.parametrize("command", ["loglik", "decode", "evaluate", "compare"])
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_results_go_to_a_file(tmp_path: Path, command: str, form: list[str]) -> None:
    model, data, policy = tmp_path / "m.pomdp", tmp_path / "d.csv", tmp_path / "p.json"
    pt.dump(pt.tiger(), model)
    pt.dump(pt.sample(pt.tiger(), episodes=3, steps=4, rng=1), data)
    pt.dump(pt.solve(pt.tiger()), policy)
    others = {"evaluate": [policy, "--seed", 1], "compare": [model, "--seed", 1]}
    arguments = [command, model, *others.get(command, [data]), *form]
    shown = CliRunner().invoke(cli, list(map(str, arguments)))
    written = CliRunner().invoke(cli, [*map(str, arguments), "-o", str(tmp_path / "out")])
    assert shown.exit_code == written.exit_code == 0
    assert written.stdout == ""
    assert (tmp_path / "out").read_text() == shown.stdout != ""


def test_missing_rewards_are_said(tmp_path: Path) -> None:
    data = tmp_path / "d.csv"
    data.write_text("episode,step,action,observation\n0,0,a,x\n0,1,b,y\n1,0,a,y\n")
    arguments = ["fit", data, "--states", 1, "--seed", 1, "-o", tmp_path / "m.pomdp"]
    fitted = CliRunner().invoke(cli, list(map(str, arguments)))
    assert "note: the data have no rewards, and so has the model" in fitted.stderr
    solved = CliRunner().invoke(cli, ["solve", str(tmp_path / "m.pomdp")])
    assert "warning: all rewards are 0: every policy is optimal" in solved.stderr
