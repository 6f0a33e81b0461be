"""Plots of the belief over an episode."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from models import random_beliefs
from pomdptool.drawing.beliefs import MAX_BANDS, MAX_ROWS, belief_figure
from pomdptool.errors import DataError
from pomdptool.trace import TracedStep

if TYPE_CHECKING:
    pass


def episode(n_steps: int, n_states: int) -> list[TracedStep]:
    beliefs = random_beliefs(n_steps, n_states)
    return [
        TracedStep(
            3, t, "s0", {f"s{s}": float(p) for s, p in enumerate(b) if p}, f"a{t}", f"o{t % 2}", 1.0
        )
        for t, b in enumerate(beliefs)
    ]


def test_the_belief_over_an_episode() -> None:
    steps = episode(30, 40)
    figure = belief_figure(steps, 99, costs=True)
    bands, states, actions, observations, rewards = figure.axes
    assert states.get_title(loc="left") == "true state"
    assert not bands.lines  # what happened is not drawn over the belief
    areas = []
    for band in bands.collections:
        x, y = np.asarray(band.get_paths()[0].vertices)[:-1].T
        areas.append(0.5 * abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))))
    assert len(areas) == MAX_BANDS
    assert sum(areas) == pytest.approx(30.0)  # a belief of 1 at each step
    assert len(actions.get_yticks()) == MAX_ROWS
    assert len(observations.get_yticks()) == 2
    assert rewards.get_title(loc="left") == "cost"
    short = belief_figure(steps, 20, costs=False).axes[0]
    assert short.get_xlim() == (-0.5, 19.5)
    assert short.get_title(loc="left") == "belief over episode 3, the first 20 of 30 steps"
    with pytest.raises(DataError, match="has no beliefs"):
        belief_figure([replace(step, belief={}) for step in steps], 99, costs=False)


def test_true_states_have_the_colours_of_their_bands() -> None:
    steps = [replace(step, state=f"s{t % 3}") for t, step in enumerate(episode(6, 3))]
    bands, states, *_ = belief_figure(steps, 99, costs=False).axes
    # steps of the first state, whichever band it has, are steps 0 and 3
    strip = states.collections[0]
    x, y = np.asarray(strip.get_paths()[0].vertices).T
    assert x.min() == -0.5
    assert {-0.5, 0.5, 2.5, 3.5} <= {float(a) for a, b in zip(x, y, strict=True) if b == 1.0}
    assert len(states.collections) == 3
    colours = {tuple(np.asarray(c.get_facecolor())[0]) for c in bands.collections}
    assert {tuple(np.asarray(c.get_facecolor())[0]) for c in states.collections} == colours
    unknown = [replace(step, state="") for step in steps]
    assert len(belief_figure(unknown, 99, costs=False).axes) == 4
