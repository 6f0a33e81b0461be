"""One function for all pictures: which can be drawn of a thing, and the usual one."""

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

Picture = Literal["value", "graph", "bounds", "loglik", "belief"]
Drawn = SolvedPolicy | PolicyGraph | Fit | FitReport | Sequence[TracedStep]

MAX_NODES, MAX_STEPS = 100, 200
"""By default, nodes of a graph and steps of an episode that are drawn at most."""


def plot(
    source: Drawn | str | Path | IO[str] | IO[bytes],
    show: Picture | None = None,
    *,
    model: Model | None = None,
    max_nodes: int = MAX_NODES,
    episode: int | None = None,
    max_steps: int = MAX_STEPS,
    title: str = "",
) -> Figure:
    """Draw a policy, how learning went, or an episode, by matplotlib.

    Parameters
    ----------
    source
        A policy or policy graph; what `fit` returns; the steps of a trace; or a file of a policy,
        of `fit --report` or of `simulate --trace`, as a path or open.
    show
        "value": best actions and their values over the beliefs of 2 or 3 states; "graph": the
        policy graph; "bounds": the solver's bounds over time; "loglik": log-likelihood per step
        over the iterations; "belief": the belief over an episode. By default the usual one.
    model
        The model that gives a policy graph its names, an episode its kind of values, and which
        .alpha and .policy files need.
    max_nodes
        Nodes of a policy graph that are drawn at most, the nearest to the start first.
    episode, max_steps
        Number of the traced episode, by default the first one, and steps of it that are drawn at
        most.
    title
        In place of the default one.

    Returns
    -------
    A matplotlib Figure, which `savefig` writes.

    Raises
    ------
    FormatError
        If a file is none of these.
    PolicyError
        Where a policy lacks what the picture shows, or does not fit the model.
    PomdpError
        With a picture that cannot be drawn of the source, or without matplotlib.
    OSError
        If a file cannot be read.
    """
    thing = _read(source, model)
    possible = pictures_of(thing)
    if show is not None and show not in possible:
        raise PomdpError(f"of this can be drawn: {', '.join(possible)}, not {show!r}")
    draw = _drawings(thing, model, max_nodes, episode, max_steps, title)
    with styled():
        return draw[show or possible[0]]()


def _read(source: Drawn | str | Path | IO[str] | IO[bytes], model: Model | None) -> Drawn:
    """The thing itself, or what a file holds."""
    if isinstance(source, (str, Path)) or hasattr(source, "read"):
        return read_plottable(*read_source(cast("Path", source)), model)
    return source


def pictures_of(thing: Drawn) -> tuple[Picture, ...]:
    """Pictures that can be drawn of a thing, the usual one first."""
    if isinstance(thing, (Fit, FitReport)):
        return ("loglik",)
    if isinstance(thing, PolicyGraph):
        return ("graph",)
    if not isinstance(thing, SolvedPolicy):
        return ("belief",)
    if len(thing.problem.states) in (2, 3):
        return ("value", "graph", "bounds")
    if thing.graph is not None and thing.graph.n_nodes > 1:
        return ("graph", "value", "bounds")
    return ("bounds", "value", "graph")


def _drawings(
    thing: Drawn,
    model: Model | None,
    max_nodes: int,
    episode: int | None,
    max_steps: int,
    title: str,
) -> dict[Picture, Callable[[], Figure]]:
    if isinstance(thing, Fit):
        thing = FitReport(thing.model.n_states, thing.n_steps, thing.history, thing.restarts)
    if isinstance(thing, FitReport):
        return {"loglik": partial(loglik_figure, thing, title)}
    if isinstance(thing, PolicyGraph):
        problem = _numbered(thing) if model is None else problem_of(model)
        return {"graph": partial(graph_figure, thing, problem, max_nodes, title)}
    if not isinstance(thing, SolvedPolicy):
        steps, costs = steps_of(thing, episode), model is not None and model.costs
        return {"belief": partial(belief_figure, steps, max_steps, costs=costs, heading=title)}

    policy = thing

    def graph() -> Figure:
        if policy.graph is None:
            raise PolicyError(f"method {policy.method!r} gives no policy graph to draw")
        return graph_figure(policy.graph, policy.problem, max_nodes, title)

    return {
        "value": partial(value_figure, policy, title),
        "graph": graph,
        "bounds": partial(bounds_figure, policy, title),
    }


def steps_of(trace: Sequence[TracedStep], episode: int | None) -> list[TracedStep]:
    """Steps of one episode of a trace, by default the first one.

    Raises
    ------
    PomdpError
        Where there is no such episode.
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
