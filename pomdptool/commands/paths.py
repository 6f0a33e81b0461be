"""Input and output files of commands.

Before a command runs, outputs are checked to be writable, to differ from each other, and to differ
from the inputs, except those that the command updates.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from pomdptool.errors import near_name
from pomdptool.formats.atomic import check_writable
from pomdptool.formats.resources import shipped_models


class Input(click.Path):
    """A file to read, `-` for standard input if allowed, or one of some other `words`."""

    def __init__(self, *, allow_dash: bool = False, words: tuple[str, ...] = ()) -> None:
        super().__init__(exists=True, dir_okay=False, allow_dash=allow_dash)
        self.words = words

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Check that the file exists."""
        return value if value in self.words else super().convert(value, param, ctx)


class ModelInput(Input):
    """A model to read; for a name without a file the error says where the model is."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Check that the file exists."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            hint = "" if os.access(value, os.F_OK) else _where_it_is(str(value))
            raise click.BadParameter(error.message + hint, ctx, param) from None


def _where_it_is(value: str) -> str:
    """A sentence that names the file or the shipped model that was probably meant, or nothing."""
    path = Path(value)
    name = path.name.removesuffix(".pomdp")
    here = {file.stem: file for file in path.parent.glob("*.pomdp")}
    shipped = shipped_models() if path.parent == Path() else {}
    near = name if name in here else near_name(name, {*here, *shipped})
    if near in here:
        return f" Did you mean {str(here[near])!r}?"
    if near is None:
        return ""
    return f" `pomdptool problem {near} -o {near}.pomdp` writes the model {near!r} that is shipped."


class Output(click.Path):
    """A file to write, or `-` for standard output if allowed."""

    def __init__(self, *, allow_dash: bool = False) -> None:
        super().__init__(dir_okay=False, allow_dash=allow_dash)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Check that the file is writable."""
        path = str(super().convert(value, param, ctx))
        if (self.allow_dash and path == "-") or (ctx is not None and ctx.resilient_parsing):
            return path
        if not path:
            self.fail("the file name is empty", param, ctx)
        try:
            check_writable(Path(path))
        except OSError as error:
            self.fail(f"{path!r} cannot be written: {error.strerror}", param, ctx)
        return path


def check_apart(command: click.Command, ctx: click.Context, updates: tuple[str, ...]) -> None:
    """Reject equal outputs, outputs that replace an input, and two uses of standard input.

    Parameters
    ----------
    updates
        Names of the inputs that `--output` may replace.
    """
    piped = [
        _label(param)
        for param in command.params
        if isinstance(param.type, Input) and ctx.params.get(param.name or "") == "-"
    ]
    if len(piped) > 1:
        raise click.UsageError(f"Only one of {' and '.join(piped)} can be standard input.", ctx)
    outputs = list(_files(command, ctx, Output))
    for k, (param, path) in enumerate(outputs):
        for other, other_path in outputs[:k]:
            if _same(path, other_path):
                options = f"{_label(other)} and {_label(param)}"
                raise click.UsageError(f"{options} would write to the same file, {path!r}.", ctx)
        for source, source_path in _files(command, ctx, Input):
            allowed = param.name == "output" and source.name in updates
            if not allowed and _same(path, source_path):
                message = f"{_label(param)} would replace {path!r}, the input {_label(source)}."
                raise click.UsageError(message, ctx)


def _files(
    command: click.Command, ctx: click.Context, kind: type[click.Path]
) -> Iterator[tuple[click.Parameter, str]]:
    """Parameters of a type, with each of their files."""
    for param in command.params:
        if isinstance(param.type, kind):
            value = ctx.params.get(param.name or "")
            for path in value if isinstance(value, tuple) else (value,):
                if path is not None and path != "-":
                    yield param, path


def _label(param: click.Parameter) -> str:
    """The long form of an option, or the name of an argument."""
    if isinstance(param, click.Option):
        return max(param.opts, key=len)
    return param.human_readable_name.strip("[]")


def _same(one: str, other: str) -> bool:
    """Whether two paths lead to the same regular file."""
    try:
        first, second = Path(one).stat(), Path(other).stat()
    except OSError:  # one does not exist yet
        return os.path.realpath(one) == os.path.realpath(other)
    return stat.S_ISREG(first.st_mode) and os.path.samestat(first, second)
