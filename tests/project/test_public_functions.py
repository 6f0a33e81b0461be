"""Public functions that give what commands do: info, check, evaluate, the families and plot."""

from __future__ import annotations

import json
from dataclasses import asdict, fields, replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import pomdptool
from models import ROOT, random_model, tiger
from pomdptool.acting.simulate import Summary
from pomdptool.commands.main import cli
from pomdptool.drawing.plot import PlotKind
from pomdptool.errors import FormatError, PolicyError, PomdpError
from pomdptool.formats.json_documents import to_jsonable

PROBLEMS = ROOT / "problems"
TIGER = PROBLEMS / "tiger.pomdp"


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def result_of(*args: object) -> dict[str, object]:
    """The JSON of a command."""
    done = CliRunner().invoke(cli, [str(arg) for arg in args], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    document: dict[str, object] = json.loads(done.stdout)
    return document


# ---------------------------------------------------------------- info, check


@pytest.mark.parametrize("name", ["tiger", "cheese-maze", "tit-for-two-tats", "tag"])
def test_info_is_that_of_the_command(name: str) -> None:
    path = PROBLEMS / f"{name}.pomdp"
    read = pomdptool.check(path)
    assert read.model is not None
    found = pomdptool.info(read.model, read.findings)
    assert to_jsonable(asdict(found)) == result_of("info", path, "--json", "-q")


def test_info_of_a_model_in_memory() -> None:
    found = pomdptool.info(tiger())
    assert (found.states, found.actions, found.observations) == (2, 3, 2)
    assert (found.reward_min, found.reward_max, found.values) == (-100.0, 10.0, "reward")
    assert (found.nonzero_T, found.nonzero_O) == (10, 12)
    assert (found.blocks, found.largest_block) == (1, 2)
    assert found.start.tolist() == [0.5, 0.5]
    assert found.warnings == found.terminal_states == ()
    assert found.renormalised == {}
    costs = pomdptool.info(replace(tiger(), costs=True))
    assert (costs.reward_min, costs.reward_max, costs.values) == (-10.0, 100.0, "cost")


def test_check_reports_what_load_refuses(tmp_path: Path) -> None:
    bad = ROOT / "tests" / "bad" / "unknown-action.pomdp"
    read = pomdptool.check(bad)
    assert read.model is None
    assert read.file == str(bad)
    with pytest.raises(FormatError) as refused:
        pomdptool.load(bad)
    assert [str(f) for f in refused.value.findings] == [str(f) for f in read.findings]
    done = CliRunner().invoke(cli, ["check", str(bad), "--json", "-q"])
    keys = ("line", "column", "level", "code", "message")
    entries = [{key: getattr(finding, key) for key in keys} for finding in read.findings]
    assert json.loads(done.stdout) == {"file": str(bad), "findings": entries}
    good = pomdptool.check(TIGER)
    assert good.findings == ()
    assert good.model is not None
    assert good.model.n_states == 2
    with pytest.raises(FileNotFoundError):
        pomdptool.check(tmp_path / "none.pomdp")


def test_check_takes_open_files_and_dialects() -> None:
    text = TIGER.read_text("utf-8").replace("values: reward", "values: rewards")
    done = CliRunner().invoke(cli, ["check", "-", "--strict", "--json"], input=text)
    assert json.loads(done.stdout)["findings"][0]["code"] == "PT105"
    with TIGER.open("rb") as stream:
        assert pomdptool.check(stream, file="model").file == "model"
    binary = pomdptool.check(ROOT / "tests" / "bad" / "zero-byte.pomdp")
    assert binary.model is None
    assert [finding.code for finding in binary.findings] == ["PT011"]


# ---------------------------------------------------------------- evaluate


def test_evaluate_is_the_command(tmp_path: Path) -> None:
    model = pomdptool.load(TIGER)
    policy = pomdptool.solve(model, "exact").policy
    pomdptool.dump(policy, tmp_path / "p.json")
    found = pomdptool.evaluate(model, policy, episodes=200, rng=rng(7))
    document = result_of(
        *("evaluate", TIGER, tmp_path / "p.json", "--episodes", 200, "--seed", 7, "--json", "-q")
    )
    assert document.pop("seed") == 7
    assert {field.name for field in fields(found)} == {*document, "interrupted"}
    for key, value in document.items():
        same = value is None or isinstance(value, str)
        wanted = value if same else pytest.approx(value, rel=1e-9)
        assert to_jsonable(getattr(found, key)) == wanted, key
    assert found.graph_value == pytest.approx(19.371, abs=2e-3)
    assert found.confidence_95[0] < 19.37 < found.confidence_95[1]
    assert not found.interrupted


def test_evaluate_keeps_to_rewards() -> None:
    """Costs are negative rewards in Python, and positive in the command's JSON."""
    model = replace(random_model(1, discount=0.5), costs=True)
    policy = pomdptool.solve(model).policy
    found = pomdptool.evaluate(model, policy, episodes=50, rng=rng())
    assert found.graph_value == pytest.approx(policy.bounds.lower, abs=1e-3)
    assert found.bounds == (policy.bounds.lower, policy.bounds.upper)


def test_evaluate_refuses_another_model() -> None:
    policy = pomdptool.solve(tiger()).policy
    with pytest.raises(PolicyError, match="another model"):
        pomdptool.evaluate(tiger(0.9), policy, rng=rng())


def test_a_graph_from_a_file_is_evaluated(tmp_path: Path) -> None:
    model = tiger()
    pomdptool.dump(pomdptool.solve(model).policy, tmp_path / "p.pg")
    graph = pomdptool.load_graph(tmp_path / "p.pg")
    policy = pomdptool.carried(graph, model)
    found = pomdptool.evaluate(model, policy, episodes=20, rng=rng())
    assert found.graph_value == pytest.approx(19.37, abs=1e-2)
    assert found.bounds == (-np.inf, np.inf)
    (tmp_path / "bad.pg").write_text("0 listen\n")
    with pytest.raises(FormatError):
        pomdptool.load_graph(tmp_path / "bad.pg")


def test_simulations_have_the_statistics_of_the_command() -> None:
    model = pomdptool.load(TIGER)
    found = pomdptool.simulate(model, None, episodes=30, steps=10, rng=rng(3))
    document = result_of(
        *("simulate", TIGER, "--planner", "random", "--episodes", 30, "--steps", 10),
        *("--seed", 3, "--json", "-q"),
    )
    for field in fields(Summary):
        value = getattr(found.summary, field.name)
        assert to_jsonable(value) == pytest.approx(document[field.name], rel=1e-9), field.name


# ---------------------------------------------------------------- families, plot


@pytest.mark.parametrize(
    ("args", "made"),
    [
        (("tiger", "--doors", 3), lambda: pomdptool.tiger(3)),
        (("heavenhell", 3), lambda: pomdptool.heavenhell(3)),
        (("tag",), lambda: pomdptool.tag()),
        (
            ("rocksample", "--size", 3, "--rocks", 2, "--seed", 5, "-q"),
            lambda: pomdptool.rocksample(3, 2, rng=rng(5)),
        ),
        (
            ("maze", PROBLEMS / "maze-4x3.map", "--slip", 0.2),
            lambda: pomdptool.maze((PROBLEMS / "maze-4x3.map").read_text(), slip=0.2),
        ),
    ],
)
def test_families_are_those_of_the_command(args: tuple[object, ...], made: object) -> None:
    done = CliRunner().invoke(cli, ["problem", *map(str, args)], catch_exceptions=False)
    assert callable(made)
    assert pomdptool.loads(done.stdout).digest == made().digest


@pytest.fixture(scope="module")
def policy() -> pomdptool.SolvedPolicy:
    return pomdptool.solve(pomdptool.load(TIGER), "exact").policy


@pytest.mark.parametrize("picture", [None, "value", "graph", "bounds"])
def test_plot_draws_what_the_command_does(
    policy: pomdptool.SolvedPolicy, tmp_path: Path, picture: PlotKind | None
) -> None:
    from pomdptool.drawing.canvas import render

    pomdptool.dump(policy, tmp_path / "p.json")
    asked = [] if picture is None else ["--show", picture]
    out = tmp_path / "p.svg"
    done = CliRunner().invoke(
        cli, ["plot", str(tmp_path / "p.json"), *asked, "-o", str(out)], catch_exceptions=False
    )
    assert done.exit_code == 0
    drawn = render(lambda: pomdptool.plot(tmp_path / "p.json", picture), "svg")
    assert drawn == out.read_bytes()
    assert pomdptool.plot(policy, picture).axes


def test_plot_draws_graphs_fits_and_traces(policy: pomdptool.SolvedPolicy, tmp_path: Path) -> None:
    model = pomdptool.load(TIGER)
    assert policy.graph is not None
    assert pomdptool.plot(policy.graph, model=model).axes
    data = pomdptool.sample(model, episodes=20, steps=10, rng=rng())
    fit = pomdptool.fit(data, states=2, restarts=2, rng=rng())
    report, trace = tmp_path / "r.json", tmp_path / "t.jsonl"
    assert pomdptool.plot(fit).axes
    pomdptool.dump(data, tmp_path / "data.csv")
    line = f"fit {tmp_path / 'data.csv'} --states 2 --restarts 2 --seed 1 -q --report {report}"
    assert CliRunner().invoke(cli, line.split()).exit_code == 0
    assert pomdptool.plot(report).axes
    pomdptool.dump(policy, tmp_path / "p.json")
    line = f"simulate {TIGER} --policy {tmp_path / 'p.json'} --episodes 2 --trace {trace} -q"
    assert CliRunner().invoke(cli, line.split()).exit_code == 0
    assert len(pomdptool.plot(trace, episode=1, max_steps=5, title="one").axes) == 5
    with pytest.raises(PomdpError, match="no episode 2"):
        pomdptool.plot(trace, episode=2)
    with pytest.raises(PomdpError, match="can be plotted as loglik, not 'value'"):
        pomdptool.plot(fit, "value")
    assert pomdptool.plot(TIGER).axes  # solves it


def test_plot_leaves_the_settings_of_matplotlib_alone(policy: pomdptool.SolvedPolicy) -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    pomdptool.plot(policy)
    assert dict(mpl.rcParams) == before


def test_beliefs_are_updated() -> None:
    b, p = pomdptool.update_belief(tiger(), tiger().start, 0, 0)
    assert b.tolist() == pytest.approx([0.85, 0.15])
    assert p == pytest.approx(0.5)
