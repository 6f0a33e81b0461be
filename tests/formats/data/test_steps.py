"""Order of rows, and episodes."""

from __future__ import annotations

import pytest

from data_texts import content, findings, message, read

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*do not show how they ended"),
    pytest.mark.filterwarnings("ignore:.*read as a? ?symbol"),
]


def test_rows_are_put_in_order() -> None:
    episodes = read("episode,step,observation,reward\n7,3,c,3\n-2,1,d,4\n7,1,a,1\n7,2,b,2\n")
    assert content(episodes)["observations"] == ["a", "b", "c", "d"]
    assert episodes.first.tolist() == [0, 3, 4]
    assert episodes.numbers is not None
    assert episodes.numbers.tolist() == [7, -2]
    assert episodes.rewards is not None
    assert episodes.rewards.tolist() == [1, 2, 3, 4]


def test_steps_without_episodes() -> None:
    assert content(read("step,observation\n2,b\n1,a\n"))["observations"] == ["a", "b"]


def test_episodes_may_have_names() -> None:
    episodes = read("episode,observation\nmon,x\nmon,y\n3,x\n")
    assert episodes.numbers is None
    assert episodes.first.tolist() == [0, 2, 3]


def test_steps_that_occur_twice() -> None:
    text = "episode,step,observation\na,1,x\na,2,x\na,1,x\n"
    assert message(text) == "4: column 'step': step 1 occurs twice in episode 'a'"
    assert message("step,observation\n1,x\n1,x\n") == "3: column 'step': step 1 occurs twice"


def test_episodes_that_come_back() -> None:
    error = message("episode,observation\n1,x\n2,x\n1,x\n1,x\n2,x\n")
    assert error == (
        "4: column 'episode': a row in episode '1' after another episode began: add a column "
        "'step' to define the order"
    )


def test_invalid_steps_and_episodes() -> None:
    text = "episode,step,observation\n1,1.5,x\n1,,x\n1,x,x\n1, 4.0,x\n"
    assert [item.partition("'step': ")[2] for item in findings(text)] == [
        "'1.5' is not a whole number",
        "the step is missing",
        "'x' is not a whole number",
    ]
    error = message("episode,observation\n1,x\n,x\n")
    assert error == "3: column 'episode': the episode is missing"
