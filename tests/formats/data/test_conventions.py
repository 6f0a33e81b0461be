"""Data as people have it: codes, missing values, gaps, separators, ends of episodes."""

from __future__ import annotations

import csv
import io
import json
import time
import warnings
from typing import Any

import numpy as np
import pytest

import pomdptool as pt
from data_texts import message, model_of
from pomdptool.episodes import CUT, NONE, TERMINATED, TRUNCATED, Episodes
from pomdptool.formats.data.read import read_episodes
from pomdptool.formats.data.write import write_episodes


def read(text: str | bytes, **options: Any) -> tuple[Episodes, list[str]]:
    """Episodes, and the warnings without the name of the file."""
    data = text.encode() if isinstance(text, str) else text
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        lot = read_episodes(io.BytesIO(data), **options)
    return lot, [str(one.message).removeprefix("<data>: ") for one in caught]


def names(lot: Episodes) -> list[str | None]:
    return [None if o == NONE else lot.observation_names[o] for o in lot.observations]


def parquet_of(**columns: Any) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    stream = io.BytesIO()
    parquet.write_table(pa.table(columns), stream)
    return stream.getvalue()


# ---------------------------------------------------------------- codes


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        (["200", "404", "500", "200"], ("200", "404", "500")),
        (["1", "2", "3"], ("1", "2", "3")),
        (["2", "0", "1"], ("0", "1", "2")),
        (["20190102", "20190101"], ("20190101", "20190102")),
        (["100001", "0"], ("0", "100001")),
        (["-1", "10", "9", "-20"], ("-20", "-1", "9", "10")),
        (["1.0", "", "2.0", "10.0"], ("1", "2", "10")),
        (["7", "ok", "10"], ("7", "10", "ok")),
        (["007", "7"], ("007", "7")),
        ([str(10**30), "5"], ("5", str(10**30))),
    ],
)
def test_codes_that_occur_are_the_names(codes: list[str], expected: tuple[str, ...]) -> None:
    rows = "".join(f"{code},{code}\n" for code in codes if code)
    blank = "".join(f"{codes[0]},{code}\n" for code in codes if not code)
    lot, _ = read("action,observation\n" + rows + blank)
    assert sorted(lot.observation_names) == sorted(expected)
    assert sorted(lot.action_names) == sorted(expected)
    if "ok" not in codes and "007" not in codes and str(10**30) not in codes:
        assert lot.observation_names == expected


def test_codes_are_the_same_in_every_format() -> None:
    rows = [{"observation": code} for code in (200, 404, None, "500", 404.0)]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    for lot in (
        read(lines)[0],
        read(parquet_of(observation=[200.0, 404.0, None, 500.0, 404.0]))[0],
        read("action,observation\na,200\na,404\na,\na,500\na,404\n")[0],
    ):
        assert lot.observation_names == ("200", "404", "500")
        assert names(lot) == ["200", "404", None, "500", "404"]


def test_an_alphabet_names_symbols_and_indices() -> None:
    lot, _ = read("action,observation\nb,2\na,0\n", actions=["b", "a"], observations="xyz")
    assert (lot.action_names, lot.observation_names) == (("b", "a"), ("x", "y", "z"))
    assert (lot.actions.tolist(), lot.observations.tolist()) == ([0, 1], [2, 0])
    lot, _ = read("observation\n404\n200\n", observations=["200", "404", "503"])
    assert lot.observations.tolist() == [1, 0]
    said = message("observation\n0\n", observations=["200", "404"])
    assert said == "2: column 'observation': 0 is not the name of an observation"
    for bad, expected in ((["a", "a"], "'a' twice"), ([""], "empty name")):
        with pytest.raises(pt.DataError, match=expected):
            read("observation\na\n", observations=bad)


def test_an_alphabet_stands_between_data_and_a_model() -> None:
    model = model_of(["go"], ["left", "right", "o_404"], ["s"])
    options = {"like": model, "observations": ["right", "404", "left", "up"]}
    assert names(read("observation\nleft\n404\n", **options)[0]) == ["left", "o_404"]
    turned = {"like": model, "observations": ["right", "left"]}
    assert names(read("observation\n0\n1\nright\n", **turned)[0]) == ["right", "left", "right"]
    said = message("observation\nleft\nup\n", **options)
    assert said == "3: column 'observation': the model has no observation 'up'"
    assert "unknown observation 'o_404'" in message("observation\no_404\n", **options)
    assert read("observation\nleft\n", like=model, actions=["go"])[0].action_names == ("go",)


def test_one_based_codes_are_no_indices() -> None:
    model = model_of(["go"], ["left", "right"], ["s"])
    said = message("observation\n1\n2\n", like=model)
    assert said == (
        "3: column 'observation': 2 is neither the name of an observation nor an index below 2"
    )


def test_codes_are_found_under_the_names_that_a_pomdp_file_has_for_them() -> None:
    model = model_of(["a_10", "a_20"], ["o_200", "o_404", "o_-1", "a_b"], ["s"])
    lot, _ = read("action,observation\n10,404\n20,200\n10,-1\n10,a b\n10,404.0\n", like=model)
    assert lot.actions.tolist() == [0, 1, 0, 0, 0]
    assert lot.observations.tolist() == [1, 0, 2, 3, 1]
    said = message("action,observation\n10,404\n10,7\n", like=model)
    expected = "neither the name of an observation nor an index below 4"
    assert said == f"3: column 'observation': 7 is {expected}"
    shifted = model_of(["go"], ["o_1", "o_2"], ["s"])
    assert read("observation\n1\n2\n", like=shifted)[0].observations.tolist() == [0, 1]
    assert read("observation\n0\n1\n", like=shifted)[0].observations.tolist() == [0, 1]
    both = model_of(["go"], ["a_b", "x"], ["s"])
    assert "unknown observation 'a b'" in message("observation\na b\na_b\n", like=both)


# ---------------------------------------------------------------- missing values


@pytest.mark.parametrize("text", ["NA", "NaN", "null", "None", "#N/A", "n/a"])
def test_what_looks_missing_is_a_symbol_with_a_warning(text: str) -> None:
    data = f"action,observation\na,x\na,{text}\na,y\n"
    lot, said = read(data)
    assert text in lot.observation_names
    assert said == [
        f"column 'observation': {text!r} is read as a symbol; use --missing {text} if it "
        "means a missing value"
    ]
    lot, said = read(data, missing=[text])
    assert (names(lot), said) == (["x", None, "y"], [])
    like = model_of(["a"], ["x", "y"], ["s"])
    assert message(data, like=like) == (
        f"3: column 'observation': unknown observation {text!r}; use --missing {text} if it "
        "means a missing value"
    )
    assert names(read(data, like=like, missing=[text])[0]) == ["x", None, "y"]


def test_a_code_may_mean_a_missing_value_but_no_missing_reward() -> None:
    data = "episode,action,observation,reward\n-1,a,1,-1\n-1,a,-1,-1\n-1,a,2,3\n"
    lot, said = read(data, missing=["NA", "-1"])
    assert names(lot) == ["1", None, "2"]
    assert lot.rewards is not None
    assert lot.rewards.tolist() == [-1, -1, 3]
    assert said == []
    lines = '{"observation": 1}\n{"observation": -1}\n{"observation": "NA"}\n'
    assert names(read(lines, missing=["NA", "-1"])[0]) == ["1", None, None]
    floats = parquet_of(observation=[1.0, -1.0, float("nan")])
    assert names(read(floats, missing=["-1"])[0]) == ["1", None, None]


def test_an_action_may_be_missing_before_the_first_one() -> None:
    lot, _ = read("action,observation,reward\nNA,x,NA\na,y,1\n", missing=["NA"])
    assert lot.actions.tolist() == [NONE, 0]
    said = message("action,observation,reward\na,x,NA\n", missing=["NA"])
    assert said == "2: column 'reward': a reward is missing (empty or NaN)"
    assert message("action,observation,reward\na,x,NA\n") == (
        "2: column 'reward': 'NA' is not a number"
    )


def test_numbers_that_are_no_codes_are_told() -> None:
    _, said = read("observation\n0.51\n0.77\n3\n")
    assert said == [
        "column 'observation': numbers such as 0.51 are read as symbols (3 distinct ones): "
        "observations are discrete"
    ]


# ---------------------------------------------------------------- gaps

GAP = "episode,step,observation,reward\n1,0,x,1\n1,1,y,2\n1,5,x,3\n2,3,y,4\n2,4,y,5\n2,6,x,6\n"


def test_gaps_are_told_or_filled() -> None:
    lot, said = read(GAP, ends="cut")
    assert names(lot) == ["x", "y", "x", "y", "y", "x"]
    assert said == [
        "column 'step': step 5 follows step 1 in episode '1' (and 1 more): treated as "
        "consecutive; use --gaps missing if steps are missing"
    ]
    lot, said = read(GAP, ends="cut", gaps="missing")
    assert said == []
    assert names(lot) == ["x", "y", None, None, None, "x", "y", "y", None, "x"]
    assert lot.first.tolist() == [0, 6, 10]
    assert lot.actions.tolist() == [0] * 10
    assert lot.rewards is not None
    assert np.isnan(lot.rewards).tolist() == [o is None for o in names(lot)]
    back = "\n".join([GAP.split("\n")[0], *reversed(GAP.split("\n")[1:-1])]) + "\n"
    again, _ = read(back, ends="cut", gaps="missing")
    assert names(again) == ["y", "y", None, "x", "x", "y", None, None, None, "x"]


def test_gaps_without_actions_cannot_be_filled() -> None:
    text = "step,action,observation\n5,a,x\n0,a,x\n1,b,y\n"
    assert message(text, gaps="missing") == (
        "2: column 'step': steps before this one are missing: their observations can be "
        "marginalised out, their actions cannot"
    )
    assert read(text)[0].n_steps == 3
    far = f"step,observation\n{-(2**63)},x\n{2**63 - 1},y\n{2**63 - 2},y\n"
    assert "steps with missing ones" in message(far, gaps="missing")
    assert "follows step -9223372036854775808:" in read(far)[1][0]
    assert "steps with missing ones" in message("step,observation\n0,x\n2000000000,x\n",
                                                 gaps="missing")  # fmt: skip


# ---------------------------------------------------------------- separators and quotes


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("kind", ["csv", "tsv", None])
def test_the_header_shows_the_separator(separator: str, kind: Any) -> None:
    text = "\ufeffaction,observation,reward\r\na,x,1\r\nb,y,-2.5\r\n".replace(",", separator)
    lot, _ = read(text, kind=kind)
    assert (lot.action_names, names(lot)) == (("a", "b"), ["x", "y"])
    assert lot.rewards is not None
    assert lot.rewards.tolist() == [1.0, -2.5]


def test_decimal_commas_of_a_spreadsheet() -> None:
    lot, _ = read("action;observation;reward\na;x;1,5\nb;y;-2\n")
    assert lot.rewards is not None
    assert lot.rewards.tolist() == [1.5, -2.0]
    expected = "'1,5' is not a number; a decimal comma?"
    assert message('observation,reward\nx,"1,5"\n') == f"2: column 'reward': {expected}"
    mixed = message("observation;reward\nx;1,5\nx;1.5\n")
    assert mixed == f"2: column 'reward': {expected}"


def test_an_unknown_separator_shows_in_the_names() -> None:
    assert message("action:observation\na:x\n") == (
        " there is no column 'observation' among 'action:observation'; did you mean "
        "'action:observation'?"
    )


def test_a_quote_that_does_not_close_is_found_at_once() -> None:
    rows = "a,x\n" * 1000 + 'a,"x\n' + "a,y\n" * 17_000_000
    data = ("action,observation\n" + rows).encode()
    assert len(data) > 67_000_000
    began = time.perf_counter()
    said = message(data)
    assert time.perf_counter() - began < 3.0
    assert said == "1002: a row of more than 1024 KiB: unclosed quote"


def test_a_row_may_have_a_mebibyte() -> None:
    long = "y" * 1_000_000
    lines = "\n".join(["z" * 1000] * 990)
    text = f'action,observation\na,x\na,"{lines}"\nb,{long}\n'
    lot, _ = read(text)
    assert lot.observation_names == ("x", long, lines)
    limit = csv.field_size_limit()
    assert message(f"action,observation\na,x\nb,{long}{long}\n") == (
        "3: a row of more than 1024 KiB"
    )
    assert message(f'{{"observation": "{long}{long}"}}\n') == "1: a row of more than 1024 KiB"
    assert csv.field_size_limit() == limit


def test_a_quote_inside_a_value_opens_nothing_however_long_the_file() -> None:
    rows = 'a,5"\n' + "a,x\nb,y\n" * 200_000
    lot, _ = read("action,observation\n" + rows)
    assert lot.n_steps == 400_001
    assert names(lot)[:2] == ['5"', "x"]


# ---------------------------------------------------------------- ends of episodes


def test_columns_of_gymnasium() -> None:
    head = "episode,step,action,observation,reward,terminated,truncated\n"
    rows = "1,0,a,x,0,0,0\n1,1,a,y,1,1,0\n2,0,a,x,0,0,1\n3,0,a,x,0,,\n"
    lot, said = read(head + rows)
    assert said == []
    assert lot.ends is not None
    assert lot.ends.tolist() == [TERMINATED, TRUNCATED, TRUNCATED]
    assert lot.terminated.tolist() == [True, False, False]
    assert read(head + rows, ends="cut")[0].ends.tolist() == [CUT] * 3  # type: ignore[union-attr]
    assert read(head + rows, ends="absorbing")[0].terminated.tolist() == [True] * 3
    never, said = read((head + rows).replace("1,1,0", "1,0,1"))
    assert never.ends is not None
    assert (never.ends.tolist(), said) == ([TRUNCATED] * 3, [])


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
def test_ends_are_written_and_read(kind: Any) -> None:
    first, zero = np.array([0, 2, 3, 6]), np.zeros(6, dtype=np.int64)
    for ends in ([TERMINATED, TRUNCATED, TERMINATED], [CUT] * 3):
        stream = io.BytesIO()
        lot = Episodes(("a",), ("x",), zero, zero, first, ends=np.array(ends))
        write_episodes([lot], stream, kind=kind)
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
    said = message("observation,terminated\nx,0\nx,maybe\nx,1\n")
    assert said == "3: column 'terminated': 'maybe' is not a boolean (0, 1, false or true)"


def test_an_episode_ends_where_its_flag_is() -> None:
    said = message("episode,observation,terminated,truncated\n1,x,1,0\n1,y,0,1\n2,x,0,1\n")
    assert said == "2: column 'terminated': the episode is terminated here but continues"
    lot, said_too = read("observation,terminated,truncated\nx,0,0\ny,1,0\nx,0,1\ny,0,0\nx,0,0\n")
    assert lot.first.tolist() == [0, 2, 3, 5]
    assert lot.ends is not None
    assert lot.ends.tolist() == [TERMINATED, TRUNCATED, TRUNCATED]
    assert said_too == []


def test_it_is_told_where_nothing_says_how_episodes_ended() -> None:
    text = "episode,action,observation,reward\n1,a,x,1\n1,a,x,1\n2,a,x,1\n"
    _, said = read(text)
    assert said == [
        "episodes have 1 to 2 steps, and the data do not show how they ended: assumed cut off; "
        "use --ends absorbing if they ended in a terminal state, else --ends cut"
    ]
    cut = "episode,action,observation,reward,truncated\n1,a,x,1,0\n1,a,x,1,1\n2,a,x,1,"
    assert read(cut + "1\n")[0].ends.tolist() == [CUT] * 2  # type: ignore[union-attr]
    open_, said = read(cut + "0\n")
    assert open_.ends is None
    assert "do not show how they ended" in said[0]
    _, said = read("episode,observation,terminate\n1,x,0\n1,x,1\n")
    assert said == [
        "there is no column 'terminated': no episode is known to have reached a terminal state; "
        "did you mean 'terminate'?"
    ]
    for options in ({"ends": "cut"}, {"ends": "absorbing"}):
        assert read(text, **options)[1] == []
    assert read("episode,action,observation\n1,a,x\n2,a,x\n")[1] == []
    assert read("episode,observation\n1,x\n1,x\n2,x\n")[1] == []
    endless = model_of(["a"], ["x"], ["s", "t"])
    assert read(text, like=endless)[1] == []
