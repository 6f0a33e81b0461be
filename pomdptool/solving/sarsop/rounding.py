"""Error of SARSOP's bounds, from rounding and from beliefs merged as equal.

Vectors are backed up less a bound on the rounding of the backup, so only the rounding of one sum
separates the lower bound from a valid one. The upper bound is backed up through nodes of the belief
graph. One such backup misses the exact one by at most

    (g drift + c (n + m)) magnitude,

where `magnitude` bounds |V*|, c (n + m) bounds the rounding of sums over n states and m
observations, and drift is the largest L1 distance between the successors of a belief, weighted by
their probabilities, and the nodes that represent them; V* is convex and lies between -magnitude and
magnitude. Over all backups the error is at most 1 / (1 - g) times as large.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pomdptool.kernels.sarsop import layout
from pomdptool.kernels.sarsop.layout import Search, Tables
from pomdptool.solving.sarsop.block_model import BlockModel

EPSILON = float(np.finfo(np.float64).eps)

MAX_NEGLIGIBLE, MIN_NEGLIGIBLE = 1e-12, 1e-16
"""Range of the largest probability that is treated as 0."""

GAP_SHARE = 0.01
"""Share of the target gap that dropping such probabilities may cost, per state."""


class BoundErrors(NamedTuple):
    """Error of the lower bound, and of the upper one: constant part and part per unit of drift."""

    lower: float
    upper: float
    per_drift: float

    def upper_with(self, drift: float) -> float:
        """Error of the upper bound at some drift."""
        return self.upper + self.per_drift * drift


def bound_errors(blocks: BlockModel, magnitude: float) -> BoundErrors:
    """Errors of both bounds at the initial belief, if |V*| is at most `magnitude`."""
    g = blocks.model.discount
    states = int(np.diff(blocks.arrays.block_first).max())
    edges = int(np.diff(blocks.arrays.edge_first).max())
    scale = magnitude / (1.0 - g)
    return BoundErrors(
        lower=6.0 * EPSILON * (len(blocks.start) + 2) * magnitude,
        upper=4.0 * EPSILON * (states + edges + 2) * scale,
        per_drift=g * scale,
    )


def negligible_probability(blocks: BlockModel, magnitude: float, gap: float) -> float:
    """Largest probability that may be treated as 0 in every step, at an error far below `gap`."""
    states = int(np.diff(blocks.arrays.block_first).max())
    error_per_drift = max(magnitude, EPSILON) / (1.0 - blocks.model.discount)
    return min(max(GAP_SHARE * gap / (states * error_per_drift), MIN_NEGLIGIBLE), MAX_NEGLIGIBLE)


def value_bound(blocks: BlockModel, tables: Tables, search: Search) -> float:
    """Bound |V*| at all beliefs, by the corners from above and each block's best vector below."""
    begin = int(tables.i[layout.CORNERS])
    high = float(tables.f[begin : begin + blocks.n_slots].max())
    low = np.full(blocks.n_blocks, -np.inf)
    sizes = np.diff(blocks.arrays.block_first)
    for block, _, values in search.vectors[:, : layout.V_LINKS].tolist():
        low[block] = max(low[block], search.f[values : values + sizes[block]].min())
    return max(abs(high), abs(float(low.min())))
