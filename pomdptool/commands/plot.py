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
    help="value: value function and optimal actions, for 2 or 3 states; graph: policy graph; "
    "bounds: bounds over time; loglik: learning curve; belief: beliefs of an episode. By default "
    "chosen from the content of FILE.",
)
@click.option(
    "--max-nodes", metavar="N", type=Whole(), default=100, show_default=True,
    help="Maximum number of nodes of a policy graph; those nearest to the start are shown.",
)  # fmt: skip
@click.option(
    "--episode", metavar="N", type=Whole(0), help="Episode of the trace; by default the first."
)
@click.option(
    "--max-steps", metavar="N", type=Whole(), default=200, show_default=True,
    help="Maximum number of steps of an episode; the first ones are shown.",
)  # fmt: skip
@click.option("--title", "heading", metavar="TEXT", default="", help="Title of the plot.")
@click.option(
    "--model",
    "model_file",
    metavar="MODEL",
    type=EXISTING,
    help="Model of the policy: required for .alpha and .policy, and for .json with vectors over "
    "some of the states only; for .pg, names for the nodes.",
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
        default: ImageFormat = "svg"
        expected = ".svg, .png or .pdf (or use --to)"
        target = output_kind(output, IMAGE_FORMATS, expected, default)
    if output is None and sys.stdout.isatty():
        raise click.UsageError("Plots are not written to a terminal: use -o plot.svg or a pipe.")
    model = None if model_file is None else open_model(model_file, None, quiet=quiet)
    content = read_plottable(*read_text(file), model)
    possible = plot_kinds(content)
    if show is not None and show not in possible:
        raise click.UsageError(f"--show must be one of these for this file: {', '.join(possible)}.")
    draw = partial(
        plot,
        content,
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
