"""Random numbers of the kernels."""

from __future__ import annotations

import numpy as np
from scipy.stats import chisquare

from pomdptool.kernels.simulation.random import uniform


def test_uniform_numbers_are_uniform() -> None:
    state = np.random.default_rng(3).integers(1, 2**31, 4)
    draws = np.array([uniform(state) for _ in range(20_000)])
    counts = np.histogram(draws, bins=50, range=(0.0, 1.0))[0]
    assert chisquare(counts).pvalue > 1e-3
    assert abs(np.corrcoef(draws[:-1], draws[1:])[0, 1]) < 0.03
