"""`pomdptool plot`: plots of policies, learning progress and episodes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

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
from pomdptool.drawing.canvas import PICTURE_KINDS, PictureKind, render
from pomdptool.errors import PolicyError, PomdpError
from pomdptool.formats.atomic import write_whole
from pomdptool.model import Model
from pomdptool.policy import Problem, SolvedPolicy, problem_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from pomdptool.formats.pictured import Pictured
    from pomdptool.graph import PolicyGraph
    from pomdptool.trace import TracedStep

Drawings = dict[str, Callable[[], "Figure"]]


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
@click.option("--to", "target", type=Choice(list(PICTURE_KINDS.values())),
    help="Output format; by default from the extension of the output, else svg.",
)  # fmt: skip
@quiet_option
@ignored_verbose_option
def command(
    file: str,
    show: str | None,
    max_nodes: int,
    episode: int | None,
    max_steps: int,
    heading: str,
    model_file: str | None,
    output: str | None,
    target: PictureKind | None,
    quiet: bool,
) -> None:
    """Plot a policy, the progress of learning or an episode.

    FILE is a policy from `solve`, a report from `fit --report` or a trace from `simulate --trace`.
    """
    from pomdptool.formats.pictured import read_pictured

    if target is None:
        usual: PictureKind = "svg"
        told = "a picture is written as .svg, .png or .pdf (or give --to)"
        target = output_kind(output, PICTURE_KINDS, told, usual)
    if output is None and sys.stdout.isatty():
        raise click.UsageError("A plot is not written to a terminal: use -o plot.svg or a pipe.")
    model = None if model_file is None else open_model(model_file, None, quiet=quiet)
    thing = read_pictured(*read_text(file), model)
    if isinstance(thing, list):
        thing = _steps(thing, episode)
    drawings = _drawings(thing, model, max_nodes, max_steps, heading)
    if show is not None and show not in drawings:
        raise click.UsageError(f"--show of this file is one of: {', '.join(drawings)}.")
    picture = render(drawings[show or next(iter(drawings))], target)
    if output is None or output == "-":
        sys.stdout.buffer.write(picture)
        sys.stdout.buffer.flush()
    else:
        write_whole(Path(output), picture)


def _drawings(
    thing: Pictured, model: Model | None, max_nodes: int, max_steps: int, heading: str
) -> Drawings:
    """What can be drawn, the usual first."""
    from pomdptool.drawing.beliefs import belief_figure
    from pomdptool.drawing.graphs import graph_figure
    from pomdptool.drawing.progress import bounds_figure, loglik_figure
    from pomdptool.drawing.values import value_figure
    from pomdptool.trace import FitReport

    if isinstance(thing, FitReport):
        return {"loglik": partial(loglik_figure, thing, heading)}
    if isinstance(thing, list):
        costs = model is not None and model.costs
        return {"belief": partial(belief_figure, thing, max_steps, costs=costs, heading=heading)}
    if not isinstance(thing, SolvedPolicy):
        problem = _numbered(thing) if model is None else problem_of(model)
        return {"graph": partial(graph_figure, thing, problem, max_nodes, heading)}

    def graph() -> Figure:
        if thing.graph is None:
            raise PolicyError(f"method {thing.method!r} gives no policy graph to draw")
        return graph_figure(thing.graph, thing.problem, max_nodes, heading)

    drawings: Drawings = {
        "value": partial(value_figure, thing, heading),
        "graph": graph,
        "bounds": partial(bounds_figure, thing, heading),
    }
    few = len(thing.problem.states) in (2, 3)
    drawn = thing.graph is not None and thing.graph.n_nodes > 1
    usual = "value" if few else "graph" if drawn else "bounds"
    return {usual: drawings.pop(usual), **drawings}


def _steps(trace: list[TracedStep], episode: int | None) -> list[TracedStep]:
    """Steps of one episode."""
    chosen = trace[0].episode if episode is None else episode
    steps = [step for step in trace if step.episode == chosen]
    if not steps:
        numbers = {step.episode for step in trace}
        raise PomdpError(
            f"the trace has no episode {chosen}, only {min(numbers)} to {max(numbers)}"
        )
    return steps


def _numbered(graph: PolicyGraph) -> Problem:
    """A problem with numbers for names, for a graph that comes without one."""
    return Problem(
        name="",
        digest="",
        states=(),
        actions=tuple(f"action {a}" for a in range(int(graph.actions.max()) + 1)),
        observations=tuple(map(str, range(graph.n_observations))),
        discount=1.0,
        costs=False,
        start=np.zeros(0),
    )
