"""`pomdptool convert`: convert a model to another format."""

from __future__ import annotations

import click

from pomdptool.commands.click_help import Choice, Command
from pomdptool.commands.models import open_model, warn, write_result
from pomdptool.commands.options import (
    from_option,
    model_argument,
    model_kind,
    model_output_option,
    quiet_option,
    verbose_option,
)
from pomdptool.commands.terminal import say
from pomdptool.formats.models import Kind, WrittenKind, encode_model


@click.command(
    cls=Command, updates=("path",), example="pomdptool convert tiger.pomdp -o tiger.json.gz"
)
@model_argument
@model_output_option
@click.option(
    "--to",
    "target",
    type=Choice(["pomdp", "json"]),
    help="Output format; by default from the extension of the output, else .pomdp.",
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
    """Convert a model to another format; all numbers are preserved exactly."""
    if target is None:
        target = model_kind(output, " (or use --to)")
    text, warnings = encode_model(open_model(path, kind, quiet=quiet), target)
    write_result(text, output)
    if verbose and not quiet:
        say(f"wrote {len(text)} characters of {target}")
    warn(warnings, quiet=quiet)
