"""Arguments and options that several commands share, spelled once."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])
K = TypeVar("K", bound=str)


def piped(ctx: click.Context, param: click.Parameter, value: str | None) -> str:
    """Without a file, read standard input where something else than a terminal feeds it."""
    if value is None:
        if ctx.resilient_parsing:
            return "-"
        if sys.stdin is None or sys.stdin.isatty():
            raise click.MissingParameter(ctx=ctx, param=param)
        return "-"
    return value


model_argument = click.argument(
    "path",
    metavar="[MODEL]",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    required=False,
    callback=piped,
)

from_option = click.option(
    "--from",
    "kind",
    type=click.Choice(["pomdp", "json"]),
    help="Format of the input; by default known by its extension or first character.",
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")

quiet_option = click.option(
    "-q", "--quiet", is_flag=True, help="Nothing on standard error but errors."
)

verbose_option = click.option("-v", "--verbose", is_flag=True, help="Say more.")


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
    help="Stop with the best so far when the process holds more, such as 500M or 4G (powers of "
    "1024); by default when it takes half of what is free.",
)


def output_kind(output: str | None, kind_of: Callable[[str], K | None], what: str, default: K) -> K:
    """Format that a result is written in: by the output's extension, else the default.

    Without an extension that names a format, only standard output and devices take a result.
    """
    if output is None or output == "-":
        return default
    if not Path(output).absolute().parent.is_dir():
        message = f"{output!r}: there is no such folder"
        raise click.BadParameter(message, param_hint="'-o' / '--output'")
    kind = kind_of(output)
    if kind is None and not (Path(output).exists() and not Path(output).is_file()):
        raise click.BadParameter(f"{output!r}: {what}", param_hint="'-o' / '--output'")
    return kind or default


def output_option(help_text: str) -> Callable[[F], F]:
    """`-o FILE`, with what may be written."""
    return click.option(
        "-o",
        "--output",
        metavar="FILE",
        type=click.Path(dir_okay=False, allow_dash=True),
        help=help_text,
    )
