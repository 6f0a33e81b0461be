"""The .alpha format."""

from __future__ import annotations

import pytest

from pomdptool.errors import FormatError
from pomdptool.formats.policy.alpha import read_alpha, write_alpha


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_alpha_text(end: str) -> None:
    text = end.join(["", "0", "1.0 -2.5e-3", "", "1", "+3 .5", "12", " 7. 8 \t"])
    read = read_alpha(text, "x.alpha")
    assert read.actions.tolist() == [0, 1, 12]
    assert read.values.tolist() == [[1.0, -0.0025], [3.0, 0.5], [7.0, 8.0]]
    assert read_alpha(write_alpha(read), "x").values.tolist() == read.values.tolist()


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("", "1:1", "there are no vectors"),
        ("\n \n", "1:1", "there are no vectors"),
        ("0\n", "1:2", "the values of the last vector are missing"),
        ("0\n1 2\n\n1", "4:2", "the values of the last vector are missing"),
        ("a\n1 2\n", "1:1", "expected the number of an action, not 'a'"),
        ("-1\n1 2\n", "1:1", "not '-1'"),
        ("1.0\n1 2\n", "1:1", "not '1.0'"),
        ("\u0663\n1 2\n", "1:1", "expected the number of an action"),
        ("9999999999\n1 2\n", "1:1", "expected the number of an action"),
        ("3\n1 2\n", "1:1", "there is no action 3: the actions are 0 to 2"),
        ("0 1 2\n1 2\n", "1:3", "alone on its line"),
        ("0\n1 x2\n", "2:3", "expected a number, not 'x2'"),
        ("0\n1 nan\n", "2:3", "expected a number, not 'nan'"),
        ("0\r\n1 -inf\r\n", "2:3", "expected a number, not '-inf'"),
        ("0\n1 1_0\n", "2:3", "expected a number"),
        ("0\n1 1e400\n", "2:3", "the number 1e400 is too large"),
        ("0\n1\n", "2:2", "expected 2 values, not 1"),
        ("0\n1 2 3 \n", "2:6", "expected 2 values, not 3"),
    ],
)
def test_alpha_errors_have_line_and_column(text: str, place: str, message: str) -> None:
    with pytest.raises(FormatError) as caught:
        read_alpha(text, "x.alpha", 2, 3)
    assert str(caught.value).startswith(f"x.alpha:{place}: ")
    assert message in str(caught.value)


def test_alpha_names_every_wrong_line() -> None:
    with pytest.raises(FormatError) as caught:
        read_alpha("a\n1 2\n0\n1 b\n0\n1\n", "x.alpha", 2, 2)
    assert [f.line for f in caught.value.findings] == [1, 4, 6]
    with pytest.raises(FormatError) as caught:
        read_alpha("a\n1\n" * 1000, "x.alpha", 2, 2)
    assert len(caught.value.findings) == 100


def test_alpha_vectors_are_of_one_length() -> None:
    with pytest.raises(FormatError, match="expected 3 values, not 2"):
        read_alpha("0\n1 2 3\n\n0\n1 2\n", "x.alpha")
