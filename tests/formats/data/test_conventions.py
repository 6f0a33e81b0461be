"""Codes, missing values and gaps in data files."""

from __future__ import annotations

import json

import numpy as np
import pytest

import pomdptool as pt
from data_texts import message, model_of
from data_warnings import names, parquet_of, read
from pomdptool.episodes import NONE


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
    episodes, _ = read("action,observation\n" + rows + blank)
    assert sorted(episodes.observation_names) == sorted(expected)
    assert sorted(episodes.action_names) == sorted(expected)
    if "ok" not in codes and "007" not in codes and str(10**30) not in codes:
        assert episodes.observation_names == expected


def test_codes_are_the_same_in_every_format() -> None:
    rows = [{"observation": code} for code in (200, 404, None, "500", 404.0)]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    for episodes in (
        read(lines)[0],
        read(parquet_of(observation=[200.0, 404.0, None, 500.0, 404.0]))[0],
        read("action,observation\na,200\na,404\na,\na,500\na,404\n")[0],
    ):
        assert episodes.observation_names == ("200", "404", "500")
        assert names(episodes) == ["200", "404", None, "500", "404"]


def test_an_alphabet_names_symbols_and_indices() -> None:
    episodes, _ = read("action,observation\nb,2\na,0\n", actions=["b", "a"], observations="xyz")
    assert (episodes.action_names, episodes.observation_names) == (("b", "a"), ("x", "y", "z"))
    assert (episodes.actions.tolist(), episodes.observations.tolist()) == ([0, 1], [2, 0])
    episodes, _ = read("observation\n404\n200\n", observations=["200", "404", "503"])
    assert episodes.observations.tolist() == [1, 0]
    error = message("observation\n0\n", observations=["200", "404"])
    assert error == "2: column 'observation': 0 is not the name of an observation"
    for bad, expected in ((["a", "a"], "'a' twice"), ([""], "empty name")):
        with pytest.raises(pt.DataError, match=expected):
            read("observation\na\n", observations=bad)


def test_an_alphabet_maps_data_to_a_model() -> None:
    model = model_of(["go"], ["left", "right", "o_404"], ["s"])
    options = {"like": model, "observations": ["right", "404", "left", "up"]}
    assert names(read("observation\nleft\n404\n", **options)[0]) == ["left", "o_404"]
    turned = {"like": model, "observations": ["right", "left"]}
    assert names(read("observation\n0\n1\nright\n", **turned)[0]) == ["right", "left", "right"]
    error = message("observation\nleft\nup\n", **options)
    assert error == "3: column 'observation': the model has no observation 'up'"
    assert "unknown observation 'o_404'" in message("observation\no_404\n", **options)
    assert read("observation\nleft\n", like=model, actions=["go"])[0].action_names == ("go",)


def test_one_based_codes_are_no_indices() -> None:
    model = model_of(["go"], ["left", "right"], ["s"])
    error = message("observation\n1\n2\n", like=model)
    assert error == (
        "3: column 'observation': 2 is neither the name of an observation nor an index below 2"
    )


def test_codes_match_their_names_in_pomdp_files() -> None:
    model = model_of(["a_10", "a_20"], ["o_200", "o_404", "o_-1", "a_b"], ["s"])
    episodes, _ = read("action,observation\n10,404\n20,200\n10,-1\n10,a b\n10,404.0\n", like=model)
    assert episodes.actions.tolist() == [0, 1, 0, 0, 0]
    assert episodes.observations.tolist() == [1, 0, 2, 3, 1]
    error = message("action,observation\n10,404\n10,7\n", like=model)
    expected = "neither the name of an observation nor an index below 4"
    assert error == f"3: column 'observation': 7 is {expected}"
    shifted = model_of(["go"], ["o_1", "o_2"], ["s"])
    assert read("observation\n1\n2\n", like=shifted)[0].observations.tolist() == [0, 1]
    assert read("observation\n0\n1\n", like=shifted)[0].observations.tolist() == [0, 1]
    both = model_of(["go"], ["a_b", "x"], ["s"])
    assert "unknown observation 'a b'" in message("observation\na b\na_b\n", like=both)


@pytest.mark.parametrize("text", ["NA", "NaN", "null", "None", "#N/A", "n/a"])
def test_spellings_of_missing_are_symbols_with_a_warning(text: str) -> None:
    data = f"action,observation\na,x\na,{text}\na,y\n"
    episodes, warned = read(data)
    assert text in episodes.observation_names
    assert warned == [
        f"column 'observation': {text!r} is read as a symbol; use --missing {text} if it "
        "means a missing value"
    ]
    episodes, warned = read(data, missing=[text])
    assert (names(episodes), warned) == (["x", None, "y"], [])
    like = model_of(["a"], ["x", "y"], ["s"])
    assert message(data, like=like) == (
        f"3: column 'observation': unknown observation {text!r}; use --missing {text} if it "
        "means a missing value"
    )
    assert names(read(data, like=like, missing=[text])[0]) == ["x", None, "y"]


def test_a_code_may_mean_a_missing_value_but_no_missing_reward() -> None:
    data = "episode,action,observation,reward\n-1,a,1,-1\n-1,a,-1,-1\n-1,a,2,3\n"
    episodes, warned = read(data, missing=["NA", "-1"])
    assert names(episodes) == ["1", None, "2"]
    assert episodes.rewards is not None
    assert episodes.rewards.tolist() == [-1, -1, 3]
    assert warned == []
    lines = '{"observation": 1}\n{"observation": -1}\n{"observation": "NA"}\n'
    assert names(read(lines, missing=["NA", "-1"])[0]) == ["1", None, None]
    floats = parquet_of(observation=[1.0, -1.0, float("nan")])
    assert names(read(floats, missing=["-1"])[0]) == ["1", None, None]


def test_an_action_may_be_missing_before_the_first_one() -> None:
    episodes, _ = read("action,observation,reward\nNA,x,NA\na,y,1\n", missing=["NA"])
    assert episodes.actions.tolist() == [NONE, 0]
    error = message("action,observation,reward\na,x,NA\n", missing=["NA"])
    assert error == "2: column 'reward': a reward is missing (empty or NaN)"
    assert message("action,observation,reward\na,x,NA\n") == (
        "2: column 'reward': 'NA' is not a number"
    )


def test_continuous_observations_are_warned_of() -> None:
    _, warned = read("observation\n0.51\n0.77\n3\n")
    assert warned == [
        "column 'observation': numbers such as 0.51 are read as symbols (3 distinct ones): "
        "observations are discrete"
    ]


GAP = "episode,step,observation,reward\n1,0,x,1\n1,1,y,2\n1,5,x,3\n2,3,y,4\n2,4,y,5\n2,6,x,6\n"


def test_gaps_are_warned_of_or_filled() -> None:
    episodes, warned = read(GAP, ends="cut")
    assert names(episodes) == ["x", "y", "x", "y", "y", "x"]
    assert warned == [
        "column 'step': step 5 follows step 1 in episode '1' (and 1 more): treated as "
        "consecutive; use --gaps missing if steps are missing"
    ]
    episodes, warned = read(GAP, ends="cut", gaps="missing")
    assert warned == []
    assert names(episodes) == ["x", "y", None, None, None, "x", "y", "y", None, "x"]
    assert episodes.first.tolist() == [0, 6, 10]
    assert episodes.actions.tolist() == [0] * 10
    assert episodes.rewards is not None
    assert np.isnan(episodes.rewards).tolist() == [o is None for o in names(episodes)]
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
