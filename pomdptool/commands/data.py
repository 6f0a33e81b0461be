"""Episodes as arguments of commands: the file, its columns, and what it means by its values."""

from __future__ import annotations

import csv
from collections.abc import Callable
from typing import Any, TypeVar

import click

from pomdptool.commands.click_help import Choice
from pomdptool.commands.models import open_model, warn
from pomdptool.commands.options import EXISTING_OR_INPUT, piped
from pomdptool.commands.progress import announce_compiling
from pomdptool.episodes import Episodes
from pomdptool.formats.files import Kind
from pomdptool.model import Model

F = TypeVar("F", bound=Callable[..., Any])

ROLES = {
    "episode": "Column of the episode.",
    "step": "Column of the step.",
    "action": "Column of the action.",
    "observation": "Column of the observation.",
    "reward": "Column of the reward.",
    "terminated": "Column that is 1 where an episode reached a terminal state.",
    "truncated": "Column that is 1 where an episode was cut off.",
}


def _listed(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[str, ...]:
    """Names that are separated by commas, quoted as in CSV where one has a comma itself."""
    if value is None:
        return ()
    names = next(csv.reader([value], skipinitialspace=True), [])
    if not names or "" in names:
        raise click.BadParameter(f"{value!r} has an empty name.", ctx, param)
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise click.BadParameter(f"{twice!r} occurs twice.", ctx, param)
    return tuple(names)


def _list_option(name: str, metavar: str, help_text: str) -> Callable[[F], F]:
    return click.option(name, metavar=metavar, callback=_listed, help=help_text)


data_argument = click.argument(
    "data",
    metavar="[DATA]",
    type=EXISTING_OR_INPUT,
    required=False,
    callback=piped,
)


def data_options(function: F) -> F:
    """Options of how data are read; they come as keywords of `open_episodes`."""
    for role, text in reversed(ROLES.items()):
        function = click.option(
            f"--{role}-column", metavar="NAME", help=f"{text}  [default: {role}]"
        )(function)
    options = (
        click.option(
            "--data-from",
            type=Choice(["csv", "tsv", "jsonl", "parquet"]),
            help="Format of the data; by default detected from its extension or first bytes.",
        ),
        _list_option(
            "--actions", "A,B", "Names of all actions; the data hold names, or indices from 0."
        ),
        _list_option("--observations", "A,B", "Names of all observations, in the same way."),
        _list_option(
            "--missing", "NA,-1", "Values that mean a missing observation, beside empty ones."
        ),
        click.option(
            "--gaps",
            type=Choice(["consecutive", "missing"]),
            default="consecutive",
            show_default=True,
            help="How to read gaps in the step numbers: consecutive ignores them, missing "
            "inserts steps "
            "with missing observations.",
        ),
        click.option(
            "--ends",
            type=Choice(["absorbing", "cut"]),
            help="How all episodes ended: absorbing, in a terminal state, or cut, in any state; "
            "overrides the columns terminated and truncated.",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


def open_episodes(
    path: str,
    like: Model | None,
    *,
    quiet: bool,
    data_from: Any = None,
    actions: tuple[str, ...] = (),
    observations: tuple[str, ...] = (),
    missing: tuple[str, ...] = (),
    gaps: Any = "consecutive",
    ends: Any = None,
    **columns: str | None,
) -> tuple[Episodes, tuple[str, ...]]:
    """Read episodes; warnings about them go to standard error, and are returned.

    Raises
    ------
    DataError
        If the file is no table of episodes.
    """
    from pomdptool.formats.tables import examined_episodes
    from pomdptool.formats.tables_conventions import Conventions
    from pomdptool.formats.tables_report import Columns

    names = {
        option.removesuffix("_column"): name for option, name in columns.items() if name is not None
    }
    conventions = Conventions(
        Columns(**names), frozenset(missing), actions or None, observations or None, gaps, ends
    )
    episodes, said = examined_episodes(path, conventions, like=like, kind=data_from)
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
