"""Help, suggestions and completion: what someone meets who does not know the commands yet."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner

import pomdptool
from models import ROOT
from pomdptool.commands import click_help as helping
from pomdptool.commands.main import COMMANDS, cli
from pomdptool.commands.problem import command as problem

COMPLETE = "_POMDPTOOL_COMPLETE"
LINES = [[], *([name] for name in COMMANDS), *(["problem", name] for name in problem.commands)]


def command_of(line: list[str]) -> click.Command:
    found: click.Command = cli
    for name in line:
        assert isinstance(found, click.Group)
        inner = found.get_command(click.Context(found), name)
        assert inner is not None
        found = inner
    return found


def help_of(line: list[str], monkeypatch: pytest.MonkeyPatch, columns: int) -> list[str]:
    monkeypatch.setenv("COLUMNS", str(columns))
    result = CliRunner().invoke(cli, [*line, "--help"], prog_name="pomdptool")
    assert result.exit_code == 0
    return result.output.splitlines()


@pytest.mark.parametrize("line", LINES, ids=" ".join)
def test_help_fits_a_screen(line: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    shown = help_of(line, monkeypatch, 80)
    assert max(map(len, shown)) < 80
    assert help_of(line, monkeypatch, 200) == shown
    assert shown[0].startswith(" ".join(["Usage: pomdptool", *line]))


@pytest.mark.parametrize("line", LINES, ids=" ".join)
def test_help_is_narrow_where_the_terminal_is(
    line: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = help_of(line, monkeypatch, 40)
    begin = next(k for k, text in enumerate(shown) if re.match("Examples?:", text))
    long = [text for text in shown[:begin] if len(text) >= 40]
    assert [text for text in long if not re.match(r"  -.*[\[|]", text)] == []  # its values


@pytest.mark.parametrize("line", LINES, ids=" ".join)
def test_options_are_grouped(line: list[str]) -> None:
    command = command_of(line)
    assert isinstance(command, (helping.Command, helping.Group))
    with command.make_context("x", [], resilient_parsing=True) as context:
        params = command.get_params(context)
        names = {param.name for param in params}
        for heading, parts in command.sections.items():
            assert set(parts) <= names, f"{heading} names what is no parameter"
        loose = re.search(r"^Options:\n((?: .*\n)*)", command.get_help(context), re.MULTILINE)
    assert len(re.findall("^  -", loose[1], re.MULTILINE) if loose else []) <= 6


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The problems, and what examples take from earlier commands."""
    made = tmp_path_factory.mktemp("examples")
    for path in (ROOT / "problems").iterdir():
        shutil.copy(path, made)
    model = pomdptool.load(made / "tiger.pomdp")
    pomdptool.dump(pomdptool.solve(model).policy, made / "tiger.json")
    rng = np.random.default_rng(1)
    pomdptool.dump(pomdptool.sample(model, episodes=50, steps=20, rng=rng), made / "data.csv")
    shutil.copy(made / "tiger.pomdp", made / "learned.pomdp")
    return made


@pytest.mark.parametrize("line", LINES, ids=" ".join)
def test_examples_work(line: list[str], folder: Path) -> None:
    command = command_of(line)
    assert isinstance(command, (helping.Command, helping.Group))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    for example in command.example.splitlines():
        assert " ".join(["pomdptool", *line]) in example
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", example],
            cwd=folder, env={**os.environ, "PATH": path}, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{example}\n{done.stderr}"
        made = re.search(r"(?:-o|>|--trace) (\S+)$", example)
        assert made is None or (folder / made[1]).stat().st_size > 0


def test_no_arguments_show_the_help(monkeypatch: pytest.MonkeyPatch) -> None:
    result = CliRunner().invoke(cli, [], prog_name="pomdptool")
    assert result.exit_code == 2
    shown = help_of([], monkeypatch, 80)
    assert result.output.splitlines() == shown
    for name in COMMANDS:
        assert any(text.startswith(f"  {name} ") for text in shown)


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("slove x", "Did you mean 'solve'?"),
        ("plto x", "Did you mean 'plot'?"),
        ("problem tigr", "Did you mean 'tiger'?"),
        ("solve tiger.pomdp --precison 1", "--precision"),
        ("solve tiger.pomdp --method exakt", "Did you mean 'exact'?"),
        ("simulate tiger.pomdp --planner pomcq", "Did you mean 'pomcp'?"),
        ("decode tiger.pomdp data.csv --method viterby", "Did you mean 'viterbi'?"),
        ("plot tiger.json --show grahp", "Did you mean 'graph'?"),
        ("completion bsh", "Did you mean 'bash'?"),
        ("help slove", "Did you mean 'solve'?"),
        ("help Formats", "Did you mean 'formats'?"),
        ("SOLVE tiger.pomdp", "Did you mean 'solve'?"),
        ("solve tiger.pomdp --PRECISION 1", "Did you mean '--precision'?"),
        ("solve tiger.pomdp --Precision 1", "Did you mean '--precision'?"),
        ("solve tiger.pomdp --method EXACT", "Did you mean 'exact'?"),
    ],
)
def test_the_near_name_is_suggested(
    line: str, hint: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    result = CliRunner().invoke(cli, line.split())
    assert result.exit_code == 2
    assert hint in result.output


def test_options_of_commands_are_told_from_those_of_the_program() -> None:
    result = CliRunner().invoke(cli, ["-v"])
    assert result.exit_code == 2
    assert "options follow its name" in result.output
    assert "`-V` prints the version" in result.output
    assert CliRunner().invoke(cli, ["-V"]).output == f"pomdptool, version {pomdptool.__version__}\n"


def test_a_far_name_is_not() -> None:
    result = CliRunner().invoke(cli, ["xyzzy"])
    assert result.exit_code == 2
    assert "Did you mean" not in result.output


@pytest.mark.parametrize("line", LINES, ids=" ".join)
def test_help_imports_nothing_heavy(line: list[str]) -> None:
    code = (
        f"import sys; sys.argv = ['pomdptool', *{line!r}, '--help']\n"
        "from pomdptool.commands.main import _run\n_run()\n"
        "print({'numba', 'scipy', 'matplotlib', 'highspy', 'pyarrow', 'rich'} & set(sys.modules))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], text=True, capture_output=True, check=True
    )
    assert loaded.stdout.endswith("set()\n")


# ------------------------------------------------------------ completion


def completed(folder: Path, *words: str) -> list[str]:
    """What bash would offer for the last word of a line."""
    code = (
        'eval "$(pomdptool completion bash)"; compopt() { COMPREPLY+=("<files>"); }; '
        f'COMP_WORDS=({" ".join(words)} ""); COMP_CWORD={len(words) - 1}; '
        '_pomdptool_completion pomdptool; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", code], cwd=folder, env={**os.environ, "PATH": path},
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stderr == ""
    return done.stdout.split()


def test_bash_completes_commands_options_values_and_files(folder: Path) -> None:
    assert completed(folder, "pomdptool", "so") == ["solve"]
    assert completed(folder, "pomdptool", "solve", "--meth") == ["--method"]
    assert completed(folder, "pomdptool", "solve", "--method", "s") == ["sarsop"]
    assert completed(folder, "pomdptool", "problem", "tit") == ["tit-for-two-tats"]
    assert completed(folder, "pomdptool", "help", "pol") == ["policies", "policy"]
    assert completed(folder, "pomdptool", "info", "ti") == ["<files>"]
    assert completed(folder, "pomdptool", "solve", "tiger.pomdp", "--resume", "ti") == ["<files>"]


@pytest.mark.parametrize(
    ("shell", "mark"),
    [
        ("bash", "complete -o nosort"),
        ("zsh", "#compdef pomdptool"),
        ("fish", "complete --no-files"),
    ],
)
def test_each_shell_has_a_script(shell: str, mark: str) -> None:
    result = CliRunner().invoke(cli, ["completion", shell])
    assert result.exit_code == 0
    assert mark in result.output
    assert f"{COMPLETE}={shell}_complete" in result.output
    own = CliRunner().invoke(cli, ["completion"], env={"SHELL": f"/usr/bin/{shell}"})
    assert own.output == result.output


def test_an_unknown_shell_is_asked_for() -> None:
    result = CliRunner().invoke(cli, ["completion"], env={"SHELL": "/bin/tcsh"})
    assert result.exit_code == 2
    assert "bash, zsh, fish" in result.output
