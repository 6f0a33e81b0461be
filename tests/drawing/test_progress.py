"""Plots of bounds and log-likelihoods."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from models import tiger
from pomdptool.drawing.progress import bounds_figure, loglik_figure
from pomdptool.errors import PolicyError
from pomdptool.trace import FitReport, Restart

if TYPE_CHECKING:
    pass
from figures import policy_of


def test_infinite_bounds_are_not_plotted() -> None:
    policy = policy_of(tiger(), np.ones((1, 2)), [0])
    lines = bounds_figure(policy).axes[0].lines
    assert [np.asarray(line.get_xdata()).tolist() for line in lines] == [[0.2, 0.4]] * 2
    with pytest.raises(PolicyError, match="no bounds over time"):
        bounds_figure(replace(policy, trace=()))


def test_log_likelihood_is_per_step() -> None:
    restarts = (Restart(1, -10.0, 3, True), Restart(2, -25.0, 2, True))
    report = FitReport(2, 10, (-30.0, -20.0, -10.0), restarts)
    others, best, *_ = loglik_figure(report).axes[0].lines
    assert np.asarray(best.get_ydata()).tolist() == [-3.0, -2.0, -1.0]
    assert np.asarray(others.get_ydata()).tolist() == [-1.0, -2.5]
