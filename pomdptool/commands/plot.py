"""`pomdptool plot`: plots of policies, learning progress and episodes."""

from __future__ import annotations

import sys
import warnings
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pomdptool.commands.aliases import Renamed
from pomdptool.commands.click_help import Choice, Command
from pomdptool.commands.interrupts import INTERRUPTED, interruptible
from pomdptool.commands.models import open_model, read_text, show_notes
from pomdptool.commands.numbers import Whole, WholeOrAll
from pomdptool.commands.options import (
    EXISTING,
    ignored_verbose_option,
    output_kind,
    output_option,
    piped_argument,
    quiet_option,
    time_limit_option,
)
from pomdptool.commands.progress import solver_progress
from pomdptool.commands.terminal import say
from pomdptool.drawing.canvas import IMAGE_FORMATS, ImageFormat, render
from pomdptool.errors import PomdpError, PomdpWarning
from pomdptool.formats.atomic import write_atomic
from pomdptool.model import Model
from pomdptool.policy import SolvedPolicy
from pomdptool.solving.solve import METHODS, RANDOM

if TYPE_CHECKING:
    from pomdptool.drawing.plot import PlotKind
    from pomdptool.formats.plottable import Plottable


@click.command(
    cls=Command,
    example="pomdptool plot tiger.json --show graph -o tiger.svg",
    sections={
        "Picture": ("show", "max_nodes", "episode", "max_steps", "heading"),
        "Input": ("model_file", "method", "time_limit"),
    },
)
@piped_argument("file", "FILE")
@click.option(
    "--show",
    cls=Renamed,
    former="--what",
    type=Choice(["value", "graph", "bounds", "loglik", "belief"]),
    help="value: value function and best actions, for 2 or 3 states; graph: policy graph; "
    "bounds: bounds over time; loglik: learning curve; belief: beliefs of an episode. By default "
    "chosen from the content of FILE.",
)
@click.option(
    "--max-nodes", metavar="N", type=WholeOrAll(), default="20", show_default=True,
    help="Maximum number of nodes of a policy graph, or `all`: with a model those visited most "
    "from the initial belief, else those nearest to the start.",
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
    help="Model of the policy: chooses the nodes of a large graph; required for --method, for "
    ".alpha and .policy, and for .json with vectors over some of the states only; for .pg, names "
    "for the nodes.",
)
@click.option(
    "--method",
    type=Choice([name for name in METHODS if name not in RANDOM]),
    help="Method that solves the model, if FILE is a model (default: exact for its value, else "
    "sarsop). If FILE is a policy: also draw the value function that this method computes.",
)
@time_limit_option
@output_option("Write the plot to this file: .svg, .png or .pdf.")
@click.option("--to", "target", type=Choice(list(IMAGE_FORMATS.values())),
    help="Output format; by default from the extension of the output, else svg.",
)  # fmt: skip
@quiet_option
@ignored_verbose_option
def command(
    file: str,
    show: PlotKind | None,
    max_nodes: int | None,
    episode: int | None,
    max_steps: int,
    heading: str,
    model_file: str | None,
    method: str | None,
    time_limit: float | None,
    output: str | None,
    target: ImageFormat | None,
    quiet: bool,
) -> int:
    """Plot a policy, the optimum of a model, the progress of learning or an episode.

    FILE is a policy from `solve`, a model, a report from `fit --report` or a trace from `simulate
    --trace`.
    """
    from pomdptool.drawing.plot import method_for, plot, plot_kinds

    if target is None:
        default: ImageFormat = "svg"
        expected = ".svg, .png or .pdf (or use --to)"
        target = output_kind(output, IMAGE_FORMATS, expected, default)
    if output is None and sys.stdout.isatty():
        raise click.UsageError("Plots are not written to a terminal: use -o plot.svg or a pipe.")
    model = None if model_file is None else open_model(model_file, None, quiet=quiet)
    content, other = _read(file, model, quiet=quiet), None
    if isinstance(content, Model):
        model, method = content, method or method_for(content, show)
        content = _solved(model, method, time_limit, quiet=quiet)
    elif method is not None or time_limit is not None:
        other = _second(content, show, model, method, time_limit, quiet=quiet)
    possible = plot_kinds(content)
    if show is not None and show not in possible:
        raise click.UsageError(f"--show must be one of these for this file: {', '.join(possible)}.")
    draw = partial(
        plot,
        content,
        show,
        model=model,
        other=other,
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
    stopped = [p for p in (content, other) if isinstance(p, SolvedPolicy)]
    return INTERRUPTED if any(p.stop_reason == "interrupted" for p in stopped) else 0


def _read(file: str, model: Model | None, *, quiet: bool) -> Plottable:
    """Read what is plotted, and print the warnings about a model."""
    from pomdptool.formats.plottable import read_plottable

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", PomdpWarning)
        content = read_plottable(*read_text(file), model)
    if not quiet:
        for warning in caught:
            say(str(warning.message))
        if isinstance(content, Model):
            show_notes(content, "<stdin>" if file == "-" else file)
    return content


def _solved(
    model: Model, method: str | None, time_limit: float | None, *, quiet: bool
) -> SolvedPolicy:
    """Solve a model; an interrupt returns the best result so far."""
    from pomdptool.solving.solve import solve

    if model.discount == 1.0:
        raise PomdpError("with discount 1: use solve --horizon, and plot the policy that it writes")
    with (
        interruptible() as interrupted,
        solver_progress(model, interrupted, quiet=quiet, verbose=False) as on_step,
    ):
        solution = solve(
            model, method, time_limit=time_limit, on_step=on_step, interrupted=interrupted
        )
    return solution.policy


def _second(
    content: Plottable,
    show: PlotKind | None,
    model: Model | None,
    method: str | None,
    time_limit: float | None,
    *,
    quiet: bool,
) -> SolvedPolicy:
    """The value function that is drawn beside that of a policy."""
    if method is None:
        raise click.UsageError("--time-limit is for solving: use it with a model or --method.")
    if not isinstance(content, SolvedPolicy) or show not in (None, "value"):
        raise click.UsageError("--method is for a model, or for the value function of a policy.")
    if model is None:
        raise click.UsageError("--method needs the model of the policy: use --model MODEL.")
    discount = content.problem.discount
    return _solved(replace(model, discount=discount), method, time_limit, quiet=quiet)
