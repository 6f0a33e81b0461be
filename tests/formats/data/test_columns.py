"""Columns of data files: types of values, in bulk and value by value."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from data_texts import content, findings, message, read

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*do not show how they ended"),
    pytest.mark.filterwarnings("ignore:.*read as a? ?symbol"),
]


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


@pytest.mark.parametrize("value", ["", "nan", "NaN"])
def test_a_reward_is_missing(value: str) -> None:
    error = message(f"observation,reward\nx,1\nx,{value}\n")
    assert error == "3: column 'reward': a reward is missing (empty or NaN)"


def test_invalid_rewards() -> None:
    text = "observation,reward\nx,1e400\nx,much\nx, +1.5 \nx,-inf\nx,1_0\n"
    assert findings(text) == (
        "<data>:2: column 'reward': a reward must be finite",
        "<data>:3: column 'reward': 'much' is not a number",
        "<data>:5: column 'reward': a reward must be finite",
        "<data>:6: column 'reward': '1_0' is not a number",
    )
    episodes = read("observation,reward\nx, +1.5 \nx,.5\nx,1.\n")
    assert episodes.rewards is not None
    assert episodes.rewards.tolist() == [1.5, 0.5, 1.0]


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
    episodes = read(data)
    assert content(episodes)["observations"] == [None, "1", None]
    assert content(episodes)["actions"] == [None, "b", "b"]
    assert content(read(file(observation=[1.5, 2.0])))["observations"] == ["1.5", "2"]
    error = message(file(observation=[float("inf")]))
    assert error == " row 1: column 'observation': inf is neither a name nor a number"
    error = message(file(observation=["x", "y"], reward=[1.0, float("nan")]))
    assert error == " row 2: column 'reward': a reward is missing (empty or NaN)"
    assert message(file(observation=pa.array([], pa.string()))).startswith(" there are no rows")
    assert "no column 'observation' among 'a'" in message(file(a=[1]))
