"""How far the anytime solver's bounds may be off, by rounding and by beliefs taken for equal.

Vectors are backed up with what rounding may add taken off, so that the lower bound is a sum's error
from exact. The upper bound is backed up through nodes of the belief graph. One backup, in floats,
misses the exact one by no more than

    (g drift + c (n + m)) largest,

where `largest` bounds |V*|, c (n + m) is the rounding of sums over n states and m observations, and
drift the largest L1 distance found between the successors of a belief, times their probabilities,
and the nodes that stand for them: for V* is convex and between -largest and largest. What the
backups miss adds up to that over 1 - g.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pomdptool.kernels.sarsop import layout as kernel
from pomdptool.kernels.sarsop.layout import Search, Tables
from pomdptool.solving.sarsop.block_model import BlockModel

EPSILON = float(np.finfo(np.float64).eps)

MOST_FAINT, LEAST_FAINT = 1e-12, 1e-16
"""Range of probabilities that count as 0."""

FAINT_SHARE = 0.01
"""Share of the gap wanted that these may add up to, for each state."""


class Error(NamedTuple):
    """Of the lower bound; of the upper one, its constant part and that for each unit of drift."""

    lower: float
    upper: float
    per_drift: float

    def above(self, drift: float) -> float:
        """Error of the upper bound."""
        return self.upper + self.per_drift * drift


def error_of(blocks: BlockModel, largest: float) -> Error:
    """Errors of both bounds at the initial belief, where |V*| is at most `largest`."""
    g = blocks.model.discount
    states = int(np.diff(blocks.arrays.block_first).max())
    edges = int(np.diff(blocks.arrays.edge_first).max())
    scale = largest / (1.0 - g)
    return Error(
        lower=6.0 * EPSILON * (len(blocks.start) + 2) * largest,
        upper=4.0 * EPSILON * (states + edges + 2) * scale,
        per_drift=g * scale,
    )


def faint_probability(blocks: BlockModel, largest: float, gap: float) -> float:
    """Probability that may count as 0 in every step at an error far smaller than a gap."""
    states = int(np.diff(blocks.arrays.block_first).max())
    error_per_drift = max(largest, EPSILON) / (1.0 - blocks.model.discount)
    return min(max(FAINT_SHARE * gap / (states * error_per_drift), LEAST_FAINT), MOST_FAINT)


def largest_value(blocks: BlockModel, tables: Tables, search: Search) -> float:
    """Bound |V*| at every belief, by the corners from above and the best vectors from below."""
    begin = int(tables.i[kernel.CORNERS])
    high = float(tables.f[begin : begin + blocks.n_slots].max())
    low = np.full(blocks.n_blocks, -np.inf)
    sizes = np.diff(blocks.arrays.block_first)
    for block, _, values in search.vectors[:, : kernel.V_LINKS].tolist():
        low[block] = max(low[block], search.f[values : values + sizes[block]].min())
    return max(abs(high), abs(float(low.min())))
