"""One function for all figures, with the kinds of plot available for each source."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
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
from pomdptool.policy import Problem, SolvedPolicy, check_names, problem_of
from pomdptool.solving.solution import Solution
from pomdptool.solving.solve import solve
from pomdptool.solving.visits import visits
from pomdptool.trace import FitReport, TracedStep

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PlotKind = Literal["value", "graph", "bounds", "loglik", "belief"]
Plottable = Model | Solution | SolvedPolicy | PolicyGraph | Fit | FitReport | Sequence[TracedStep]

MAX_NODES, MAX_STEPS = 20, 200
"""Default limits of nodes of a graph and steps of an episode."""


def plot(
    source: Plottable | str | Path | IO[str] | IO[bytes],
    show: PlotKind | None = None,
    *,
    model: Model | None = None,
    other: SolvedPolicy | None = None,
    max_nodes: int | None = MAX_NODES,
    episode: int | None = None,
    max_steps: int = MAX_STEPS,
    title: str = "",
) -> Figure:
    """Plot a policy, the optimum of a model, the course of learning, or an episode.

    Parameters
    ----------
    source
        A result of `solve`, a policy or a policy graph; a model, which is solved first; the result
        of `fit`; the steps of a trace; or a file (a path or an open file) with a policy, a model,
        from `fit --report` or from `simulate --trace`.
    show
        "value": value function and best actions over the beliefs of 2 or 3 states, which is a bound
        or the optimal value, as the title says; "graph": the policy graph; "bounds": the solver's
        bounds over time; "loglik": log-likelihood per step over the iterations; "belief": the
        belief over an episode. The default depends on `source`.
    model
        The model: the nodes visited most of a policy graph, and its names; rewards or costs of an
        episode; required for .alpha and .policy files.
    other
        For "value": a second policy for the same model, whose value function is drawn too, such as
        the optimum or an upper bound beside a lower bound.
    max_nodes
        Maximum number of nodes of a policy graph, None for all: those visited most from the initial
        belief, in discounted steps; without a model, those nearest to the start.
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
    if isinstance(plottable, Model):
        model, plottable = plottable, solve(plottable, method_for(plottable, show)).policy
    kinds = plot_kinds(plottable)
    if show is not None and show not in kinds:
        raise PomdpError(f"this can be plotted as {', '.join(kinds)}, not {show!r}")
    draw = _figures(plottable, model, other, max_nodes, episode, max_steps, title)
    with styled():
        return draw[show or kinds[0]]()


def _read(source: Plottable | str | Path | IO[str] | IO[bytes], model: Model | None) -> Plottable:
    if isinstance(source, (str, Path)) or hasattr(source, "read"):
        return read_plottable(*read_source(cast("Path", source)), model)
    return source.policy if isinstance(source, Solution) else source


def method_for(model: Model, show: PlotKind | None) -> str | None:
    """The method that solves a model for a plot: "exact" for its value function, else the default.

    Raises PomdpError if no plot of this kind shows a model.
    """
    if show in ("loglik", "belief"):
        raise PomdpError(f"a model can be plotted as value, graph or bounds, not {show!r}")
    return "exact" if show == "value" or (show is None and model.n_states in (2, 3)) else None


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
    other: SolvedPolicy | None,
    max_nodes: int | None,
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
        return {"graph": partial(_graph, source, problem, model, max_nodes, title)}
    if not isinstance(source, SolvedPolicy):
        steps = episode_steps(cast("Sequence[TracedStep]", source), episode)
        costs = model is not None and model.costs
        return {"belief": partial(belief_figure, steps, max_steps, costs=costs, heading=title)}

    policy = source

    def graph() -> Figure:
        if policy.graph is None:
            raise PolicyError(f"method {policy.method!r} gives no policy graph")
        return _graph(policy.graph, policy.problem, model, max_nodes, title)

    return {
        "value": partial(value_figure, policy, title, other),
        "graph": graph,
        "bounds": partial(bounds_figure, policy, title),
    }


def _graph(
    graph: PolicyGraph, problem: Problem, model: Model | None, max_nodes: int | None, title: str
) -> Figure:
    """Draw a graph; if there is a model and not all nodes are drawn, those visited most."""
    if model is None or max_nodes is None or graph.n_nodes <= max_nodes:
        return graph_figure(graph, problem, max_nodes, title)
    for kind in ("actions", "states", "observations"):
        check_names(problem, model, kind)
    visited = visits(replace(model, discount=min(model.discount, problem.discount)), graph)
    return graph_figure(graph, problem, max_nodes, title, visited.share, visited.chance)


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
