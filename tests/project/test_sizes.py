"""Sizes that keep a module readable: files of at most 300 lines, function bodies of at most 50."""

from __future__ import annotations

import ast

import pytest

from samples import ROOT

MOST_LINES = 300
MOST_LINES_OF_A_BODY = 50
PACKAGE = ROOT / "pomdptool"
MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function's body without its docstring."""
    body = function.body
    if ast.get_docstring(function) is not None:
        body = body[1:]
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0  # type: ignore[operator]


@pytest.mark.parametrize("module", MODULES)
def test_files_and_functions_are_short(module: str) -> None:
    source = (PACKAGE / module).read_text(encoding="utf-8")
    assert source.count("\n") <= MOST_LINES
    functions = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    long = [f.name for f in functions if body_lines(f) > MOST_LINES_OF_A_BODY]
    assert long == []


def test_the_docstring_is_no_part_of_the_body() -> None:
    (function,) = ast.parse('def f():\n    """One.\n\n    Two."""\n    x = 1\n    return x\n').body
    assert isinstance(function, ast.FunctionDef)
    assert body_lines(function) == 2
