"""Missing actions and observations of data files."""

from __future__ import annotations

import numpy as np
import pytest

from data_texts import message, read
from pomdptool.episodes import NONE

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*do not show how they ended"),
    pytest.mark.filterwarnings("ignore:.*read as a? ?symbol"),
]


def test_an_observation_before_any_action() -> None:
    episodes = read("episode,action,observation,reward\n1,,x,\n1,a,y,2\n2,,x,NaN\n2,a,,3\n")
    assert episodes.actions.tolist() == [NONE, 0, NONE, 0]
    assert episodes.observations.tolist() == [0, 1, 0, NONE]
    assert episodes.rewards is not None
    assert np.isnan(episodes.rewards).tolist() == [True, False, True, False]


def test_an_action_is_missing_later() -> None:
    error = message("episode,step,action,observation\n1,2,,y\n1,1,a,x\n")
    where = "2: column 'action': an action is missing"
    assert error == f"{where} (only an episode's first row may have none)"
    assert read("episode,step,action,observation\n1,2,a,y\n1,1,,x\n").actions.tolist() == [NONE, 0]


def test_nothing_was_observed() -> None:
    assert message("action,observation\na,\na,\n") == " every observation is empty"
