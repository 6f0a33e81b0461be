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


@pytest.mark.parametrize("first", [1e-3, 1.0])
def test_bounds_are_scaled_without_the_first_ones(first: float) -> None:
    times = first * np.geomspace(1.0, 100.0, 9)
    trace = tuple((float(t), -1e6 if k < 2 else -1.0 / k, 1.0, k) for k, t in enumerate(times))
    ax = bounds_figure(replace(policy_of(tiger(), np.ones((1, 2)), [0]), trace=trace)).axes[0]
    low, high = ax.get_ylim()
    assert -2.0 < low < -0.25
    assert 1.0 < high < 2.0
    (note,) = [text.get_text() for text in ax.texts]
    assert note == "the first bounds, -1e+06 to 1, lie outside of the picture"


def test_bounds_of_like_size_are_all_shown() -> None:
    trace = tuple((0.1 * (k + 1), float(k - 9), 1.0, k) for k in range(9))
    ax = bounds_figure(replace(policy_of(tiger(), np.ones((1, 2)), [0]), trace=trace)).axes[0]
    assert ax.get_ylim()[0] < -9.0
    assert not ax.texts


def test_log_likelihood_is_per_step() -> None:
    restarts = (Restart(1, -10.0, 3, True), Restart(2, -25.0, 2, True))
    report = FitReport(2, 10, (-30.0, -20.0, -10.0), restarts)
    others, best, *_ = loglik_figure(report).axes[0].lines
    assert np.asarray(best.get_ydata()).tolist() == [-3.0, -2.0, -1.0]
    assert np.asarray(others.get_ydata()).tolist() == [-1.0, -2.5]
