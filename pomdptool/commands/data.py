"""Episodes as arguments of commands: the file and its columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from pomdptool.commands.help import Choice
from pomdptool.commands.models import open_model, warn
from pomdptool.commands.options import EXISTING_OR_INPUT, piped
from pomdptool.commands.progress import announce_compiling
from pomdptool.episodes import Episodes
from pomdptool.formats.files import Kind
from pomdptool.model import Model

F = TypeVar("F", bound=Callable[..., Any])

ROLES = ("episode", "step", "action", "observation", "reward")

data_argument = click.argument(
    "data",
    metavar="[DATA]",
    type=EXISTING_OR_INPUT,
    required=False,
    callback=piped,
)


def data_options(function: F) -> F:
    """`--data-from`, and what the columns are called; they come as keywords of `open_episodes`."""
    for role in reversed(ROLES):
        function = click.option(
            f"--{role}-column", metavar="NAME", help=f"Column of the {role}.  [default: {role}]"
        )(function)
    return click.option(
        "--data-from",
        type=Choice(["csv", "tsv", "jsonl", "parquet"]),
        help="Format of the data; by default known by its extension or first bytes.",
    )(function)


def open_episodes(
    path: str,
    like: Model | None,
    *,
    quiet: bool,
    data_from: Any = None,
    **columns: str | None,
) -> tuple[Episodes, tuple[str, ...]]:
    """Read episodes; warnings about them go to standard error, and are returned.

    Raises
    ------
    DataError
        If the file is no table of episodes.
    """
    from pomdptool.formats.tables import examined_episodes
    from pomdptool.formats.tables_report import Columns

    names = {
        option.removesuffix("_column"): name for option, name in columns.items() if name is not None
    }
    episodes, said = examined_episodes(path, columns=Columns(**names), like=like, kind=data_from)
    warn(said, quiet=quiet)
    return episodes, said


def open_both(
    model: str, kind: Kind | None, data: str, *, quiet: bool, **columns: Any
) -> tuple[Model, Episodes]:
    """Read a model, and episodes in its terms.

    Raises
    ------
    FormatError, DataError
        If a file is not what it should be.
    """
    read = open_model(model, kind, quiet=quiet)
    episodes, _ = open_episodes(data, read, quiet=quiet, **columns)
    if not quiet:
        announce_compiling()
    return read, episodes
