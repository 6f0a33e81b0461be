"""Arguments and options that several commands share, spelled once."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click
import numpy as np

from pomdptool.commands.help import Choice
from pomdptool.commands.numbers import MOST_KEPT, MOST_THREADS, Real, Whole
from pomdptool.commands.paths import Input, Output
from pomdptool.commands.terminal import say
from pomdptool.formats.kinds import kind_of_path

F = TypeVar("F", bound=Callable[..., Any])
K = TypeVar("K", bound=str)


EXISTING = Input()
"""A file to read."""

EXISTING_OR_INPUT = Input(allow_dash=True)
"""A file to read, or `-`."""


def piped(ctx: click.Context, param: click.Parameter, value: str | None) -> str:
    """Without a file, read standard input where something else than a terminal feeds it."""
    if value is None:
        if ctx.resilient_parsing:
            return "-"
        if sys.stdin.isatty():
            raise click.MissingParameter(ctx=ctx, param=param)
        return "-"
    return value


model_argument = click.argument(
    "path",
    metavar="[MODEL]",
    type=EXISTING_OR_INPUT,
    required=False,
    callback=piped,
)

from_option = click.option(
    "--from",
    "kind",
    type=Choice(["pomdp", "json", "pomdpx"]),
    help="Format of the input; by default detected from its text, else from its extension.",
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")

quiet_option = click.option(
    "-q", "--quiet", is_flag=True, help="Print only errors on standard error."
)

verbose_option = click.option("-v", "--verbose", is_flag=True, help="Print more detail.")
nothing_more_option = click.option("-v", "--verbose", is_flag=True, expose_value=False, hidden=True)


def _size(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """Bytes that a size such as `500M`, `1.5GB` or `4096` means."""
    if value is None:
        return None
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) ?(?:([KMGT])(?:i?B)?|B)?", value, re.IGNORECASE)
    if not match:
        raise click.BadParameter(f"{value!r} is not a size such as 500M or 4G.", ctx, param)
    size = float(match[1]) * 1024.0 ** " KMGT".index((match[2] or " ").upper())
    if not 1.0 <= size < 2.0**63:
        raise click.BadParameter(f"{value!r} is not a size that a memory can have.", ctx, param)
    return int(size)


memory_option = click.option(
    "--memory",
    metavar="SIZE",
    callback=_size,
    help="Memory limit of the process, such as 500M or 4G (powers of 1024); at the limit the best "
    "result so far is returned. Default: half of the free memory.",
)


def output_kind(output: str | None, kinds: Mapping[str, K], what: str, default: K) -> K:
    """Format that a result is written in: by the output's extension, else the default.

    Without an extension that names a format, only standard output and devices take a result.
    """
    if output is None or output == "-":
        return default
    kind = kind_of_path(output, kinds)
    if kind is None and not (Path(output).exists() and not Path(output).is_file()):
        raise click.BadParameter(f"{output!r}: {what}", param_hint="'-o' / '--output'")
    return kind or default


def output_option(help_text: str) -> Callable[[F], F]:
    """`-o FILE`, with what may be written."""
    return click.option(
        "-o",
        "--output",
        metavar="FILE",
        type=Output(allow_dash=True),
        help=help_text,
    )


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


def steps_option(help_text: str, most: int = MOST_KEPT) -> Callable[[F], F]:
    """`--steps H`, with its default."""
    return click.option("--steps", metavar="H", type=Whole(1, most), help=help_text)


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
    callback=lambda _ctx, _param, value: value and min(value, MOST_THREADS),
    help="Worker threads; default all cores. Results do not depend on it.",
)


def chosen_seed(seed: int | None, quiet: bool) -> int:
    """The seed asked for, or one chosen, which is said on standard error."""
    if seed is None:
        import secrets

        seed = secrets.randbelow(2**31)
        if not quiet:
            say(f"seed {seed}")
    return seed


def generator(seed: int | None, quiet: bool) -> np.random.Generator:
    """Random numbers from the seed asked for, or from one chosen."""
    return np.random.default_rng(chosen_seed(seed, quiet))
