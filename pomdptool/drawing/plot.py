"""One function for all figures, with the kinds of plot available for each source."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal, cast

import numpy as np

from pomdptool.drawing.beliefs import belief_figure
from pomdptool.drawing.canvas import styled
from pomdptool.drawing.graphs import graph_figure
from pomdptool.drawing.progress import bounds_figure, loglik_figure
from pomdptool.drawing.values import value_figure
from pomdptool.errors import PolicyError, PomdpError
from pomdptool.formats.plottable import read_plottable
from pomdptool.formats.text_input import read_source
from pomdptool.graph import PolicyGraph
from pomdptool.learning.result import Fit
from pomdptool.model import Model
from pomdptool.policy import Problem, SolvedPolicy, problem_of
from pomdptool.trace import FitReport, TracedStep

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PlotKind = Literal["value", "graph", "bounds", "loglik", "belief"]
Plottable = SolvedPolicy | PolicyGraph | Fit | FitReport | Sequence[TracedStep]

MAX_NODES, MAX_STEPS = 100, 200
"""Default limits of nodes of a graph and steps of an episode."""


def plot(
    source: Plottable | str | Path | IO[str] | IO[bytes],
    show: PlotKind | None = None,
    *,
    model: Model | None = None,
    max_nodes: int = MAX_NODES,
    episode: int | None = None,
    max_steps: int = MAX_STEPS,
    title: str = "",
) -> Figure:
    """Plot a policy, the course of learning, or an episode with matplotlib.

    Parameters
    ----------
    source
        A policy or policy graph; the result of `fit`; the steps of a trace; or a file (a path or
        an open file) with a policy, from `fit --report` or from `simulate --trace`.
    show
        "value": value function and optimal actions over the beliefs of 2 or 3 states; "graph": the
        policy graph; "bounds": the solver's bounds over time; "loglik": log-likelihood per step
        over the iterations; "belief": the belief over an episode. The default depends on `source`.
    model
        The model: names of a policy graph, rewards or costs of an episode; required for .alpha and
        .policy files.
    max_nodes
        Maximum number of nodes of a policy graph, in breadth-first order.
    episode, max_steps
        Number of the traced episode, by default the first one, and its maximum number of steps.
    title
        Replaces the default title.

    Returns
    -------
    A matplotlib Figure; `savefig` writes it.

    Raises
    ------
    FormatError
        If the file's format is unknown.
    PolicyError
        If the policy lacks the data to plot, or does not fit the model.
    PomdpError
        If `show` does not apply to the source, or matplotlib is missing.
    OSError
        If the file cannot be read.
    """
    plottable = _read(source, model)
    kinds = plot_kinds(plottable)
    if show is not None and show not in kinds:
        raise PomdpError(f"this can be plotted as {', '.join(kinds)}, not {show!r}")
    draw = _figures(plottable, model, max_nodes, episode, max_steps, title)
    with styled():
        return draw[show or kinds[0]]()


def _read(source: Plottable | str | Path | IO[str] | IO[bytes], model: Model | None) -> Plottable:
    if isinstance(source, (str, Path)) or hasattr(source, "read"):
        return read_plottable(*read_source(cast("Path", source)), model)
    return source


def plot_kinds(source: Plottable) -> tuple[PlotKind, ...]:
    """Kinds of plot for a source, the default first."""
    if isinstance(source, (Fit, FitReport)):
        return ("loglik",)
    if isinstance(source, PolicyGraph):
        return ("graph",)
    if not isinstance(source, SolvedPolicy):
        return ("belief",)
    if len(source.problem.states) in (2, 3):
        return ("value", "graph", "bounds")
    if source.graph is not None and source.graph.n_nodes > 1:
        return ("graph", "value", "bounds")
    return ("bounds", "value", "graph")


def _figures(
    source: Plottable,
    model: Model | None,
    max_nodes: int,
    episode: int | None,
    max_steps: int,
    title: str,
) -> dict[PlotKind, Callable[[], Figure]]:
    if isinstance(source, Fit):
        source = FitReport(source.model.n_states, source.n_steps, source.history, source.restarts)
    if isinstance(source, FitReport):
        return {"loglik": partial(loglik_figure, source, title)}
    if isinstance(source, PolicyGraph):
        problem = _numbered(source) if model is None else problem_of(model)
        return {"graph": partial(graph_figure, source, problem, max_nodes, title)}
    if not isinstance(source, SolvedPolicy):
        steps, costs = episode_steps(source, episode), model is not None and model.costs
        return {"belief": partial(belief_figure, steps, max_steps, costs=costs, heading=title)}

    policy = source

    def graph() -> Figure:
        if policy.graph is None:
            raise PolicyError(f"method {policy.method!r} gives no policy graph")
        return graph_figure(policy.graph, policy.problem, max_nodes, title)

    return {
        "value": partial(value_figure, policy, title),
        "graph": graph,
        "bounds": partial(bounds_figure, policy, title),
    }


def episode_steps(trace: Sequence[TracedStep], episode: int | None) -> list[TracedStep]:
    """Steps of one episode of a trace, by default the first one.

    Raises PomdpError if the trace has no such episode.
    """
    chosen = trace[0].episode if episode is None else episode
    steps = [step for step in trace if step.episode == chosen]
    if not steps:
        numbers = {step.episode for step in trace}
        raise PomdpError(
            f"the trace has no episode {chosen}, only {min(numbers)} to {max(numbers)}"
        )
    return steps


def _numbered(graph: PolicyGraph) -> Problem:
    """A problem with numbers for names, for a graph without a model."""
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
