"""The M-step: fixed parameters, pseudo-counts and damping."""

from __future__ import annotations

import numpy as np

from episode_data import counted, random_parameters
from pomdptool.learning.m_step import MStepSettings, maximise


def test_pseudo_counts_and_damping() -> None:
    parameters = random_parameters(6, 2)
    counts = counted(parameters, [[(0, 0), (1, 1), (0, 1)]])
    new = maximise(counts, parameters, MStepSettings(2.0, 0.0, 0.0, frozenset(), 0.25))
    row = counts.T[0, 1] + 2.0
    np.testing.assert_allclose(new.T[0, 1], 0.75 * row / row.sum() + 0.25 * parameters.T[0, 1])
    row = counts.Z[1, 0]
    np.testing.assert_allclose(new.Z[1, 0], 0.75 * row / row.sum() + 0.25 * parameters.Z[1, 0])
