"""Tables of episodes: what is read and written, and what is said of tables that are none."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pomdptool as pt
from data_texts import message, model_of, read
from pomdptool.episodes import NONE, Episodes
from pomdptool.formats.data import input as tables_input
from pomdptool.formats.data.read import DATA_KINDS, DataKind, read_episodes
from pomdptool.formats.data.report import Columns
from pomdptool.formats.data.symbols import natural_key
from pomdptool.formats.data.write import write_episodes
from pomdptool.formats.kinds import kind_of_path
from pomdptool.model import make_model
from samples import ROOT

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*do not show how they ended"),
    pytest.mark.filterwarnings("ignore:.*read as a? ?symbol"),
]

KINDS: list[DataKind] = ["csv", "tsv", "jsonl", "parquet"]


def findings(text: str | bytes, **options: Any) -> tuple[str, ...]:
    with pytest.raises(pt.DataError) as caught:
        read(text, **options)
    return caught.value.findings


def written(*parts: Episodes, kind: DataKind = "csv") -> bytes:
    stream = io.BytesIO()
    write_episodes(parts, stream, kind=kind)
    return stream.getvalue()


def names_in(names: tuple[str, ...], indices: np.ndarray | None) -> list[str | None] | None:
    if indices is None:
        return None
    return [None if index == NONE else names[index] for index in indices]


def content(episodes: Episodes) -> dict[str, Any]:
    """All that a table holds, by names: indices may change."""
    rewards = None if episodes.rewards is None else list(map(repr, (episodes.rewards + 0).tolist()))
    return {
        "actions": names_in(episodes.action_names, episodes.actions),
        "observations": names_in(episodes.observation_names, episodes.observations),
        "states": names_in(episodes.state_names, episodes.states),
        "next_states": names_in(episodes.state_names, episodes.next_states),
        "rewards": rewards,
        "first": episodes.first.tolist(),
    }


TIGER = model_of(["listen", "open-left"], ["tiger-left", "tiger-right"], ["left", "right"])

# ---------------------------------------------------------------- round trips

ODD = ["a,b", 'say "x"', '"', "a\tb", " ", " a", "null", "NaN", "None", "é", "漢", "a\nb", "a\rb"]
ODD += ["-", "-1", "007", "1.5", "{", "#x", "true", "2020-01-01 00:00:00", "a\r\nb", "\x00", "''"]
NAMES = st.sampled_from(ODD) | st.text(min_size=1, max_size=5)
REWARDS = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([1 / 3, -0.0, 5e-324])


@st.composite
def episodes_of(draw: st.DrawFn) -> Episodes:
    """Random episodes with odd names, each of at least one step and seen at least once."""

    def some_names() -> tuple[str, ...]:
        odd = st.lists(NAMES, min_size=1, max_size=4, unique=True)
        return tuple(draw(odd | st.integers(1, 12).map(lambda n: list(map(str, range(n))))))

    lengths = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    first = np.cumsum([0, *lengths])
    n = int(first[-1])
    names = [some_names() for _ in range(3)]
    columns = [
        np.array(draw(st.lists(st.integers(low, len(some) - 1), min_size=n, max_size=n)))
        for some, low in ((names[0], 0), (names[1], NONE), (names[2], 0), (names[2], NONE))
    ]
    columns[1][0] = 0
    if draw(st.booleans()):
        columns[0][first[:-1][n > 1 :]] = NONE
    rewards = np.array(draw(st.lists(REWARDS, min_size=n, max_size=n)))
    rewards[columns[0] == NONE] = np.nan
    stateful = draw(st.booleans())
    return Episodes(
        names[0],
        names[1],
        columns[0],
        columns[1],
        first,
        rewards=rewards if draw(st.booleans()) else None,
        states=columns[2] if stateful else None,
        next_states=columns[3] if stateful else None,
        state_names=names[2] if stateful else (),
    )


@pytest.mark.parametrize("kind", KINDS)
@given(episodes=episodes_of())
def test_round_trip(kind: DataKind, episodes: Episodes) -> None:
    data = written(episodes, kind=kind)
    again = read(data, kind=kind)
    expected = content(episodes)
    if (episodes.actions == NONE).all():
        expected["actions"] = [None] * episodes.n_steps
    assert content(again) == expected
    assert again.numbers is not None
    assert again.numbers.tolist() == list(range(episodes.n_episodes))
    assert written(again, kind=kind) == data


@pytest.mark.parametrize(
    "name", ["a.csv", "a.tsv", "a.jsonl", "a.parquet", "A.CSV.gz", "a.jsonl.gz"]
)
def test_dump_and_load_data(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    lot = read("action,observation,reward\nlisten,x,-1\nopen,y,10.5\n")
    pt.dump(lot, path)
    assert (path.read_bytes()[:2] == b"\x1f\x8b") == name.endswith(".gz")
    assert content(pt.load_data(path)) == content(lot)
    assert content(pt.load_data(str(path))) == content(lot)
    with path.open("rb") as stream:
        assert content(pt.load_data(stream)) == content(lot)
    first = path.read_bytes()
    pt.dump(lot, path)
    assert path.read_bytes() == first


@pytest.mark.parametrize("kind", KINDS)
def test_kind_is_known_by_the_first_bytes(kind: DataKind) -> None:
    lot = read("action,observation\nlisten,x\nopen,y\n")
    data = written(lot, kind=kind)
    assert content(read(data)) == content(lot)
    assert content(read(gzip.compress(data))) == content(lot)


def test_kind_of_path() -> None:
    names = {"a.csv": "csv", "a.TSV.gz": "tsv", "b/a.jsonl": "jsonl", "a.parquet": "parquet"}
    assert {name: kind_of_path(name, DATA_KINDS) for name in names} == names
    assert kind_of_path("a.ndjson.gz", DATA_KINDS) == "jsonl"
    assert [kind_of_path(name, DATA_KINDS) for name in ("a.json", "a", "a.gz", "a.parquet.gz")] == [
        None
    ] * 4


PIECES = [
    b'"',
    b",",
    b"\n",
    b"\r",
    b"\t",
    b"{",
    b"}",
    b"[",
    b"\xff",
    b"\0",
    b"null",
    b"nan",
    b"1e999",
]
SAMPLE = (
    b'episode,step,action,observation,reward\n0,0,,"x,y",\n0,1,b,x,10.5\n1,1,"c""",y,-1\n1,0,b,,2\n'
)


@pytest.mark.filterwarnings("ignore::pomdptool.PomdpWarning")
@pytest.mark.parametrize("kind", KINDS)
@given(
    changes=st.lists(
        st.tuples(st.integers(0, 3000), st.integers(0, 3), st.sampled_from(PIECES)), max_size=4
    )
)
def test_changed_tables_are_read_or_refused(
    kind: DataKind, changes: list[tuple[int, int, bytes]]
) -> None:
    data = written(read(SAMPLE), kind=kind)
    for at, removed, piece in changes:
        at %= len(data)
        data = data[:at] + piece + data[at + removed :]
    with contextlib.suppress(pt.DataError):
        assert read(data, kind=kind).n_steps


@pytest.mark.parametrize("kind", KINDS)
def test_small_blocks_change_nothing(kind: DataKind, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    n = 400
    lot = Episodes(
        ("a\nb", 'c"', "d,"),
        ("é", "y"),
        rng.integers(3, size=n),
        rng.integers(-1, 2, size=n),
        np.arange(0, n + 1, 8),
        rewards=rng.normal(size=n),
    )
    data = written(lot, kind=kind)
    for size in (1, 7, 64, 1000):
        monkeypatch.setattr(tables_input, "BLOCK", size)
        assert content(read(data, kind=kind)) == content(lot)


# ---------------------------------------------------------------- columns


def test_only_observations_is_one_sequence_of_one_action() -> None:
    lot = read("observation\nx\ny\n\nx\n\n\n")
    assert lot.action_names == ("0",)
    assert lot.observation_names == ("x", "y")
    assert lot.actions.tolist() == [0] * 4
    assert lot.observations.tolist() == [0, 1, NONE, 0]
    assert lot.first.tolist() == [0, 4]
    assert [lot.rewards, lot.states, lot.numbers] == [None] * 3


def test_blank_lines_of_several_columns_are_no_rows() -> None:
    lot = read("\n\naction,observation\n\na,x\n\nb,y\n\n\n")
    assert content(lot)["actions"] == ["a", "b"]


@pytest.mark.parametrize("ends", ["\r\n", "\r", "\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_ends_and_marks(ends: str, mark: str) -> None:
    lot = read(mark + ends.join(["action,observation", "a,x", "b,", "b,y"]) + ends)
    assert content(lot)["observations"] == ["x", None, "y"]


def test_mark_before_json_lines() -> None:
    assert read('\ufeff{"observation": "x"}\r\n\r\n{"observation": 3}').n_steps == 2


def test_columns_are_renamed() -> None:
    columns = Columns(episode="run", observation="what,seen", reward="r")
    lot = read('run,"what,seen",r,observation\n1,"x,y",2,n\n', columns=columns)
    assert lot.observation_names == ("x,y",)
    assert lot.rewards is not None
    assert lot.rewards.tolist() == [2.0]


def test_columns_are_found_regardless_of_case() -> None:
    assert read("Episode, Action,OBSERVATION\n1,a,x\n").action_names == ("a",)


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("acton,observation", "'action': a single action is assumed; did you mean 'acton'?"),
        ("Actions,observation", "'action': a single action is assumed; did you mean 'Actions'?"),
        ("observation,rewrad", "'reward': no rewards are read; did you mean 'rewrad'?"),
        ("episodes,observation", "'episode': all rows form one episode; did you mean 'episodes'?"),
        ("step nr,observation", "'step': rows are kept in file order; did you mean 'step nr'?"),
    ],
)
def test_a_column_with_nearly_the_name_of_a_missing_one_is_told(header: str, said: str) -> None:
    expected = f"<data>: there is no column {said}"
    with pytest.warns(pt.PomdpWarning) as caught:
        read(f"{header}\n1,2\n")
    assert [str(one.message) for one in caught] == [expected]
    with pytest.warns(pt.PomdpWarning) as caught:
        read("\n".join([json.dumps(dict.fromkeys(header.split(","), "1"))] * 3), kind="jsonl")
    assert [str(one.message) for one in caught] == [expected]


def test_columns_that_are_there_or_have_other_names_are_not_told() -> None:
    for header in ("episode,step,action,observation,reward", "when,observation,who,note,value"):
        assert read(f"{header}\n1,2,3,4,5\n").n_steps == 1
    assert read("acton,observation\nx,2\n", columns=Columns(action="acton")).action_names == ("x",)


def test_a_misspelt_action_is_told_where_the_model_has_several() -> None:
    said = message("acton,observation\nlisten,tiger-left\n", like=TIGER)
    expected = " there is no column 'action', and the model has 2 actions"
    assert said == f"{expected}; did you mean 'acton'?"


def test_missing_columns_are_named() -> None:
    text = "episode,observations\n1,x\n"
    expected = "there is no column 'observation' among 'episode', 'observations'"
    assert message(text) == f" {expected}; did you mean 'observations'?"
    said = message("observation\nx\n", columns=Columns(reward="gain"))
    assert said == " there is no column 'gain' among 'observation'"


def test_columns_that_occur_twice() -> None:
    assert message("observation,observation\nx,y\n") == " there are several columns 'observation'"


def test_later_column_of_json_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables_input, "BLOCK", 40)
    text = '{"observation": "x"}\n' * 3 + '{"observation": "x", "reward": 1}\n' * 3
    assert message(text) == "4: column 'reward': this column is missing in earlier lines"


# ---------------------------------------------------------------- symbols


def test_integers_that_occur_are_the_names() -> None:
    lot = read("action,observation\n1,4\n0,2\n")
    assert lot.action_names == ("0", "1")
    assert lot.observation_names == ("2", "4")
    assert lot.observations.tolist() == [1, 0]


def test_names_are_in_natural_order() -> None:
    lot = read("observation\no10\no2\no2\n7\n")
    assert lot.observation_names == ("7", "o2", "o10")
    assert lot.observations.tolist() == [2, 1, 1, 0]


@pytest.mark.parametrize("name", ["-1", "007", "1.5", "٣", "1" * 5000])
def test_what_looks_like_an_integer_is_a_name(name: str) -> None:
    assert set(read(f"observation\n1\n{name}\n").observation_names) == {"1", name}


@given(st.lists(st.text(alphabet="a02é", max_size=6), unique=True))
def test_natural_order_does_not_depend_on_the_data(names: list[str]) -> None:
    assert sorted(names, key=natural_key) == sorted(sorted(names), key=natural_key)


def test_symbols_of_a_model() -> None:
    text = "action,observation,state\nopen-left,0,left\nlisten,tiger-right,1\n0,1,\n"
    lot = read(text, like=TIGER)
    assert lot.action_names == TIGER.actions
    assert lot.observation_names == TIGER.observations
    assert lot.state_names == TIGER.states
    assert lot.actions.tolist() == [1, 0, 0]
    assert lot.observations.tolist() == [0, 1, 1]
    assert lot.states is not None
    assert lot.states.tolist() == [0, 1, NONE]


def test_names_that_are_integers_go_before_indices() -> None:
    model = model_of(["a"], ["1", "0"], ["s"])
    assert read("observation\n1\n0\n", like=model).observations.tolist() == [0, 1]


@pytest.mark.parametrize("word", ["Say-A", "SAY-A"])
def test_a_symbol_equal_but_for_case_is_the_nearest(word: str) -> None:
    T = np.full((3, 1, 1), 1.0)
    like = make_model(T, None, 0.0, discount=0.9, actions=["say-a", "say-b", "say-c"])
    found = message(f"action,observation\n{word},0\n", like=like)
    assert found.endswith(f"unknown action {word!r}; did you mean 'say-a'?")


def test_unknown_symbols() -> None:
    text = "action,observation\nlisten,tiger-left\nlisen,tiger-left\nlisten,2\nlisen,-1\n"
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
    said = message("observation\ntiger-left\n", like=TIGER)
    assert said == " there is no column 'action', and the model has 2 actions"


def test_names_and_numbers_of_json() -> None:
    values = [1, "x", None, "", 2.0, True, float("nan"), 1.5]
    text = "".join(json.dumps({"observation": value}) + "\n" for value in values)
    expected = ["1", "x", None, None, "2", "true", None, "1.5"]
    assert content(read(text))["observations"] == expected
    bad = '{"observation": [1]}\n{"observation": {"a": 1}}\n'
    assert [text.split(": ", 2)[2] for text in findings(bad)] == [
        "[1] is neither a name nor a number",
        "{'a': 1} is neither a name nor a number",
    ]


@pytest.mark.parametrize(
    "values", [["2020-01-01 00:00:00"], [2**70, 1], [12345678901234567890], [0, 1], [True, False]]
)
def test_json_values_are_kept_as_they_are(values: list[Any]) -> None:
    text = "".join(json.dumps({"observation": v, "action": "a"}) + "\n" for v in values)
    if values == [0, 1]:
        assert read(text).observation_names == ("0", "1")
    else:
        texts = [v if isinstance(v, str) else json.dumps(v) for v in values]
        assert content(read(text))["observations"] == texts


def test_half_characters() -> None:
    assert "is not text" in message('{"observation": "\\ud800"}\n')


# ---------------------------------------------------------------- missing values


def test_an_observation_before_any_action() -> None:
    lot = read("episode,action,observation,reward\n1,,x,\n1,a,y,2\n2,,x,NaN\n2,a,,3\n")
    assert lot.actions.tolist() == [NONE, 0, NONE, 0]
    assert lot.observations.tolist() == [0, 1, 0, NONE]
    assert lot.rewards is not None
    assert np.isnan(lot.rewards).tolist() == [True, False, True, False]


def test_an_action_is_missing_later() -> None:
    said = message("episode,step,action,observation\n1,2,,y\n1,1,a,x\n")
    where = "2: column 'action': an action is missing"
    assert said == f"{where} (only an episode's first row may have none)"
    assert read("episode,step,action,observation\n1,2,a,y\n1,1,,x\n").actions.tolist() == [NONE, 0]


@pytest.mark.parametrize("value", ["", "nan", "NaN"])
def test_a_reward_is_missing(value: str) -> None:
    said = message(f"observation,reward\nx,1\nx,{value}\n")
    assert said == "3: column 'reward': a reward is missing (empty or NaN)"


def test_rewards_that_are_none() -> None:
    text = "observation,reward\nx,1e400\nx,much\nx, +1.5 \nx,-inf\nx,1_0\n"
    assert findings(text) == (
        "<data>:2: column 'reward': a reward must be finite",
        "<data>:3: column 'reward': 'much' is not a number",
        "<data>:5: column 'reward': a reward must be finite",
        "<data>:6: column 'reward': '1_0' is not a number",
    )
    lot = read("observation,reward\nx, +1.5 \nx,.5\nx,1.\n")
    assert lot.rewards is not None
    assert lot.rewards.tolist() == [1.5, 0.5, 1.0]


def test_nothing_was_observed() -> None:
    assert message("action,observation\na,\na,\n") == " every observation is empty"


# ---------------------------------------------------------------- episodes and steps


def test_rows_are_put_in_order() -> None:
    lot = read("episode,step,observation,reward\n7,3,c,3\n-2,1,d,4\n7,1,a,1\n7,2,b,2\n")
    assert content(lot)["observations"] == ["a", "b", "c", "d"]
    assert lot.first.tolist() == [0, 3, 4]
    assert lot.numbers is not None
    assert lot.numbers.tolist() == [7, -2]
    assert lot.rewards is not None
    assert lot.rewards.tolist() == [1, 2, 3, 4]


def test_steps_without_episodes() -> None:
    assert content(read("step,observation\n2,b\n1,a\n"))["observations"] == ["a", "b"]


def test_episodes_may_have_names() -> None:
    lot = read("episode,observation\nmon,x\nmon,y\n3,x\n")
    assert lot.numbers is None
    assert lot.first.tolist() == [0, 2, 3]


def test_steps_that_occur_twice() -> None:
    text = "episode,step,observation\na,1,x\na,2,x\na,1,x\n"
    assert message(text) == "4: column 'step': step 1 occurs twice in episode 'a'"
    assert message("step,observation\n1,x\n1,x\n") == "3: column 'step': step 1 occurs twice"


def test_episodes_that_come_back() -> None:
    said = message("episode,observation\n1,x\n2,x\n1,x\n1,x\n2,x\n")
    assert said == (
        "4: column 'episode': a row in episode '1' after another episode began: add a column "
        "'step' to define the order"
    )


def test_steps_and_episodes_that_are_none() -> None:
    text = "episode,step,observation\n1,1.5,x\n1,,x\n1,x,x\n1, 4.0,x\n"
    assert [item.partition("'step': ")[2] for item in findings(text)] == [
        "'1.5' is not a whole number",
        "the step is missing",
        "'x' is not a whole number",
    ]
    said = message("episode,observation\n1,x\n,x\n")
    assert said == "3: column 'episode': the episode is missing"


# ---------------------------------------------------------------- files that are none


@pytest.mark.parametrize("text", ["", "\n\n", "\ufeff"])
def test_an_empty_file(text: str) -> None:
    for kind in ("csv", "tsv", "jsonl"):
        assert message(text, kind=kind) == "1: the file is empty"


def test_no_rows() -> None:
    assert message("action,observation\n") == " there are no rows after the header"
    assert message("action,observation") == " there are no rows after the header"
    assert message("observation\n\n\n") == " there are no rows after the header"


def test_one_row() -> None:
    assert read("observation\nx").n_steps == 1


def test_rows_of_another_length() -> None:
    text = 'action,observation\n\n"a\nb",x\na\na,x,y\na,"x"\n'
    assert findings(text) == (
        "<data>:5: the row has 1 value, the header has 2",
        "<data>:6: the row has 3 values, the header has 2",
    )


@pytest.mark.parametrize("end", ["\n", ""])
@pytest.mark.parametrize("after", ["", "a,y\n", "a,y\na,y\n", 'a,"y"\n'])
def test_quotes_that_do_not_close(end: str, after: str) -> None:
    assert message(f'action,observation\na,x\na,"x\n{after}a,z{end}').startswith("3: bad quotes: ")


def test_a_quote_inside_a_value() -> None:
    assert read('action,observation\na,5"\nb,6\n').n_steps == 2


def test_rows_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables_input, "BLOCK", 100)
    monkeypatch.setattr(tables_input, "MAX_ROW", 1000)
    said = message('action,observation\na,"' + "x\n" * 10_000)
    assert said == "2: a row of more than 0 KiB: unclosed quote"


def test_what_is_no_text() -> None:
    bad = "this is not UTF-8 text: invalid start byte"
    assert message(b"action,observation\na,x\na,\xff\n") == f"3: {bad}"
    assert message(b"action,observation\xff\na,x\n") == f"1: {bad}"
    assert message(b'{"observation": "x"}\n{"observation": "\xff"}\n') == f"2: {bad}"
    assert (
        message("action,observation\na,x\n".encode("utf-16"))
        == "1: this is UTF-16 text; expected UTF-8"
    )


def test_lines_that_are_no_objects() -> None:
    text = '{"observation": 1}\n\n{"observation": 1\n[1]\n{"observation": 1}, {"observation": 2}\n'
    assert findings(text) == (
        "<data>:3: this is not JSON: Expecting ',' delimiter",
        "<data>:4: a line must be one JSON object",
        "<data>:5: this is not JSON: Extra data",
    )
    for deep in ("[" * 100_000, '{"observation": ' + "1" * 5000 + "}"):
        assert message(deep, kind="jsonl").startswith("1: this is not JSON: ")


def test_broken_compression() -> None:
    whole = gzip.compress(b"observation\n" + b"x\ny\n" * 1000)
    for data in (whole[:-9], whole[:20] + b"\0\0\0" + whole[23:], whole[:4]):
        assert message(data).startswith(" broken compression: ")


def test_compressed_files_do_not_grow_without_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables_input, "BLOCK", 1000)
    monkeypatch.setattr(tables_input, "MAX_BYTES", 10_000)
    text = b"observation\n" + b"x\n" * 10_000
    assert read(text).n_steps == 10_000
    for data in (gzip.compress(text), gzip.compress(b"PAR1" + text)):
        assert message(data) == " more than 0 GiB when decompressed"


def test_broken_parquet() -> None:
    data = written(read("action,observation\na,x\nb,y\n"), kind="parquet")
    for broken in (
        data[:-3],
        data[: len(data) // 2],
        b"PAR1",
        data[:30] + b"\xff" * 60 + data[90:],
    ):
        assert message(broken).startswith(" broken Parquet: ")


def test_types_of_parquet() -> None:
    import pyarrow as pa
    from pyarrow import parquet

    def file(**columns: Any) -> bytes:
        stream = io.BytesIO()
        parquet.write_table(pa.table(columns), stream)
        return stream.getvalue()

    data = file(
        episode=pa.array([1, 1, 2], pa.uint8()),
        step=pa.array([2.0, 1.0, 1.0]),
        action=pa.array(["b", None, "b"]).dictionary_encode(),
        observation=pa.array([1.0, None, float("nan")]),
        reward=pa.array([1, None, 3], pa.int32()),
    )
    lot = read(data)
    assert content(lot)["observations"] == [None, "1", None]
    assert content(lot)["actions"] == [None, "b", "b"]
    assert content(read(file(observation=[1.5, 2.0])))["observations"] == ["1.5", "2"]
    said = message(file(observation=[float("inf")]))
    assert said == " row 1: column 'observation': inf is neither a name nor a number"
    said = message(file(observation=["x", "y"], reward=[1.0, float("nan")]))
    assert said == " row 2: column 'reward': a reward is missing (empty or NaN)"
    assert message(file(observation=pa.array([], pa.string()))).startswith(" there are no rows")
    assert "no column 'observation' among 'a'" in message(file(a=[1]))


def test_at_most_a_hundred_are_kept() -> None:
    text = "observation,reward\n" + "x,?\n" * 1000
    assert len(findings(text)) == 100
    assert message(text).endswith("(and at least 99 more)")


def test_missing_files_are_errors_of_the_system(tmp_path: Path) -> None:
    for name in ("none.csv", "none.parquet"):
        with pytest.raises(FileNotFoundError):
            read_episodes(tmp_path / name)


def test_standard_input(tmp_path: Path) -> None:
    code = "import pomdptool; print(pomdptool.load_data('-').observation_names)"
    lot = read("observation\nx\ny\n")
    for kind in KINDS:
        done = subprocess.run(
            [sys.executable, "-c", code],
            input=written(lot, kind=kind),
            capture_output=True,
            cwd=ROOT,
        )
        assert done.stdout.decode().strip() == "('x', 'y')", done.stderr


# ---------------------------------------------------------------- writing


def lots() -> Iterator[Episodes]:
    for _ in range(3):
        yield read("action,observation,reward\nlisten,x,-1\nopen,y,10.5\n")


def test_text_of_each_kind() -> None:
    lot = read('action,observation,reward\n,"x,y",\n\'b,,10.50\n')
    assert written(lot).decode() == (
        'episode,step,action,observation,reward\n0,0,,"x,y",\n0,1,\'b,,10.5\n'
    )
    assert written(lot, kind="tsv").decode().splitlines()[1] == "0\t0\t\tx,y\t"
    assert written(lot, kind="jsonl").decode() == (
        '{"episode": 0, "step": 0, "action": null, "observation": "x,y", "reward": null}\n'
        '{"episode": 0, "step": 1, "action": "\'b", "observation": null, "reward": 10.5}\n'
    )


def test_numbers_run_on_over_the_parts() -> None:
    again = read(written(*lots()))
    assert again.numbers is not None
    assert again.numbers.tolist() == [0, 1, 2]
    assert again.first.tolist() == [0, 2, 4, 6]
    numbered = read("episode,observation\n5,x\n9,x\n")
    assert read(written(numbered)).numbers.tolist() == [5, 9]  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", KINDS)
def test_what_cannot_be_written(kind: DataKind) -> None:
    def lot(name: str = "x", reward: float = 0.0) -> Episodes:
        zero = np.zeros(1, dtype=np.int64)
        return Episodes(("a",), (name,), zero, zero, np.array([0, 1]), rewards=np.array([reward]))

    bare = read("observation\nx\n")
    for parts, said in (
        ([], "no episodes"),
        ([lot(""), lot()], "an empty name"),
        ([lot("\ud800")], "is not text"),
        ([lot(reward=np.inf)], "infinite"),
        ([lot(), bare], "parts differ in columns"),
    ):
        with pytest.raises(pt.DataError, match=said):
            written(*parts, kind=kind)


def test_no_format_for_the_extension(tmp_path: Path) -> None:
    with pytest.raises(pt.DataError, match="episodes are written as"):
        pt.dump(next(lots()), tmp_path / "a.json")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("stop", [KeyboardInterrupt, pt.DataError])
@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.parquet"])
def test_files_are_whole_or_as_they_were(
    tmp_path: Path, name: str, stop: type[BaseException]
) -> None:
    def broken() -> Iterator[Episodes]:
        yield from lots()
        raise stop("enough")

    path = tmp_path / name
    path.write_text("old")
    with pytest.raises(stop):
        write_episodes(broken(), path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_errors_of_the_disk_name_the_file(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no full device here")
    with pytest.raises(OSError, match="/dev/full") as caught:
        write_episodes(lots(), "/dev/full", kind="csv")
    assert caught.value.filename == "/dev/full"
    with pytest.raises(FileNotFoundError) as lost:
        write_episodes(lots(), tmp_path / "none" / "a.csv")
    assert lost.value.filename == str(tmp_path / "none" / "a.csv")


def test_errors_of_other_files_are_not_ours(tmp_path: Path) -> None:
    def broken() -> Iterator[Episodes]:
        yield from lots()
        yield read_episodes(tmp_path / "other.csv")

    with pytest.raises(FileNotFoundError) as caught:
        write_episodes(broken(), tmp_path / "a.csv")
    assert caught.value.filename == str(tmp_path / "other.csv")


@pytest.mark.parametrize("kind", KINDS)
def test_pipes(kind: DataKind) -> None:
    """A stream that cannot be sought takes every kind, and says when nobody reads."""
    there, here = os.pipe()
    with os.fdopen(there, "rb") as reader:
        with os.fdopen(here, "wb") as writer:
            write_episodes(lots(), writer, kind=kind)
        assert read_episodes(reader).n_episodes == 3


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_reads(kind: DataKind) -> None:
    there, here = os.pipe()
    os.close(there)
    with os.fdopen(here, "wb", buffering=0) as writer, pytest.raises(BrokenPipeError):
        write_episodes(lots(), writer, kind=kind)


def test_streams_are_flushed_after_each_part() -> None:
    there, here = os.pipe()
    with os.fdopen(there, "rb") as reader, os.fdopen(here, "wb") as stream:

        def parts() -> Iterator[Episodes]:
            for k, lot in enumerate(lots()):
                if k:
                    assert reader.readline()
                    assert reader.readline()
                yield lot

        write_episodes(parts(), stream)
