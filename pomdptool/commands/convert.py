"""`pomdptool convert`: a model in another format."""

from __future__ import annotations

import click

from pomdptool.commands.help import Choice, Command
from pomdptool.commands.models import open_model, warn, write_result
from pomdptool.commands.options import (
    from_option,
    model_argument,
    output_kind,
    output_option,
    quiet_option,
    verbose_option,
)
from pomdptool.commands.terminal import say
from pomdptool.formats.files import WRITTEN_KINDS, Kind, WrittenKind, encode_model


@click.command(
    cls=Command, updates=("path",), example="pomdptool convert tiger.pomdp -o tiger.json.gz"
)
@model_argument
@output_option("Write here: .pomdp or .json, also with .gz.")
@click.option(
    "--to",
    "target",
    type=Choice(["pomdp", "json"]),
    help="Format to write; by default the output's extension, else .pomdp.",
)
@from_option
@quiet_option
@verbose_option
def command(
    path: str,
    output: str | None,
    target: WrittenKind | None,
    kind: Kind | None,
    quiet: bool,
    verbose: bool,
) -> None:
    """Write a model in another format; every float reads back bit for bit."""
    what = "a model is written as .pomdp or .json (or give --to)"
    usual: WrittenKind = "pomdp"
    if target is None:
        target = output_kind(output, WRITTEN_KINDS, what, usual)
    text, said = encode_model(open_model(path, kind, quiet=quiet), target)
    write_result(text, output)
    if verbose and not quiet:
        say(f"{len(text)} characters of {target} written")
    warn(said, quiet=quiet)
