"""Warnings about learned models."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from episode_data import numbered
from pomdptool.learning.fit import fit


def test_the_number_of_warnings_is_limited() -> None:
    data = numbered(2, actions=False)
    names = tuple(map(str, range(1000)))
    result = fit(replace(data, action_names=names), 1, rng=np.random.default_rng(0), restarts=1)
    assert len(result.warnings) < 15
    assert "... and 988 more like this" in result.warnings
