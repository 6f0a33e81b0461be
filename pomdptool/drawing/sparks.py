"""Sparklines: a curve in one line of text (Tufte 2006), a character for each part of it."""

from __future__ import annotations

import numpy as np

from pomdptool.sparse import FloatArray

BLOCKS = "▁▂▃▄▅▆▇█"
PLAIN = "_.-~=+*#"
"""Heights where block characters cannot be written."""


def sparkline(values: FloatArray, low: float, high: float, *, plain: bool = False) -> str:
    """A character for each value, the higher the larger; the ends of the scale are given."""
    marks = PLAIN if plain else BLOCKS
    scale = high - low
    if not scale > 0.0:
        return marks[len(marks) // 2] * len(values)
    heights = np.clip((values - low) / scale * len(marks), 0, len(marks) - 1)
    return "".join(marks[k] for k in heights.astype(int).tolist())


def resampled(times: FloatArray, values: FloatArray, n: int) -> FloatArray:
    """Values at the ends of n equal parts of the time, each the last one known by then.

    Parameters
    ----------
    times, values
        Shapes (m,): times ascend.
    """
    ends = np.linspace(times[0], times[-1], n + 1)[1:]
    known: FloatArray = values[np.maximum(np.searchsorted(times, ends, side="right") - 1, 0)]
    return known
