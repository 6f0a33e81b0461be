"""Beliefs as particles: states, each as probable as the others.

After an action and an observation particles are drawn from the old ones and moved by the simulator;
those whose observation agrees are kept (rejection sampling). Where too few agree, as many as are
wanted are drawn, moved, and weighted by the likelihood of the observation, and the new particles
are drawn by weight (low-variance resampling).
"""

from __future__ import annotations

import numpy as np

from pomdptool.kernels.simulation import pomcp as kernel
from pomdptool.kernels.simulation.simulator import Simulator
from pomdptool.sparse import FloatArray, IntArray

ATTEMPTS = 10
"""Particles moved at most, for each one wanted, to find those that agree."""

ENOUGH = 0.1
"""Share of the particles wanted that must agree; else they are weighted."""


def evenly_drawn(states: IntArray, sums: FloatArray, n: int) -> IntArray:
    """Draw n states evenly along the running sums of their probabilities: nothing is random."""
    return states[np.searchsorted(sums, (np.arange(n) + 0.5) / n)]


def moved(
    simulator: Simulator, states: IntArray, action: int, observation: int, numbers: IntArray
) -> IntArray | None:
    """Particles, as many as before, after an action and an observation; None where none agrees.

    `numbers` is the state of a generator of `kernels.simulation.random`, which goes on.
    """
    n = len(states)
    after = np.zeros(n, np.int64)
    agreed = kernel.update_particles(
        simulator, states, action, observation, after, ATTEMPTS * n, numbers
    )
    if agreed >= ENOUGH * n:
        return np.resize(after[:agreed], n)
    weights = np.zeros(n)
    total = kernel.weigh_particles(simulator, states, action, observation, after, weights, numbers)
    if total == 0.0:
        return None
    sums = np.cumsum(weights) / total
    sums[-1] = 1.0
    return evenly_drawn(after, sums, n)
