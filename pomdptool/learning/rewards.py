"""Rewards of a learned model: what each action earns in each state.

The posterior g of the state before a step knows nothing of the step's reward r, so that r is
expected to be the mean of R[a, s] under g. R[a] solves the least squares of r against g over the
steps with action a: where g is certain, that is the mean of the rewards in each state; where it is
not, the mean weighted by g would be drawn towards the other states' rewards, and this is not. A
state that never stands out among the posteriors keeps near the weighted mean, by a ridge, and no
value lies beyond the rewards that were seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pomdptool.episodes import NONE, Episodes
from pomdptool.learning.expectation import Expected
from pomdptool.sparse import FloatArray

RIDGE = 1e-3
"""Strength of the pull to the weighted mean, relative to the steps of a state."""

LEAST_VISITS = 1e-3
"""Expected visits below which a state's reward is not known."""


@dataclass(frozen=True, eq=False, slots=True)
class LearnedRewards:
    """Shape (A, S) each: R[a, s], its standard error, and the expected number of visits.

    The error is infinite where there were no visits; then R is the least reward seen.
    """

    R: FloatArray
    error: FloatArray
    visits: FloatArray


def learned_rewards(episodes: Episodes, counts: Expected) -> LearnedRewards:
    """Rewards from counts of the same episodes that kept the rewards."""
    assert episodes.rewards is not None
    A, S = counts.paid.shape
    R, error = np.empty((A, S)), np.full((A, S), np.inf)
    visits = counts.squares.sum(axis=2)
    known = ~np.isnan(episodes.rewards) & (episodes.actions != NONE)
    least = float(episodes.rewards[known].min()) if known.any() else 0.0
    for a in range(A):
        r = episodes.rewards[known & (episodes.actions == a)]
        R[a] = least
        if len(r):
            R[a], error[a] = _fitted(counts.squares[a], counts.paid[a], visits[a], r)
            unknown = visits[a] < LEAST_VISITS
            R[a, unknown], error[a, unknown] = least, np.inf
    return LearnedRewards(R, error, visits)


def _fitted(
    G: FloatArray, paid: FloatArray, visits: FloatArray, r: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Least squares by the normal equations G R = paid, and standard errors."""
    if np.ptp(r) == 0.0:
        return np.full(len(visits), r[0]), np.zeros(len(visits))
    weighted = paid / np.maximum(visits, LEAST_VISITS)
    pull = np.diag(RIDGE * visits + LEAST_VISITS**2)
    inverse = np.linalg.inv(G + pull)
    R = inverse @ (paid + pull @ weighted)
    R = np.clip(R, r.min(), r.max())
    left = max(0.0, float(r @ r - 2.0 * R @ paid + R @ G @ R))
    free = len(r) - int(np.count_nonzero(visits > LEAST_VISITS))
    variance = left / max(1, free)
    spread = np.einsum("ij,jk,ik->i", inverse, G, inverse)
    return R, np.sqrt(variance * np.maximum(spread, 0.0))
