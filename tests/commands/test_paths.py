"""Files that cannot be written, or not both, are found before the work: exit code 2."""

from __future__ import annotations

import os
import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import pomdptool
from command_cases import CASES
from models import tiger
from pomdptool.commands.main import cli
from pomdptool.commands.paths import Input, Output
from processes import call


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    model = tiger()
    pomdptool.dump(model, tmp_path / "m.json")
    pomdptool.dump(pomdptool.solve(model, "exact").policy, tmp_path / "p.json")
    (tmp_path / "d.csv").write_text("action,observation\nlisten,hear-left\n")
    (tmp_path / "x.map").write_text("G..\n")
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "link.json").symlink_to("m.json")
    os.link(tmp_path / "m.json", tmp_path / "hard.json")
    (tmp_path / "new-link.json").symlink_to("new.json")
    return tmp_path


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def refused(folder: Path, *args: str) -> str:
    """What is said of a wrong usage; no file has changed."""
    before = content(folder)
    code, out, err = call(folder, *args)
    assert (code, out) == (2, b""), err
    assert content(folder) == before
    return err


FIT = ["fit", "d.csv", "--states", "1", "--seed", "1"]
SIMULATE = ["simulate", "m.json", "--policy", "p.json", "--seed", "1", "--episodes", "2"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([*FIT, "-o", "x.json", "--report", "x.json"], "--output and --report"),
        ([*FIT, "-o", "./x.json", "--report", "folder.json/../x.json"], "the same file"),
        ([*FIT, "-o", "new.json", "--report", "new-link.json"], "the same file"),
        ([*FIT, "-o", "hard.json", "--report", "m.json"], "the same file"),
        ([*SIMULATE, "-o", "x.json", "--trace", "x.json"], "--output and --trace"),
        (["solve", "m.json", "-o", "m.json"], "--output would replace 'm.json', the input MODEL"),
        (["solve", "m.json", "-o", "link.json"], "would replace"),
        (["solve", "link.json", "-o", "m.json"], "would replace"),
        (["solve", "m.json", "-o", "hard.json"], "would replace"),
        ([*SIMULATE, "--trace", "p.json"], "--trace would replace 'p.json', the input --policy"),
        ([*SIMULATE, "-o", "p.json"], "would replace"),
        ([*SIMULATE, "--compare", "p.json", "-o", "p.json"], "would replace"),
        (["simulate", "m.json", "--rollout", "p.json", "-o", "p.json"], "the input --rollout"),
        ([*FIT, "--report", "d.csv"], "--report would replace 'd.csv'"),
        ([*FIT, "--init", "m.json", "--report", "m.json"], "the input --init"),
        (["simulate", "m.json", "--rollout", "none.json"], "does not exist"),
    ],
)
def test_no_file_is_lost(args: list[str], message: str, folder: Path) -> None:
    assert message in refused(folder, *args)


def test_what_is_brought_up_to_date_may_be_replaced(folder: Path) -> None:
    assert call(folder, "convert", "m.json", "-o", "m.json")[0] == 0
    assert call(folder, *FIT[:2], "--init", "m.json", "-o", "m.json", "-q")[0] == 0
    assert call(folder, "convert", "m.json", "-o", "/dev/null", "--to", "json")[0] == 0


@pytest.mark.parametrize(
    "args",
    [
        ["loglik", "-", "d.csv"],
        ["decode", "-", "d.csv"],
        ["evaluate", "-", "p.json", "--episodes", "9", "--seed", "1", "--json"],
        ["compare", "-", "m.json", "--episodes", "9", "--steps", "3", "--seed", "1", "--json"],
        ["compare", "m.json", "-", "--episodes", "9", "--steps", "3", "--seed", "1", "--json"],
    ],
)
def test_the_model_may_be_standard_input(
    args: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    text = (folder / "m.json").read_text()
    piped = CliRunner().invoke(cli, [*args, "-q"], input=text)
    assert piped.exit_code == 0, piped.output
    named = ["m.json" if arg == "-" else arg for arg in args]
    assert CliRunner().invoke(cli, [*named, "-q"]).stdout == piped.stdout


@pytest.mark.parametrize(
    ("args", "names"),
    [
        (["loglik", "-", "-"], "MODEL and DATA"),
        (["decode", "-"], "MODEL and DATA"),
        (["compare", "-", "-"], "TRUE and LEARNED"),
    ],
)
def test_only_one_file_is_standard_input(args: list[str], names: str, folder: Path) -> None:
    message = f"Only one of {names} can be standard input."
    assert message in refused(folder, *args)


def test_devices_take_two_results(folder: Path) -> None:
    assert call(folder, *FIT, "-o", "/dev/null", "--report", "/dev/null")[0] == 0


def outputs() -> list[tuple[str, str]]:
    """Every option of every command that names a file to write."""
    found = []
    for name in cli.list_commands(click.Context(cli)):
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        inner = command.commands if isinstance(command, click.Group) else {"": command}
        for part, one in inner.items():
            found += [
                (f"{name} {part}".strip(), max(param.opts, key=len))
                for param in one.params
                if isinstance(param.type, click.Path) and not isinstance(param.type, Input)
            ]
    return found


USUAL = {
    "problem rocksample": ["--size", "2", "--rocks", "1"], "problem maze": ["x.map"],
    "convert": ["m.json"], "solve": ["m.json"], "simulate": ["m.json"], "sample": ["m.json"],
    "plot": ["p.json"], "fit": FIT[1:],
}  # fmt: skip


def test_every_file_that_is_written_is_an_output() -> None:
    for name, option in outputs():
        command = cli.get_command(click.Context(cli), name.split()[0])
        if isinstance(command, click.Group):
            command = command.commands[name.split()[1]]
        assert command is not None
        (param,) = [param for param in command.params if option in param.opts]
        assert isinstance(param.type, Output), (name, option)
    assert {name.split()[0] for name, _ in outputs()} <= set(CASES)


@pytest.mark.parametrize(("name", "option"), outputs())
@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("", "empty"),
        ("/proc/x.json", "cannot be written"),
        ("n" * 300 + ".json", "File name too long"),
        ("folder.json", "is a directory"),
        ("none/x.json", "no such folder"),
        ("m.json/x.json", "cannot be written"),
    ],
)
def test_what_cannot_be_written_is_found_before_the_work(
    name: str, option: str, path: str, message: str, folder: Path
) -> None:
    err = refused(folder, *name.split(), *USUAL.get(name, []), option, path)
    assert re.search(rf"^Error: Invalid value for .*{message}", err, re.MULTILINE)


def test_a_folder_that_may_not_be_written(folder: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    (folder / "closed").mkdir(mode=0o555)
    assert "Permission denied" in refused(folder, "convert", "m.json", "-o", "closed/x.json")
