"""Belief over an episode: a band for each state; what happened is below, in strips of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pomdptool.drawing.canvas import (
    INK,
    check_drawable,
    color,
    elided,
    hatch,
    legend,
    new_figure,
    swatch,
    title,
    whole_numbers,
)
from pomdptool.errors import DataError
from pomdptool.sparse import FloatArray

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from pomdptool.trace import TracedStep

MAX_BANDS = 14
"""Maximum number of states with a band of their own; the others share one."""

MAX_ROWS = 12
"""Maximum number of actions, and of observations, with a row of their own."""

OTHERS = "#dddddd"


def belief_figure(
    steps: list[TracedStep], max_steps: int, *, costs: bool, heading: str = ""
) -> Figure:
    """Plot the belief before each action of an episode, and below it the true state if known.

    Only the first `max_steps` steps are drawn.

    Raises DataError if the steps have no beliefs.
    """
    if not any(step.belief for step in steps):
        raise DataError("the trace has no beliefs: trace a policy or a planner that tracks one")
    heading = heading or f"belief over episode {steps[0].episode}"
    if len(steps) > max_steps:
        heading += f", the first {max_steps} of {len(steps)} steps"
        steps = steps[:max_steps]
    rows = [_frequent([s.action for s in steps]), _frequent([s.observation for s in steps])]
    known = any(step.state for step in steps)
    heights = [3.2, *[0.16] * known, *(0.1 + 0.17 * len(names) for names in rows), 0.7]
    width = min(max(7.2, 3.5 + 0.12 * len(steps)), 24.0)
    figure = new_figure(width, sum(heights) + 1.6 + 0.3 * known)
    axes = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
    entries, place = _bands(axes[0], steps)
    axes[0].set_ylabel("belief")
    if known:
        _true_states(axes[1], steps, place)
    _raster(axes[-3], [s.action for s in steps], rows[0], "action")
    _raster(axes[-2], [s.observation for s in steps], rows[1], "observation that followed")
    rewards = np.array([s.reward for s in steps])
    check_drawable("rewards", rewards)
    _steps(axes[-1], np.zeros(len(steps)), rewards, facecolor=INK, linewidth=0.0)
    axes[-1].axhline(0.0, color=INK, linewidth=0.6)
    _heading(axes[-1], "cost" if costs else "reward")
    axes[-1].set_xlabel("step")
    axes[-1].set_xlim(-0.5, len(steps) - 0.5)
    whole_numbers(axes[-1])
    title(axes[0], heading)
    legend(figure, entries, "state")
    return figure


def _bands(ax: Axes, steps: list[TracedStep]) -> tuple[list[tuple[Artist, str]], dict[str, int]]:
    """Draw a band for each likely state; returns the legend entries and numbers of the bands."""
    from matplotlib.patches import Patch

    total: dict[str, float] = {}
    for step in steps:
        for name, p in step.belief.items():
            total[name] = total.get(name, 0.0) + p
    kept = sorted(total, key=lambda name: -total[name])
    if len(kept) > MAX_BANDS:
        kept = kept[: MAX_BANDS - 1]
    bands = np.array([[step.belief.get(name, 0.0) for name in kept] for step in steps]).T
    top = np.cumsum(bands, axis=0)
    for k, band in enumerate(bands):
        style = {"facecolor": color(k), "hatch": hatch(k), "edgecolor": "white", "linewidth": 0.3}
        _steps(ax, top[k] - band, top[k], **style)
    entries = [(swatch(k), name) for k, name in enumerate(kept)]
    if len(kept) < len(total):
        total_belief = np.array([sum(step.belief.values()) for step in steps])
        _steps(ax, top[-1], total_belief, facecolor=OTHERS, linewidth=0.0)
        entries.append((Patch(facecolor=OTHERS), f"{len(total) - len(kept)} others"))
    ax.set_ylim(0.0, 1.0)
    return entries, {name: k for k, name in enumerate(kept)}


def _true_states(ax: Axes, steps: list[TracedStep], place: dict[str, int]) -> None:
    """Draw a strip of the true states in the colours of the bands."""
    ones, zeros = np.ones(len(steps)), np.zeros(len(steps))
    names = [step.state for step in steps]
    for name in dict.fromkeys(filter(None, names)):
        style = {"facecolor": OTHERS, "edgecolor": "white", "linewidth": 0.3}
        if name in place:
            style |= {"facecolor": color(place[name]), "hatch": hatch(place[name])}
        _steps(ax, zeros, np.where([n == name for n in names], ones, zeros), **style)
    ax.set_ylim(0.0, 1.0)
    _bare(ax)
    ax.set_yticks([])
    _heading(ax, "true state")


def _steps(ax: Axes, low: FloatArray, high: FloatArray, **style: Any) -> None:
    """Fill the area between two step functions."""
    x = np.arange(len(low) + 1) - 0.5
    low, high = (np.append(height, height[-1]) for height in (low, high))
    ax.fill_between(x, low, high, step="post", **style)


def _frequent(names: list[str]) -> list[str]:
    """The most frequent names, in order of first occurrence."""
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    kept = sorted(counts, key=lambda name: -counts[name])[:MAX_ROWS]
    return [name for name in counts if name in kept]


def _raster(ax: Axes, names: list[str], rows: list[str], heading: str) -> None:
    """Draw a dot for each step in the row of its name; rare names have no row."""
    place = {name: k for k, name in enumerate(rows)}
    dots = [(t, place[name]) for t, name in enumerate(names) if name in place]
    ax.plot(*np.array(dots).T, "s", color=INK, markersize=3.5)
    shown = [elided(name).replace("$", r"\$") for name in rows]
    ax.set_yticks(range(len(rows)), shown, fontsize=8.0)
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.grid(axis="y", color=OTHERS, linewidth=0.6)
    ax.set_axisbelow(True)
    _heading(ax, heading)
    _bare(ax)


def _bare(ax: Axes) -> None:
    """Hide the frame and the ticks."""
    for side in ax.spines.values():
        side.set_visible(False)
    ax.tick_params(length=0.0)


def _heading(ax: Axes, words: str) -> None:
    """Write a small title."""
    ax.set_title(words, loc="left", fontsize=8.0)
