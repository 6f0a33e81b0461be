"""Symbols of data files: names that occur, names and indices of a model."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_texts import findings, message, model_of, read
from pomdptool.episodes import NONE
from pomdptool.formats.data.symbols import natural_key
from pomdptool.model import make_model

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*do not show how they ended"),
    pytest.mark.filterwarnings("ignore:.*read as a? ?symbol"),
]

TIGER = model_of(["listen", "open-left"], ["hear-left", "hear-right"], ["left", "right"])


def test_integers_that_occur_are_the_names() -> None:
    episodes = read("action,observation\n1,4\n0,2\n")
    assert episodes.action_names == ("0", "1")
    assert episodes.observation_names == ("2", "4")
    assert episodes.observations.tolist() == [1, 0]


def test_names_are_in_natural_order() -> None:
    episodes = read("observation\no10\no2\no2\n7\n")
    assert episodes.observation_names == ("7", "o2", "o10")
    assert episodes.observations.tolist() == [2, 1, 1, 0]


@pytest.mark.parametrize("name", ["-1", "007", "1.5", "٣", "1" * 5000])
def test_texts_like_integers_are_names(name: str) -> None:
    assert set(read(f"observation\n1\n{name}\n").observation_names) == {"1", name}


@given(st.lists(st.text(alphabet="a02é", max_size=6), unique=True))
def test_natural_order_does_not_depend_on_the_data(names: list[str]) -> None:
    assert sorted(names, key=natural_key) == sorted(sorted(names), key=natural_key)


def test_symbols_of_a_model() -> None:
    text = "action,observation,state\nopen-left,0,left\nlisten,hear-right,1\n0,1,\n"
    episodes = read(text, like=TIGER)
    assert episodes.action_names == TIGER.actions
    assert episodes.observation_names == TIGER.observations
    assert episodes.state_names == TIGER.states
    assert episodes.actions.tolist() == [1, 0, 0]
    assert episodes.observations.tolist() == [0, 1, 1]
    assert episodes.states is not None
    assert episodes.states.tolist() == [0, 1, NONE]


def test_names_that_are_integers_go_before_indices() -> None:
    model = model_of(["a"], ["1", "0"], ["s"])
    assert read("observation\n1\n0\n", like=model).observations.tolist() == [0, 1]


@pytest.mark.parametrize("word", ["Say-A", "SAY-A"])
def test_a_symbol_equal_but_for_case_is_the_nearest(word: str) -> None:
    T = np.full((3, 1, 1), 1.0)
    like = make_model(T, None, 0.0, discount=0.9, actions=["say-a", "say-b", "say-c"])
    error = message(f"action,observation\n{word},0\n", like=like)
    assert error.endswith(f"unknown action {word!r}; did you mean 'say-a'?")


def test_unknown_symbols() -> None:
    text = "action,observation\nlisten,hear-left\nlisen,hear-left\nlisten,2\nlisen,-1\n"
    assert findings(text, like=TIGER) == (
        "<data>:3: column 'action': unknown action 'lisen'; did you mean 'listen'?",
        "<data>:4: column 'observation': 2 is neither the name of an observation nor an index "
        "below 2",
        "<data>:5: column 'action': unknown action 'lisen'; did you mean 'listen'?",
        "<data>:5: column 'observation': -1 is neither the name of an observation nor an index "
        "below 2",
    )
    assert message(text, like=TIGER).endswith("did you mean 'listen'? (and 3 more)")


def test_no_action_column_for_several_actions() -> None:
    error = message("observation\nhear-left\n", like=TIGER)
    assert error == " there is no column 'action', and the model has 2 actions"
