"""`convert` of policies, policies carried to another model, and the hint that nothing was saved."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from numpy.testing import assert_array_equal

import pomdptool as pt
from models import tiger
from pomdptool.commands.main import cli
from processes import on_terminal


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("convert")
    model = tiger()
    pt.dump(model, folder / "m.pomdp")
    pt.dump(tiger(discount=0.9), folder / "other.pomdp")
    pt.dump(pt.solve(model), folder / "p.json")
    return folder


def run(*args: object, code: int = 0) -> Result:
    result = CliRunner().invoke(cli, list(map(str, args)))
    assert (result.exit_code == 0) == (code == 0), result.output
    return result


@pytest.mark.parametrize("end", ["alpha", "policy", "pg", "dot", "json", "alpha.gz"])
def test_a_policy_is_written_as_dump_writes_it(folder: Path, tmp_path: Path, end: str) -> None:
    run("convert", folder / "p.json", "-o", tmp_path / f"a.{end}")
    policy = pt.load_policy(folder / "p.json")
    pt.dump(policy, tmp_path / f"b.{end}")
    assert (tmp_path / f"a.{end}").read_bytes() == (tmp_path / f"b.{end}").read_bytes()


def test_other_formats_need_the_model(folder: Path, tmp_path: Path) -> None:
    alpha = tmp_path / "p.alpha"
    run("convert", folder / "p.json", "-o", alpha)
    assert "use --model MODEL" in str(run("convert", alpha, code=1).exception)
    run("convert", alpha, "--model", folder / "m.pomdp", "-o", tmp_path / "again.json")
    first, again = (pt.load_policy(f) for f in (folder / "p.json", tmp_path / "again.json"))
    for a, b in zip(first.values.rows(), again.values.rows(), strict=True):
        assert_array_equal(a.values, b.values)


def test_a_graph_is_evaluated_in_the_model(folder: Path, tmp_path: Path) -> None:
    run("convert", folder / "p.json", "-o", tmp_path / "p.pg")
    run("convert", tmp_path / "p.pg", "--model", folder / "m.pomdp", "-o", tmp_path / "again.json")
    assert pt.load_policy(tmp_path / "again.json").value([0.5, 0.5]) == pytest.approx(19.3714, 1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["p.json", "--to", "pomdp"], "--to pomdp is for models; this is a policy."),
        (["m.pomdp", "--to", "dot"], "--to dot is for policies; this is a model."),
        (["p.json", "-o", "x.foo"], "the extension must be .json, .alpha"),
    ],
)
def test_formats_of_the_other_kind_are_refused(
    folder: Path, arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    assert message in run("convert", *arguments, code=2).output


@pytest.mark.parametrize("command", ["simulate", "sample", "evaluate"])
def test_a_policy_of_another_model_is_carried_over(folder: Path, command: str) -> None:
    options = ["--episodes", 20, "--seed", 1]
    if command == "sample":
        arguments = [command, folder / "other.pomdp", "--policy", folder / "p.json", *options]
    elif command == "simulate":
        policy = folder / "p.json"
        arguments = [
            command, folder / "other.pomdp", "--policy", policy, "--compare", policy, *options,
        ]  # fmt: skip
    else:
        arguments = [command, folder / "other.pomdp", folder / "p.json", *options]
    shown = run(*arguments)
    assert "note: the policy is for another model; its graph is followed" in shown.stderr


def test_a_terminal_hears_that_nothing_was_saved(folder: Path) -> None:
    shown = on_terminal("solve", folder / "m.pomdp")
    assert "nothing was saved; `-o m.json` saves the policy" in " ".join(shown.split())
    assert "nothing was saved" not in on_terminal("solve", folder / "m.pomdp", "-q")
    assert "nothing was saved" not in run("solve", folder / "m.pomdp").stderr
