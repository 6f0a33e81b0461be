"""Sparklines (Tufte 2006): a curve in one line of text."""

from __future__ import annotations

import numpy as np

from pomdptool.sparse import FloatArray

BLOCKS = "▁▂▃▄▅▆▇█"
PLAIN = "_.-~=+*#"
"""Heights if the encoding lacks block characters."""


def sparkline(values: FloatArray, low: float, high: float, *, plain: bool = False) -> str:
    """One character per value, on a scale from `low` to `high`."""
    marks = PLAIN if plain else BLOCKS
    scale = high - low
    if not scale > 0.0:
        return marks[len(marks) // 2] * len(values)
    heights = np.clip((values - low) / scale * len(marks), 0, len(marks) - 1)
    return "".join(marks[k] for k in heights.astype(int).tolist())


def settled_range(times: FloatArray, values: FloatArray) -> tuple[float, float]:
    """The range of a curve without its beginning, which would flatten the rest.

    The beginning is the first decade of the times, at most half of their logarithmic range; it
    counts if nothing changes later. `times` are positive and ascend; the arrays have shape (m,).
    """
    first, last = float(times[0]), float(times[-1])
    later = values[times >= min(10.0 * first, (first * last) ** 0.5)]
    shown = later if later.min() < later.max() else values
    return float(shown.min()), float(shown.max())


def resampled(times: FloatArray, values: FloatArray, n: int) -> FloatArray:
    """Values of a step function at the ends of n equal time intervals.

    `times` and `values` have the shape (m,); times ascend.
    """
    ends = np.linspace(times[0], times[-1], n + 1)[1:]
    latest: FloatArray = values[np.maximum(np.searchsorted(times, ends, side="right") - 1, 0)]
    return latest
