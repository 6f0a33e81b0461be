"""Ends of episodes in data files."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest

import pomdptool as pt
from data_texts import message, model_of
from data_warnings import parquet_of, read
from pomdptool.episodes import CUT, TERMINATED, TRUNCATED, Episodes
from pomdptool.formats.data.read import read_episodes
from pomdptool.formats.data.write import write_episodes


def test_columns_of_gymnasium() -> None:
    head = "episode,step,action,observation,reward,terminated,truncated\n"
    rows = "1,0,a,x,0,0,0\n1,1,a,y,1,1,0\n2,0,a,x,0,0,1\n3,0,a,x,0,,\n"
    episodes, warned = read(head + rows)
    assert warned == []
    assert episodes.ends is not None
    assert episodes.ends.tolist() == [TERMINATED, TRUNCATED, TRUNCATED]
    assert episodes.terminated.tolist() == [True, False, False]
    assert read(head + rows, ends="cut")[0].ends.tolist() == [CUT] * 3  # type: ignore[union-attr]
    assert read(head + rows, ends="absorbing")[0].terminated.tolist() == [True] * 3
    never, warned = read((head + rows).replace("1,1,0", "1,0,1"))
    assert never.ends is not None
    assert (never.ends.tolist(), warned) == ([TRUNCATED] * 3, [])


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
def test_ends_are_written_and_read(kind: Any) -> None:
    first, zero = np.array([0, 2, 3, 6]), np.zeros(6, dtype=np.int64)
    for ends in ([TERMINATED, TRUNCATED, TERMINATED], [CUT] * 3):
        stream = io.BytesIO()
        episodes = Episodes(("a",), ("x",), zero, zero, first, ends=np.array(ends))
        write_episodes([episodes], stream, kind=kind)
        again = read_episodes(io.BytesIO(stream.getvalue()))
        assert again.ends is not None
        assert again.ends.tolist() == [end or TRUNCATED for end in ends]
        if kind == "csv":
            rows = [line.split(",")[4:] for line in stream.getvalue().decode().splitlines()]
            assert rows[0] == ["terminated", "truncated"]
            flag = ["1", "0"] if ends[0] else ["0", "1"]
            assert rows[1:3] == [["0", "0"], flag]
            assert rows[3] == ["0", "1"]


def test_flags_in_any_order_and_form() -> None:
    text = "episode,step,observation,Terminated\n1,1,y,TRUE\n1,0,x,False\n2,0,x,0.0\n2,1,y,\n"
    assert read(text)[0].terminated.tolist() == [True, False]
    lines = "".join(
        json.dumps({"episode": e, "observation": "x", "done": done}) + "\n"
        for e, done in ((1, False), (1, True), (2, None))
    )
    columns = pt.Columns(terminated="done")
    assert read(lines, columns=columns)[0].terminated.tolist() == [True, False]
    table = parquet_of(episode=[1, 1, 2], observation=[0, 1, 0], terminated=[False, True, None])
    assert read(table)[0].terminated.tolist() == [True, False]
    error = message("observation,terminated\nx,0\nx,maybe\nx,1\n")
    assert error == "3: column 'terminated': 'maybe' is not a boolean (0, 1, false or true)"


def test_an_episode_ends_where_its_flag_is() -> None:
    error = message("episode,observation,terminated,truncated\n1,x,1,0\n1,y,0,1\n2,x,0,1\n")
    assert error == "2: column 'terminated': the episode is terminated here but continues"
    episodes, warned = read("observation,terminated,truncated\nx,0,0\ny,1,0\nx,0,1\ny,0,0\nx,0,0\n")
    assert episodes.first.tolist() == [0, 2, 3, 5]
    assert episodes.ends is not None
    assert episodes.ends.tolist() == [TERMINATED, TRUNCATED, TRUNCATED]
    assert warned == []


def test_unknown_ends_of_episodes_are_warned_of() -> None:
    text = "episode,action,observation,reward\n1,a,x,1\n1,a,x,1\n2,a,x,1\n"
    _, warned = read(text)
    assert warned == [
        "episodes have 1 to 2 steps, and the data do not show how they ended: assumed cut off; "
        "use --ends absorbing if they ended in a terminal state, else --ends cut"
    ]
    cut = "episode,action,observation,reward,truncated\n1,a,x,1,0\n1,a,x,1,1\n2,a,x,1,"
    assert read(cut + "1\n")[0].ends.tolist() == [CUT] * 2  # type: ignore[union-attr]
    open_, warned = read(cut + "0\n")
    assert open_.ends is None
    assert "do not show how they ended" in warned[0]
    _, warned = read("episode,observation,terminate\n1,x,0\n1,x,1\n")
    assert warned == [
        "there is no column 'terminated': no episode is known to have reached a terminal state; "
        "did you mean 'terminate'?"
    ]
    for options in ({"ends": "cut"}, {"ends": "absorbing"}):
        assert read(text, **options)[1] == []
    assert read("episode,action,observation\n1,a,x\n2,a,x\n")[1] == []
    assert read("episode,observation\n1,x\n1,x\n2,x\n")[1] == []
    endless = model_of(["a"], ["x"], ["s", "t"])
    assert read(text, like=endless)[1] == []
