"""Column names of data files, and warnings about misspelt ones."""

from __future__ import annotations

import json

import pytest

import pomdptool as pt
from data_texts import message, model_of, read
from pomdptool.formats.data.report import Columns

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*do not show how they ended"),
    pytest.mark.filterwarnings("ignore:.*read as a? ?symbol"),
]


def test_columns_are_renamed() -> None:
    columns = Columns(episode="run", observation="obs,name", reward="r")
    episodes = read('run,"obs,name",r,observation\n1,"x,y",2,n\n', columns=columns)
    assert episodes.observation_names == ("x,y",)
    assert episodes.rewards is not None
    assert episodes.rewards.tolist() == [2.0]


def test_column_names_ignore_case() -> None:
    assert read("Episode, Action,OBSERVATION\n1,a,x\n").action_names == ("a",)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("acton,observation", "'action': a single action is assumed; did you mean 'acton'?"),
        ("Actions,observation", "'action': a single action is assumed; did you mean 'Actions'?"),
        ("observation,rewrad", "'reward': no rewards are read; did you mean 'rewrad'?"),
        ("episodes,observation", "'episode': all rows form one episode; did you mean 'episodes'?"),
        ("step nr,observation", "'step': rows are kept in file order; did you mean 'step nr'?"),
    ],
)
def test_misspelt_columns_are_warned_of(header: str, expected: str) -> None:
    expected = f"<data>: there is no column {expected}"
    with pytest.warns(pt.PomdpWarning) as caught:
        read(f"{header}\n1,2\n")
    assert [str(one.message) for one in caught] == [expected]
    with pytest.warns(pt.PomdpWarning) as caught:
        read("\n".join([json.dumps(dict.fromkeys(header.split(","), "1"))] * 3), kind="jsonl")
    assert [str(one.message) for one in caught] == [expected]


def test_no_warning_of_present_or_different_columns() -> None:
    for header in ("episode,step,action,observation,reward", "when,observation,who,note,value"):
        assert read(f"{header}\n1,2,3,4,5\n").n_steps == 1
    assert read("acton,observation\nx,2\n", columns=Columns(action="acton")).action_names == ("x",)


TIGER = model_of(["listen", "open-left"], ["hear-left", "hear-right"], ["left", "right"])


def test_a_misspelt_action_is_an_error_with_several_actions() -> None:
    error = message("acton,observation\nlisten,hear-left\n", like=TIGER)
    expected = " there is no column 'action', and the model has 2 actions"
    assert error == f"{expected}; did you mean 'acton'?"


def test_missing_columns_are_named() -> None:
    text = "episode,observations\n1,x\n"
    expected = "there is no column 'observation' among 'episode', 'observations'"
    assert message(text) == f" {expected}; did you mean 'observations'?"
    error = message("observation\nx\n", columns=Columns(reward="gain"))
    assert error == " there is no column 'gain' among 'observation'"


def test_columns_that_occur_twice() -> None:
    assert message("observation,observation\nx,y\n") == " there are several columns 'observation'"
