"""`pomdptool plot`: plots of policies, learning progress and episodes."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pomdptool.commands.aliases import Renamed
from pomdptool.commands.click_help import Choice, Command
from pomdptool.commands.models import open_model, read_text
from pomdptool.commands.numbers import Whole
from pomdptool.commands.options import (
    EXISTING,
    ignored_verbose_option,
    output_kind,
    output_option,
    piped_argument,
    quiet_option,
)
from pomdptool.drawing.canvas import IMAGE_FORMATS, ImageFormat, render
from pomdptool.formats.atomic import write_atomic

if TYPE_CHECKING:
    from pomdptool.drawing.plot import PlotKind


@click.command(
    cls=Command,
    example="pomdptool plot tiger.json --show graph -o tiger.svg",
    sections={
        "Picture": ("show", "max_nodes", "episode", "max_steps", "heading"),
        "Input": ("model_file",),
    },
)
@piped_argument("file", "FILE")
@click.option(
    "--show",
    cls=Renamed,
    former="--what",
    type=Choice(["value", "graph", "bounds", "loglik", "belief"]),
    help="value: optimal actions and values over the belief, for 2 or 3 states; graph: the policy "
    "graph; bounds: bounds over time. Default: chosen by FILE.",
)
@click.option(
    "--max-nodes", metavar="N", type=Whole(), default=100, show_default=True,
    help="Maximum number of nodes of a policy graph, nearest to the start first.",
)  # fmt: skip
@click.option(
    "--episode", metavar="N", type=Whole(0), help="Episode of the trace; default the first."
)
@click.option(
    "--max-steps", metavar="N", type=Whole(), default=200, show_default=True,
    help="Maximum number of steps of an episode, from the first.",
)  # fmt: skip
@click.option("--title", "heading", metavar="TEXT", default="", help="Replaces the default title.")
@click.option(
    "--model",
    "model_file",
    metavar="MODEL",
    type=EXISTING,
    help="The model: needed for .alpha and .policy, and for .json whose vectors cover only some "
    "states; names the nodes of .pg.",
)
@output_option("Write the plot to this file: .svg, .png or .pdf.")
@click.option("--to", "target", type=Choice(list(IMAGE_FORMATS.values())),
    help="Output format; by default from the extension of the output, else svg.",
)  # fmt: skip
@quiet_option
@ignored_verbose_option
def command(
    file: str,
    show: PlotKind | None,
    max_nodes: int,
    episode: int | None,
    max_steps: int,
    heading: str,
    model_file: str | None,
    output: str | None,
    target: ImageFormat | None,
    quiet: bool,
) -> None:
    """Plot a policy, the progress of learning or an episode.

    FILE is a policy from `solve`, a report from `fit --report` or a trace from `simulate --trace`.
    """
    from pomdptool.drawing.plot import plot, plot_kinds
    from pomdptool.formats.plottable import read_plottable

    if target is None:
        usual: ImageFormat = "svg"
        told = "a picture is written as .svg, .png or .pdf (or give --to)"
        target = output_kind(output, IMAGE_FORMATS, told, usual)
    if output is None and sys.stdout.isatty():
        raise click.UsageError("A plot is not written to a terminal: use -o plot.svg or a pipe.")
    model = None if model_file is None else open_model(model_file, None, quiet=quiet)
    thing = read_plottable(*read_text(file), model)
    possible = plot_kinds(thing)
    if show is not None and show not in possible:
        raise click.UsageError(f"--show of this file is one of: {', '.join(possible)}.")
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
        write_atomic(Path(output), picture)
