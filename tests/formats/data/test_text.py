"""Delimited text and JSON lines: line ends, quotes, rows and lines that are invalid."""

from __future__ import annotations

import pytest

from data_texts import content, findings, message, read

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*do not show how they ended"),
    pytest.mark.filterwarnings("ignore:.*read as a? ?symbol"),
]


def test_blank_lines_of_several_columns_are_no_rows() -> None:
    episodes = read("\n\naction,observation\n\na,x\n\nb,y\n\n\n")
    assert content(episodes)["actions"] == ["a", "b"]


@pytest.mark.parametrize("ends", ["\r\n", "\r", "\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_ends_and_marks(ends: str, mark: str) -> None:
    episodes = read(mark + ends.join(["action,observation", "a,x", "b,", "b,y"]) + ends)
    assert content(episodes)["observations"] == ["x", None, "y"]


def test_rows_of_another_length() -> None:
    text = 'action,observation\n\n"a\nb",x\na\na,x,y\na,"x"\n'
    assert findings(text) == (
        "<data>:5: the row has 1 value, the header has 2",
        "<data>:6: the row has 3 values, the header has 2",
    )


@pytest.mark.parametrize("end", ["\n", ""])
@pytest.mark.parametrize("after", ["", "a,y\n", "a,y\na,y\n", 'a,"y"\n'])
def test_unclosed_quotes(end: str, after: str) -> None:
    assert message(f'action,observation\na,x\na,"x\n{after}a,z{end}').startswith("3: bad quotes: ")


def test_a_quote_inside_a_value() -> None:
    assert read('action,observation\na,5"\nb,6\n').n_steps == 2


def test_invalid_encodings() -> None:
    bad = "this is not UTF-8 text: invalid start byte"
    assert message(b"action,observation\na,x\na,\xff\n") == f"3: {bad}"
    assert message(b"action,observation\xff\na,x\n") == f"1: {bad}"
    assert message(b'{"observation": "x"}\n{"observation": "\xff"}\n') == f"2: {bad}"
    assert (
        message("action,observation\na,x\n".encode("utf-16"))
        == "1: this is UTF-16 text; expected UTF-8"
    )


def test_json_lines_must_be_objects() -> None:
    text = '{"observation": 1}\n\n{"observation": 1\n[1]\n{"observation": 1}, {"observation": 2}\n'
    assert findings(text) == (
        "<data>:3: this is not JSON: Expecting ',' delimiter",
        "<data>:4: a line must be one JSON object",
        "<data>:5: this is not JSON: Extra data",
    )
    for deep in ("[" * 100_000, '{"observation": ' + "1" * 5000 + "}"):
        assert message(deep, kind="jsonl").startswith("1: this is not JSON: ")
