"""What CONTRIBUTING.md asks of a new command or solver, beside its code: each message says what is
missing. `test_api.py` asks for the function in Python, `test_method_contract.py` for the bounds.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

import pomdptool
from models import ROOT
from pomdptool.commands.main import COMMANDS, SECTIONS, cli
from pomdptool.solving.solve import METHODS

PACKAGE = ROOT / "pomdptool"
TABLES = {"test_extensions.py", "test_api.py", "test_method_contract.py"}
"""Tests over all commands or methods, which do not test one of them for its own sake."""

every_command = pytest.mark.parametrize("name", COMMANDS)
every_method = pytest.mark.parametrize("method", METHODS)


def command_of(name: str) -> click.Command:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    return command


def strings_of(node: ast.AST) -> Iterator[str]:
    """Text of string literals, of formatted ones the part before the first field."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr) and node.values:
        yield from strings_of(node.values[0])


def command_lines(source: str) -> Iterator[str]:
    """First words of strings that begin a list, a tuple or a call, as command lines do."""
    for node in ast.walk(ast.parse(source)):
        items: list[ast.expr] = []
        if isinstance(node, (ast.List, ast.Tuple)):
            items = node.elts[:1]
        elif isinstance(node, ast.Call):
            items = node.args[:1]
        elif isinstance(node, ast.Attribute) and node.attr == "split":
            items = [node.value]
        for item in items:
            for text in strings_of(item):
                yield text.partition(" ")[0]


def words(source: str) -> Iterator[str]:
    """Words of all strings that are no docstrings."""
    tree = ast.parse(source)
    documents = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        for text in strings_of(node) if node not in documents else ():
            yield from text.split()


@cache
def names_in_tests(kind: str) -> frozenset[str]:
    """Names of commands that are run by tests, or of methods that are named there."""
    found: set[str] = set()
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        if path.name in TABLES:
            continue
        source = path.read_text(encoding="utf-8")
        if kind == "methods":
            found.update(words(source))
        elif re.search(r"CliRunner|subprocess|import run\b", source):
            found.update(command_lines(source))
    return frozenset(found)


# ---------------------------------------------------------------- commands


def defines_command(path: Path) -> bool:
    """Whether a module of `commands` has a function `command`."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return any(isinstance(node, ast.FunctionDef) and node.name == "command" for node in body)


@pytest.mark.parametrize("path", sorted((PACKAGE / "commands").rglob("*.py")), ids=lambda p: p.stem)
def test_a_command_is_listed(path: Path) -> None:
    assert not defines_command(path) or path.stem in COMMANDS, (
        f"{path.relative_to(ROOT)} defines a command: list {path.stem!r} with a summary in "
        "SECTIONS of pomdptool/commands/main.py"
    )


@every_command
def test_a_command_has_a_summary(name: str) -> None:
    summary = next(section[name] for section in SECTIONS.values() if name in section)
    assert re.fullmatch(r"[A-Z].{8,60}\.", summary), (
        f"SECTIONS of pomdptool/commands/main.py: the summary of {name!r} must be one sentence "
        f"that fits in a line, not {summary!r}"
    )


@every_command
def test_a_command_has_help(name: str) -> None:
    assert command_of(name).help, (
        f"pomdptool/commands/{name}.py: `command` has no docstring, its help text"
    )


@every_command
def test_a_command_has_an_example(name: str) -> None:
    example = getattr(command_of(name), "example", "")
    assert f"pomdptool {name}" in example, (
        f"pomdptool/commands/{name}.py: `command` has no example: "
        f'@click.command(cls=Command, example="pomdptool {name} ...")'
    )


@every_command
def test_every_option_has_help(name: str) -> None:
    for param in command_of(name).params:
        if isinstance(param, click.Option) and not param.hidden:
            assert param.help, (
                f"pomdptool/commands/{name}.py: the option {param.opts[-1]} has no help"
            )


@every_command
def test_a_command_is_run_by_a_test(name: str) -> None:
    assert name in names_in_tests("commands"), (
        f"no test runs the command {name!r}: add one, such as "
        f'CliRunner().invoke(cli, ["{name}", ...])'
    )


# ---------------------------------------------------------------- methods of solve


@every_method
def test_a_method_is_in_the_help(method: str) -> None:
    option = next(param for param in command_of("solve").params if param.name == "method")
    assert isinstance(option, click.Option)
    assert re.search(rf"\b{re.escape(method)}\b", option.help or ""), (
        f"the help of --method in pomdptool/commands/solve.py does not say what {method!r} is"
    )


@every_method
def test_a_method_is_in_the_docstring_of_solve(method: str) -> None:
    assert f'"{method}"' in (pomdptool.solve.__doc__ or ""), (
        f"the docstring of solve does not name the method {method!r}"
    )


@every_method
def test_a_method_has_tests(method: str) -> None:
    assert method in names_in_tests("methods"), (
        f"no test names the method {method!r}: add a test_{method}.py"
    )


# ---------------------------------------------------------------- the tests themselves


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ('runner.invoke(cli, ["solve", "-q"])', {"solve"}),
        ('run("info", path)', {"info"}),
        ('run(f"fit {path} --states 2")', {"fit"}),
        ('line = f"plot {path} -q"\nrun(*line.split())', set()),
        ('run(*"plot x".split())', {"plot"}),
        ('x = "sample"', set()),
    ],
)
def test_command_lines_are_recognised(source: str, names: set[str]) -> None:
    assert set(command_lines(source)) == names
