"""Options of commands that read data: the file, its columns and its conventions."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pomdptool.commands.click_help import Choice
from pomdptool.commands.models import open_model, warn
from pomdptool.commands.options import (
    collected,
    first_model_argument,
    from_option,
    ignored_verbose_option,
    piped_argument,
    quiet_option,
)
from pomdptool.commands.progress import announce_compiling
from pomdptool.episodes import Episodes
from pomdptool.formats.models import Kind
from pomdptool.model import Model

if TYPE_CHECKING:
    from pomdptool.formats.data.conventions import Ends, Gaps
    from pomdptool.formats.data.read import DataKind

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


def _names(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[str, ...]:
    """Names separated by commas, quoted as in CSV if they contain commas."""
    if value is None:
        return ()
    names = next(csv.reader([value], skipinitialspace=True), [])
    if not names or "" in names:
        raise click.BadParameter(f"{value!r} has an empty name.", ctx, param)
    if len(set(names)) < len(names):
        repeated = next(name for name in names if names.count(name) > 1)
        raise click.BadParameter(f"{repeated!r} occurs twice.", ctx, param)
    return tuple(names)


def _list_option(name: str, metavar: str, help_text: str) -> Callable[[F], F]:
    return click.option(name, metavar=metavar, callback=_names, help=help_text)


data_argument = piped_argument("data", "DATA")


@dataclass(frozen=True, slots=True)
class DataFormat:
    """The options of `data_options`."""

    data_from: DataKind | None
    actions: tuple[str, ...]
    observations: tuple[str, ...]
    missing: tuple[str, ...]
    gaps: Gaps
    ends: Ends | None
    episode_column: str | None
    step_column: str | None
    action_column: str | None
    observation_column: str | None
    reward_column: str | None
    terminated_column: str | None
    truncated_column: str | None

    @property
    def columns(self) -> dict[str, str]:
        """Names of the columns that are not the default ones."""
        named = {role: getattr(self, f"{role}_column") for role in ROLES}
        return {role: name for role, name in named.items() if name is not None}


data_options = collected(
    "data_format",
    DataFormat,
    click.option(
        "--data-from",
        type=Choice(["csv", "tsv", "jsonl", "parquet"]),
        help="Format of the data; by default detected from its extension or first bytes.",
    ),
    _list_option(
        "--actions", "A,B", "Names of all actions; the data hold these names or indices from 0."
    ),
    _list_option("--observations", "A,B", "Names of all observations, likewise."),
    _list_option(
        "--missing", "NA,-1", "Values that denote a missing observation; empty values always do."
    ),
    click.option(
        "--gaps",
        type=Choice(["consecutive", "missing"]),
        default="consecutive",
        show_default=True,
        help="Gaps in the step numbers: consecutive ignores them, missing inserts steps with "
        "missing observations.",
    ),
    click.option(
        "--ends",
        type=Choice(["absorbing", "cut"]),
        help="How all episodes ended: absorbing, in a terminal state; cut, in any state. "
        "Overrides the columns terminated and truncated.",
    ),
    *(
        click.option(f"--{role}-column", metavar="NAME", help=f"{text}  [default: {role}]")
        for role, text in ROLES.items()
    ),
)
"""Options of the format and conventions of the data."""


def open_episodes(
    path: str, like: Model | None, data_format: DataFormat, *, quiet: bool
) -> tuple[Episodes, tuple[str, ...]]:
    """Read episodes; print the warnings about them and return both.

    Raises
    ------
    DataError
        If the file is invalid.
    """
    from pomdptool.formats.data.conventions import Conventions
    from pomdptool.formats.data.read import read_with_warnings
    from pomdptool.formats.data.report import Columns

    conventions = Conventions(
        Columns(**data_format.columns),
        frozenset(data_format.missing),
        data_format.actions or None,
        data_format.observations or None,
        data_format.gaps,
        data_format.ends,
    )
    episodes, warnings = read_with_warnings(
        path, conventions, like=like, kind=data_format.data_from
    )
    warn(warnings, quiet=quiet)
    return episodes, warnings


@dataclass(frozen=True, slots=True)
class ModelAndData:
    """The arguments and options of `model_and_data`."""

    path: str
    data: str
    kind: Kind | None
    data_format: DataFormat
    quiet: bool

    def read(self) -> tuple[Model, Episodes]:
        """Read the model, and the episodes with its names.

        Raises
        ------
        FormatError, DataError
            If a file is invalid.
        """
        model = open_model(self.path, self.kind, quiet=self.quiet)
        episodes, _ = open_episodes(self.data, model, self.data_format, quiet=self.quiet)
        if not self.quiet:
            announce_compiling()
        return model, episodes


def model_and_data(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the arguments MODEL and DATA with their options, passed as `files`."""
    command = data_options(collected("files", ModelAndData)(function))
    for add in (ignored_verbose_option, quiet_option, from_option, data_argument):
        add(command)
    first_model_argument(command)
    return command
