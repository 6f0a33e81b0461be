"""Beliefs as unweighted particles, updated by rejection sampling.

Particles are sampled and stepped by the simulator; those with the actual observation are kept. If
too few are accepted, the particles are weighted by the likelihood of the observation instead
(importance sampling) and resampled systematically.
"""

from __future__ import annotations

import numpy as np

from pomdptool.kernels.simulation import pomcp as kernel
from pomdptool.kernels.simulation.simulator import Simulator
from pomdptool.sparse import FloatArray, IntArray

ATTEMPTS = 10
"""Maximum number of attempts of rejection sampling per particle."""

MIN_ACCEPTED = 0.1
"""Share of particles that rejection sampling must accept; below it they are weighted."""


def systematic_sample(states: IntArray, sums: FloatArray, n: int) -> IntArray:
    """Sample n states systematically from their cumulative distribution, without randomness."""
    return states[np.searchsorted(sums, (np.arange(n) + 0.5) / n)]


def updated_particles(
    simulator: Simulator, states: IntArray, action: int, observation: int, rng_state: IntArray
) -> IntArray | None:
    """The same number of particles after an action and an observation; None if all weights are 0.

    `rng_state`, the state of a generator of `kernels.simulation.random`, is advanced.
    """
    n = len(states)
    after = np.zeros(n, np.int64)
    accepted = kernel.update_particles(
        simulator, states, action, observation, after, ATTEMPTS * n, rng_state
    )
    if accepted >= MIN_ACCEPTED * n:
        return np.resize(after[:accepted], n)
    weights = np.zeros(n)
    total = kernel.weigh_particles(
        simulator, states, action, observation, after, weights, rng_state
    )
    if total == 0.0:
        return None
    sums = np.cumsum(weights) / total
    sums[-1] = 1.0
    return systematic_sample(after, sums, n)
