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


def resampled(times: FloatArray, values: FloatArray, n: int) -> FloatArray:
    """Values of a step function at the ends of n equal time intervals.

    `times` and `values` have the shape (m,); times ascend.
    """
    ends = np.linspace(times[0], times[-1], n + 1)[1:]
    latest: FloatArray = values[np.maximum(np.searchsorted(times, ends, side="right") - 1, 0)]
    return latest
