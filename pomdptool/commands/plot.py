"""`pomdptool plot`: a picture of a policy, of learning, or of an episode."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pomdptool.commands.aliases import Renamed
from pomdptool.commands.help import Choice, Command
from pomdptool.commands.models import open_model, read_text
from pomdptool.commands.numbers import Whole
from pomdptool.commands.options import (
    EXISTING,
    EXISTING_OR_INPUT,
    nothing_more_option,
    output_kind,
    output_option,
    piped,
    quiet_option,
)
from pomdptool.drawing.canvas import PICTURE_KINDS, PictureKind, render
from pomdptool.formats.atomic import write_whole

if TYPE_CHECKING:
    from pomdptool.drawing.plot import Picture


@click.command(
    cls=Command,
    example="pomdptool plot tiger.json --show graph -o tiger.svg",
    sections={
        "Picture": ("show", "max_nodes", "episode", "max_steps", "heading"),
        "Input": ("model_file",),
    },
)
@click.argument(
    "file",
    metavar="[FILE]",
    type=EXISTING_OR_INPUT,
    required=False,
    callback=piped,
)
@click.option(
    "--show",
    cls=Renamed,
    former="--what",
    type=Choice(["value", "graph", "bounds", "loglik", "belief"]),
    help="value: best actions and their values over the belief, of 2 or 3 states; graph: the "
    "policy "
    "graph; bounds: over time. By default what suits FILE.",
)
@click.option(
    "--max-nodes", metavar="N", type=Whole(), default=100, show_default=True,
    help="Of a policy graph: largest number of nodes drawn, nearest to the start first.",
)  # fmt: skip
@click.option(
    "--episode", metavar="N", type=Whole(0), help="Episode of a trace; default the first."
)
@click.option(
    "--max-steps", metavar="N", type=Whole(), default=200, show_default=True,
    help="Of an episode: largest number of steps drawn, from the first.",
)  # fmt: skip
@click.option("--title", "heading", metavar="TEXT", default="", help="Replaces the default title.")
@click.option(
    "--model",
    "model_file",
    metavar="MODEL",
    type=EXISTING,
    help="The model; .alpha and .policy need it, .json where vectors cover only some states, and "
    ".pg has names by it.",
)
@output_option("Write the picture here: .svg, .png or .pdf.")
@click.option("--to", "target", type=Choice(list(PICTURE_KINDS.values())),
    help="Format of the picture; by default the output's extension, else svg.",
)  # fmt: skip
@quiet_option
@nothing_more_option
def command(
    file: str,
    show: Picture | None,
    max_nodes: int,
    episode: int | None,
    max_steps: int,
    heading: str,
    model_file: str | None,
    output: str | None,
    target: PictureKind | None,
    quiet: bool,
) -> None:
    """Draw a policy, how learning went, or an episode.

    FILE is a policy of `solve`, a report of `fit --report`, or a trace of `simulate --trace`, and
    the picture follows from that.
    """
    from pomdptool.drawing.plot import pictures_of, plot
    from pomdptool.formats.pictured import read_pictured

    if target is None:
        usual: PictureKind = "svg"
        told = "a picture is written as .svg, .png or .pdf (or give --to)"
        target = output_kind(output, PICTURE_KINDS, told, usual)
    if output is None and sys.stdout.isatty():
        raise click.UsageError("A picture goes into a file: -o picture.svg, or a pipe.")
    model = None if model_file is None else open_model(model_file, None, quiet=quiet)
    thing = read_pictured(*read_text(file), model)
    possible = pictures_of(thing)
    if show is not None and show not in possible:
        raise click.UsageError(f"Of this file --show draws: {', '.join(possible)}.")
    draw = partial(
        plot,
        thing,
        show,
        model=model,
        max_nodes=max_nodes,
        episode=episode,
        max_steps=max_steps,
        title=heading,
    )
    picture = render(draw, target)
    if output is None or output == "-":
        sys.stdout.buffer.write(picture)
        sys.stdout.buffer.flush()
    else:
        write_whole(Path(output), picture)
