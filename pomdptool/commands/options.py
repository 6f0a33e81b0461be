"""Arguments and options that several commands share."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click
import numpy as np

from pomdptool.commands.click_help import Choice
from pomdptool.commands.numbers import MAX_STORED, MAX_THREADS, Real, Whole
from pomdptool.commands.paths import Input, ModelInput, Output
from pomdptool.commands.terminal import say
from pomdptool.formats.kinds import kind_of_path
from pomdptool.formats.models import WRITTEN_KINDS, WrittenKind

F = TypeVar("F", bound=Callable[..., Any])
K = TypeVar("K", bound=str)


EXISTING = Input()
"""A file to read."""

EXISTING_OR_INPUT = Input(allow_dash=True)
"""A file to read, or `-`."""

MODEL = ModelInput(allow_dash=True)
"""A model to read, or `-`."""


def piped(ctx: click.Context, param: click.Parameter, value: str | None) -> str:
    """Default to standard input unless it is a terminal."""
    if value is None and not ctx.resilient_parsing and sys.stdin.isatty():
        raise click.MissingParameter(ctx=ctx, param=param)
    return value or "-"


def piped_argument(name: str, metavar: str, file: Input = EXISTING_OR_INPUT) -> Callable[[F], F]:
    """A file to read, by default standard input."""
    return click.argument(name, metavar=f"[{metavar}]", type=file, required=False, callback=piped)


model_argument = piped_argument("path", "MODEL", MODEL)
"""The model of a command whose only input it is."""

first_model_argument = click.argument("path", metavar="MODEL", type=MODEL)
"""The model of a command that also reads a policy or data."""

policy_argument = click.argument("policy_file", metavar="POLICY", type=EXISTING)

from_option = click.option(
    "--from",
    "kind",
    type=Choice(["pomdp", "json", "pomdpx"]),
    help="Input format; by default detected from the content or the extension.",
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")

quiet_option = click.option(
    "-q", "--quiet", is_flag=True, help="Print only errors on standard error."
)

verbose_option = click.option("-v", "--verbose", is_flag=True, help="Print more detail.")
ignored_verbose_option = click.option(
    "-v", "--verbose", is_flag=True, expose_value=False, hidden=True
)
"""`-v` of commands without further output: accepted for one version, not shown."""


def _size(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """Parse a size such as `500M`, `1.5GB` or `4096` to bytes."""
    if value is None:
        return None
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) ?(?:([KMGT])(?:i?B)?|B)?", value, re.IGNORECASE)
    if not match:
        raise click.BadParameter(f"{value!r} is not a size such as 500M or 4G.", ctx, param)
    size = float(match[1]) * 1024.0 ** " KMGT".index((match[2] or " ").upper())
    if not 1.0 <= size < 2.0**63:
        raise click.BadParameter(f"{value!r} is out of range.", ctx, param)
    return int(size)


memory_option = click.option(
    "--memory",
    metavar="SIZE",
    callback=_size,
    help="Memory limit of the process, such as 500M or 4G (powers of 1024); when it is reached, "
    "the best result so far is returned. Default: half of the free memory.",
)


def output_kind(output: str | None, kinds: Mapping[str, K], expected: str, default: K) -> K:
    """Format of a result by its extension; the default for standard output and devices."""
    if output is None or output == "-":
        return default
    kind = kind_of_path(output, kinds)
    if kind is None and not (Path(output).exists() and not Path(output).is_file()):
        raise click.BadParameter(
            f"{output!r}: the extension must be {expected}", param_hint="'-o' / '--output'"
        )
    return kind or default


def output_option(help_text: str) -> Callable[[F], F]:
    """`-o FILE`."""
    file = Output(allow_dash=True)
    return click.option("-o", "--output", metavar="FILE", type=file, help=help_text)


model_output_option = output_option("Write the model to this file: .pomdp or .json, also .gz.")


def model_kind(output: str | None, hint: str = "") -> WrittenKind:
    """Format of a written model by its extension, by default .pomdp."""
    default: WrittenKind = "pomdp"
    return output_kind(output, WRITTEN_KINDS, f".pomdp or .json{hint}", default)


def collected(
    name: str, kind: type[Any], *options: Callable[[Any], Any]
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add options to a command, which gets them as one argument.

    Parameters
    ----------
    name
        Name of the argument.
    kind
        Dataclass of the argument; its fields have the names of the options.
    options
        The options in the order of the help, except those that the command has already.
    """
    names = [field.name for field in fields(kind)]

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def command(**values: Any) -> Any:
            values[name] = kind(**{key: values.pop(key) for key in names})
            return function(**values)

        for option in reversed(options):
            option(command)
        return command

    return decorate


def episodes_option(default: int) -> Callable[[F], F]:
    """`--episodes N`."""
    return click.option(
        "--episodes",
        metavar="N",
        type=Whole(),
        default=default,
        show_default=True,
        help="Number of episodes.",
    )


def steps_option(help_text: str, maximum: int = MAX_STORED) -> Callable[[F], F]:
    """`--steps H`."""
    return click.option("--steps", metavar="H", type=Whole(1, maximum), help=help_text)


time_limit_option = click.option(
    "--time-limit",
    metavar="SECONDS",
    type=Real(min=0.0),
    help="Time limit; when it is reached, the best result so far is returned.",
)

seed_option = click.option(
    "--seed",
    metavar="N",
    type=Whole(0, sys.maxsize),
    help="Random seed; drawn and printed if omitted.",
)

threads_option = click.option(
    "--threads",
    metavar="N",
    type=Whole(1, sys.maxsize),
    callback=lambda _ctx, _param, value: value and min(value, MAX_THREADS),
    help="Worker threads; default all cores. Results do not depend on it.",
)


def chosen_seed(seed: int | None, quiet: bool) -> int:
    """Return the seed, or draw and print one."""
    if seed is None:
        import secrets

        seed = secrets.randbelow(2**31)
        if not quiet:
            say(f"seed {seed}")
    return seed


def generator(seed: int | None, quiet: bool) -> np.random.Generator:
    """Return a generator with this seed, or with one drawn and printed."""
    return np.random.default_rng(chosen_seed(seed, quiet))
