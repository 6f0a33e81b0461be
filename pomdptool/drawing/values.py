"""Value functions over the beliefs of two or three states, with the best actions.

Two states: the value over the probability of the second one, an upper envelope of lines. Three: a
triangle (see `triangle`). A second value function, such as the optimum beside a lower bound, is a
second curve or a second triangle.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from pomdptool.certificates import certificate, steps_to_go, value_kind, value_name
from pomdptool.drawing.canvas import (
    FAINT,
    INK,
    MAX_NAME,
    MAX_TITLE,
    axis_labels,
    check_drawable,
    color,
    elided,
    hatch,
    legend,
    new_figure,
    note,
    swatch,
    tint,
    title,
)
from pomdptool.drawing.triangle import draw_triangle, simplex_grid
from pomdptool.envelope import upper_envelope
from pomdptool.errors import PolicyError
from pomdptool.linked import over_all_states
from pomdptool.lookahead import FaceVectors, LookAhead
from pomdptool.policy import AlphaVectors, SolvedPolicy
from pomdptool.sparse import FloatArray

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_LINES = 60
"""Maximum number of vectors that are shown as lines."""

Piece = tuple[int, float, float]
"""A vector of an upper envelope, and the interval on which it is maximal."""


def value_figure(
    policy: SolvedPolicy, heading: str = "", other: SolvedPolicy | None = None
) -> Figure:
    """Plot the value function, and beside it that of another policy for the same model.

    Raises PolicyError if there are not two or three states, if vectors cover only some of them, or
    if the policies are for different models.
    """
    problem = policy.problem
    if len(problem.states) not in (2, 3):
        raise PolicyError(
            "the value is plotted over beliefs of 2 or 3 states, not "
            f"{len(problem.states)}; use --show graph or --show bounds"
        )
    shown = [policy] if other is None else [policy, other]
    if any(p.problem.digest != problem.digest for p in shown):
        raise PolicyError("the two policies are for different models")
    vectors = [_vectors(p) for p in shown]
    for each in vectors:
        check_drawable("values", each.values)
    named = " and ".join(_described(p) for p in shown)
    heading = heading or f"{elided(problem.name) or 'policy'}: {named}"
    draw = _segment if len(problem.states) == 2 else _triangles
    return draw(shown, vectors, heading)


def _described(policy: SolvedPolicy) -> str:
    """Words such as "lower bound by sarsop" or "optimal value by exact, horizon 3"."""
    method = "" if value_kind(policy) == "unknown" else f" by {policy.method}"
    steps = steps_to_go(policy)
    return value_name(policy) + method + ("" if steps is None else f", horizon {steps}")


def _certified(policy: SolvedPolicy) -> str:
    """What is certified, and where."""
    words = [certificate(policy)] if steps_to_go(policy) == policy.horizon else []
    if value_kind(policy) == "optimal" and "error" in policy.stats:
        words.append(f"error at most {policy.stats['error']:.2g} elsewhere")
    return "; ".join(filter(None, words))


def _vectors(policy: SolvedPolicy) -> AlphaVectors:
    """Vectors over all states; with look-ahead, those of a grid of beliefs."""
    if isinstance(policy.values, FaceVectors):
        raise PolicyError(
            "each vector covers only some states: use --model, or solve with --full-simplex"
        )
    if not isinstance(policy.values, LookAhead):
        return over_all_states(policy)
    n = len(policy.problem.states)
    inside = (np.arange(400) + 0.5) / 400
    beliefs = np.column_stack([1.0 - inside, inside]) if n == 2 else simplex_grid(41)
    backups = [policy.values.vector(b) for b in beliefs if b.min() > 0.0]
    values, first = np.unique([vector for _, vector in backups], axis=0, return_index=True)
    return AlphaVectors(np.array([backups[k][0] for k in first.tolist()]), values)


def _segment(shown: list[SolvedPolicy], vectors: list[AlphaVectors], heading: str) -> Figure:
    """Plot the value over the probability of the second of two states."""
    figure = new_figure(7.2 if len(shown) == 1 else 8.4, 4.2)
    ax = figure.add_subplot()
    problem = shown[0].problem
    sign = -1.0 if problem.costs else 1.0
    envelopes = [upper_envelope(v.values) for v in vectors]
    heights = [_heights(v.values, pieces) for v, pieces in zip(vectors, envelopes, strict=True)]
    _actions(ax, vectors[0], envelopes[0], sign)
    used = sorted({int(vectors[0].actions[k]) for k, _, _ in envelopes[0]})
    entries = [(swatch(a), problem.actions[a]) for a in used]
    if len(shown) > 1:
        entries.append(_beside(ax, [(x, sign * y) for x, y in heights], _described(shown[1])))
    ends = np.concatenate([sign * y for _, y in heights])
    bounds = _start(ax, shown[0], entries, sign)
    ends = np.append(ends, bounds)
    margin = 0.08 * (float(np.ptp(ends)) or max(1.0, abs(float(ends[0]))))
    ax.set_ylim(float(ends.min()) - margin, float(ends.max()) + margin)
    ax.set_xlim(0.0, 1.0)
    first, second = (elided(name) for name in problem.states)
    gap = "  " if len(first) + len(second) < 2 * MAX_NAME - 12 else "\n"
    quantity = "cost" if problem.costs else "value"
    named = quantity if len(shown) > 1 else value_name(shown[0])
    along = f"{named} on the optimal {quantity}" if named.endswith("bound") else named
    axis_labels(ax, f"probability of {second}{gap}(0: {first})", along)
    title(ax, heading)
    note(ax, _certified(shown[0]))
    legend(figure, entries, "best action")
    return figure


def _heights(values: FloatArray, pieces: list[Piece]) -> tuple[FloatArray, FloatArray]:
    """Corners of an upper envelope."""
    x = np.array([left for _, left, _ in pieces] + [1.0])
    height: FloatArray = (values @ np.vstack([1.0 - x, x])).max(axis=0)
    return x, height


def _actions(ax: Axes, vectors: AlphaVectors, pieces: list[Piece], sign: float) -> None:
    """Draw vectors, regions of the best actions, and the envelope in their colours."""
    values = vectors.values
    if len(pieces) <= MAX_LINES:
        for k, _, _ in pieces:
            ax.plot([0.0, 1.0], sign * values[k], color=FAINT, linewidth=0.6, zorder=1)
    for k, left, right in pieces:
        a, ends = int(vectors.actions[k]), np.array([left, right])
        shade = tint(color(a), 0.18)
        ax.axvspan(left, right, facecolor=shade, hatch=hatch(a), edgecolor="white", linewidth=0.0)
        height = sign * (values[k, 0] + ends * (values[k, 1] - values[k, 0]))
        ax.plot(ends, height, color=color(a), linewidth=2.6, solid_capstyle="round", zorder=3)


def _beside(ax: Axes, curves: list[tuple[FloatArray, FloatArray]], name: str) -> tuple[Artist, str]:
    """Draw the second curve, and shade what lies between the two; returns its legend entry."""
    (x, first), (x2, second) = curves
    joint = np.union1d(x, x2)
    between = np.interp(joint, x, first), np.interp(joint, x2, second)
    ax.fill_between(joint, *between, facecolor=FAINT, alpha=0.35, linewidth=0.0, zorder=2)
    (line,) = ax.plot(x2, second, color=INK, linewidth=1.5, linestyle=(0, (5, 2)), zorder=4)
    return line, name


def _start(
    ax: Axes, policy: SolvedPolicy, entries: list[tuple[Artist, str]], sign: float
) -> list[float]:
    """Mark the initial belief and the certified bounds there, which are returned."""
    start = float(policy.problem.start[1])
    ax.axvline(start, color=INK, linewidth=0.9, linestyle=(0, (1, 2)), zorder=2)
    nearly = start > 0.9
    ax.annotate(
        "start",
        (start, 1.0),
        (-3 if nearly else 3, -3),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        ha="right" if nearly else "left",
        va="top",
        fontsize=8.0,
    )
    bounds = [sign * policy.bounds.lower, sign * policy.bounds.upper]
    if not all(map(math.isfinite, bounds)) or steps_to_go(policy) != policy.horizon:
        return []
    check_drawable("bounds", bounds)
    (bar,) = ax.plot([start] * 2, bounds, color=INK, marker="_", ms=9, mew=1.6, lw=1.2, zorder=5)
    entries.append((bar, "certified at start"))
    return bounds


def _triangles(shown: list[SolvedPolicy], vectors: list[AlphaVectors], heading: str) -> Figure:
    """Plot regions and contour lines over the beliefs of three states, a triangle for each."""
    figure = new_figure(1.8 + 5.4 * len(shown), 5.2)
    axes = figure.subplots(1, len(shown), squeeze=False)[0]
    problem, used = shown[0].problem, set[int]()
    marks: list[tuple[Artist, str]] = []
    for ax, policy, each in zip(axes, shown, vectors, strict=True):
        actions, marks = draw_triangle(ax, problem, each)
        used |= actions
        title(ax, heading if len(shown) == 1 else _described(policy))
        note(ax, _certified(policy))
    if len(shown) > 1:
        figure.suptitle(elided(heading, MAX_TITLE), x=0.01, ha="left", parse_math=False)
    entries = [(swatch(a), problem.actions[a]) for a in sorted(used)]
    legend(figure, [*entries, *marks], "best action")
    return figure
