"""Former spellings of options and keywords: accepted for one version, shown nowhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner, Result

import pomdptool
from models import ROOT, tiger
from pomdptool.commands.aliases import Renamed
from pomdptool.commands.main import COMMANDS, cli
from pomdptool.deprecation import renamed

TIGER = str(ROOT / "problems" / "tiger.pomdp")
MAZE = str(ROOT / "problems" / "maze-4x3.pomdp")
RENAMED = {
    ("solve", "--pruning"): "--algorithm",
    ("solve", "--full-set"): "--full-simplex",
    ("solve", "--all-stages"): "--all-horizons",
    ("plot", "--what"): "--show",
    ("decode", "--what"): "--show",
    ("simulate", "--leaf"): "--leaf-values",
}


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, list(words), standalone_mode=False)


def command_of(name: str) -> click.Command:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    return command


def test_these_options_have_former_spellings() -> None:
    found = {
        (name, param.former): param.opts[0]
        for name in COMMANDS
        for param in command_of(name).params
        if isinstance(param, Renamed)
    }
    assert found == RENAMED


@pytest.mark.parametrize(("name", "former"), RENAMED)
def test_former_spellings_are_shown_nowhere(name: str, former: str) -> None:
    shown = CliRunner().invoke(cli, [name, "--help"]).output
    assert RENAMED[name, former] in shown
    assert f"{former} " not in shown
    completions = ShellComplete(cli, {}, "pomdptool", "X").get_completions([name], former)
    assert former not in [completion.value for completion in completions]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("aliases")
    assert run("solve", TIGER, "-q", "-o", str(made / "p.json")).exit_code == 0
    (made / "d.csv").write_text("action,observation\nlisten,hear-left\n", encoding="utf-8")
    return made


@pytest.mark.parametrize(
    ("words", "former", "value"),
    [
        (["solve", MAZE, "--horizon", "4", "-q"], "--pruning", "witness"),
        (["solve", MAZE, "--horizon", "4", "-q"], "--full-set", None),
        (["solve", MAZE, "--horizon", "4", "-q"], "--all-stages", None),
        (["plot", "p.json"], "--what", "graph"),
        (["decode", TIGER, "d.csv"], "--what", "outputs"),
        (["simulate", TIGER, "--episodes", "2", "--steps", "3", "--sims", "9", "--seed", "1",
          "--json"], "--leaf", "p.json"),
    ],
)  # fmt: skip
def test_former_spellings_work_in_every_position(
    words: list[str], former: str, value: str | None, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    new = RENAMED[words[0], former]
    rest = [] if value is None else [value]
    expected = without_times(run(*words, new, *rest))
    first = [words[0], former, *rest, *words[1:]]
    for line in ([*words, former, *rest], first, [*words, "=".join([former, *rest])]):
        assert without_times(run(*line)) == expected
    assert without_times(run(*words)) != expected


def without_times(result: Result) -> object:
    assert result.exit_code == 0
    try:
        document = json.loads(result.stdout)
    except ValueError:
        return result.stdout
    for key in ("stats", "trace", "seconds", "sims_per_second"):
        document.pop(key, None)
    return document


def test_the_last_of_both_spellings_counts(folder: Path) -> None:
    words = ["decode", TIGER, str(folder / "d.csv")]
    states, outputs = run(*words).stdout, run(*words, "--show", "outputs").stdout
    assert states != outputs
    assert run(*words, "--show", "outputs", "--what", "states").stdout == states
    assert run(*words, "--what", "states", "--show", "outputs").stdout == outputs


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--what"], "Option '--show' requires an argument."),
        (["--what", "nothing"], "Invalid value for '--show': 'nothing' is not one of"),
        (["--full-set=1"], "Option '--full-simplex' does not take a value."),
        (["--wat", "states"], "No such option '--wat'."),
    ],
)
def test_errors_name_the_new_spelling(words: list[str], message: str, folder: Path) -> None:
    data = str(folder / "d.csv")
    line = ["solve", TIGER] if words[0].startswith("--full") else ["decode", TIGER, data]
    result = CliRunner().invoke(cli, [*line, *words])
    assert result.exit_code == 2
    assert message in result.stderr
    assert "--what" not in result.stderr


def test_former_keywords_are_accepted_with_a_warning() -> None:
    model = tiger()
    keywords: list[tuple[str, str, Any]] = [
        ("pruning", "algorithm", "witness"),
        ("full_set", "full_simplex", True),
        ("all_stages", "all_horizons", True),
    ]
    for old, new, value in keywords:
        expected = pomdptool.solve(model, horizon=3, **{new: value}).policy
        with pytest.warns(DeprecationWarning, match=f"{old}= is now {new}=") as caught:
            policy = pomdptool.solve(model, horizon=3, **{old: value}).policy
        assert caught[0].filename == __file__
        assert policy.bounds == expected.bounds
        assert len(policy.stages) == len(expected.stages)
    values = pomdptool.solve(model).policy
    with pytest.warns(DeprecationWarning, match="leaf= is now leaf_values="):
        planner = pomdptool.Pomcp(model, leaf=values)  # type: ignore[call-arg]
    assert planner.leaf_values is values


def test_a_keyword_is_not_given_twice() -> None:
    @renamed(old="new")
    def double(new: int) -> int:
        return 2 * new

    assert double(new=2) == double(2) == 4
    with (
        pytest.warns(DeprecationWarning, match="old="),
        pytest.raises(TypeError, match="new= is given twice, once by its former name old="),
    ):
        double(new=1, old=2)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    "name", ["act", "compare", "decode", "evaluate", "loglik", "plot", "sample", "problem"]
)
def test_verbose_is_accepted_but_not_shown_where_it_has_no_effect(name: str) -> None:
    command = command_of(name)
    if isinstance(command, click.Group):
        command = command.commands["tiger"]
    context = command.make_context(name, ["-v"], resilient_parsing=True)
    assert "verbose" not in context.params
    assert "--verbose" not in command.get_help(context)
