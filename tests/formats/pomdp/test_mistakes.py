"""Mistakes of newcomers: the first error is at the culprit and says what to write."""

from __future__ import annotations

import pytest

from pomdptool.formats.models import read_model

GOOD = """discount: 0.95
values: reward
states: happy ok sad
actions: wait go
observations: smile cry
T: wait
0.8 0.2 0
0.1 0.8 0.1
0 0.2 0.8
T: go
uniform
O: *
0.85 0.15
0.5 0.5
0.15 0.85
R: wait : happy : * : * 1
"""


def errors(text: str) -> list[str]:
    _, findings = read_model(text, "m.pomdp")
    return [f"{f.line}:{f.column} {f.message}" for f in findings if f.level == "error"]


def test_the_model_is_right() -> None:
    assert errors(GOOD) == []


@pytest.mark.parametrize(
    ("right", "wrong", "first"),
    [
        ("0.85 0.15\n", "0,85 0.15\n", "13:2 numbers have a decimal point: write 0.85, not 0,85"),
        ("0.1 0.8 0.1", "1/10 0.8 0.1", "8:2 fractions are not read: write 0.1"),
        ("0.85 0.15\n", "85% 15%\n", "13:3 percentages are not read: write 0.85, not 85%"),
        ("happy ok sad", "happy, ok, sad", "3:14 names and numbers are separated by spaces"),
        ("0.1 0.8 0.1", "0.1 0.9", "8:5 expected 3 x 3 = 9 numbers, found 8: this row has 2"),
        ("0.1 0.8 0.1", "0.1 0.7 0.1 0.1", "8:13 expected 3 x 3 = 9 numbers, found 10: this row"),
        (": happy :", ": happpy :", "16:11 'happpy' is not the name of a state; did you mean"),
        (": happy :", ": xyz :", "16:11 'xyz' is not the name of a state; the states are happy"),
        ("discount: 0.95", "discount = 0.95", "1:10 expected `:`, found `=`"),
        ("T: go\n", "T: go // moves\n", "10:7 comments begin with `#`, not with `//`"),
        ("* : * 1\n", "* : * \u22121\n", "16:25 unexpected character '\u2212' (minus sign): write"),
        ("uniform", "unifrom", "11:1 "),
        ("happy ok sad", '"happy" ok sad', "3:9 names are written without quotation marks"),
        ("happy ok sad", "\u201chappy\u201d ok", "3:9 names are written without quotation marks"),
        ("* : * 1\n", "* : * 1/3\n", "16:26 fractions are not read: write 0.333333333333333, not"),
    ],
)
def test_the_first_error_leads_to_the_mend(right: str, wrong: str, first: str) -> None:
    assert right in GOOD
    found = errors(GOOD.replace(right, wrong, 1))
    assert found[0].startswith(first)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("happy ok sad", "happy, ok, sad"), ("0.85 0.15\n", "0,85 0.15\n"), ("0.1 0.8", "1/10 0.8")],
)
def test_what_follows_from_a_syntax_error_is_not_reported(right: str, wrong: str) -> None:
    assert len(errors(GOOD.replace(right, wrong, 1))) == 1


def test_an_index_of_start_is_not_noted_in_a_decimal_comma() -> None:
    text = GOOD.replace("T: wait", "start: 0,5 0,5 0\nT: wait")
    _, findings = read_model(text, "m.pomdp")
    assert [(f.line, f.column, f.code) for f in findings] == [(6, 9, "PT001")]


def test_errors_after_a_wrong_discount_are_reported_too() -> None:
    text = GOOD.replace("discount: 0.95", "discount = 0.95").replace(": happy :", ": xyz :")
    assert [error.split()[0] for error in errors(text)] == ["1:10", "16:11"]


def test_a_short_row_of_a_large_matrix_is_found() -> None:
    n = 400
    rows = ["1" + " 0" * (n - 1)] * n
    rows[7] = "1" + " 0" * (n - 2)
    text = f"discount: 1\nvalues: reward\nstates: {n}\nactions: 1\nT: 0\n" + "\n".join(rows)
    message = f"13:{2 * n - 3} expected {n} x {n} = {n * n} numbers, found {n * n - 1}"
    assert errors(text)[0].startswith(message)


def test_findings_hold_the_line_of_the_file() -> None:
    for end in ("\n", "\r\n", "\r"):
        text = GOOD.replace("0.85 0.15", "0,85 0.15").replace("\n", end)
        _, findings = read_model(text, "m.pomdp")
        assert findings[0].source == "0,85 0.15"
