"""JSON models: reading, and the messages of invalid documents."""

from __future__ import annotations

import copy
import json
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from pomdptool.errors import Finding, FormatError
from pomdptool.formats.model_json import read_model_json, write_model_json
from pomdptool.formats.models import encode_model, loads, read_model
from pomdptool.formats.pomdp import reward_rules
from pomdptool.model import make_model
from round_trips import assert_same

GOOD: dict[str, Any] = {
    "format": "pomdptool/model",
    "version": 1,
    "name": "small",
    "discount": 0.9,
    "values": "reward",
    "states": ["a", "b"],
    "actions": ["x"],
    "observations": ["o", "p"],
    "start": [0.25, 0.75],
    "T": [[0, 0, 1, 1.0], [0, 1, 0, 0.5], [0, 1, 1, 0.5]],
    "O": [[0, 0, 0, 1.0], [0, 1, 1, 1.0]],
    "R": {"shape": [1, 2, 1, 1], "values": [3.0, -4.0]},
}


def changed(**changes: Any) -> str:
    return json.dumps({**GOOD, **changes})


def error(text: str) -> FormatError:
    with pytest.raises(FormatError) as caught:
        read_model_json(text, "m.json")
    assert str(caught.value).startswith(f"m.json:{caught.value.line}:{caught.value.column}: ")
    return caught.value


def test_document_is_read() -> None:
    m = loads(json.dumps(GOOD))
    assert (m.states, m.actions, m.observations) == (("a", "b"), ("x",), ("o", "p"))
    assert (m.discount, m.costs, m.mdp, m.name) == (0.9, False, False, "small")
    assert_array_equal(m.T, [[[0, 1], [0.5, 0.5]]])
    assert_array_equal(m.Z, [[[1, 0], [0, 1]]])
    assert_array_equal(m.rewards.stored, np.array([3, -4]).reshape(1, 2, 1, 1))
    assert_array_equal(m.start, [0.25, 0.75])


def test_written_document_has_the_documented_keys() -> None:
    written = json.loads(write_model_json(loads(json.dumps(GOOD))))
    assert written == GOOD


def test_order_of_entries_is_free() -> None:
    assert loads(changed(T=GOOD["T"][::-1])).equals(loads(json.dumps(GOOD)))


def test_costs_are_negated() -> None:
    m = loads(changed(values="cost"))
    assert m.costs
    assert m.rewards.stored.ravel().tolist() == [-3, 4]


def test_mdp_has_null_observations() -> None:
    m = loads(changed(observations=None, O=None))
    assert m.mdp
    document = json.loads(write_model_json(m))
    assert document["observations"] is document["O"] is None


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("{", 1, 2, "Expecting property name"),
        ("", 1, 1, "Expecting value"),
        ('{"format":\n  "pomdptool/model",,}', 2, 21, "Expecting property name"),
        (json.dumps(GOOD) + " x", 1, len(json.dumps(GOOD)) + 2, "Extra data"),
        (json.dumps(GOOD)[:-9], 1, len(json.dumps(GOOD)) - 8, ""),
    ],
)
def test_invalid_json_is_reported_with_its_position(
    text: str, line: int, column: int, message: str
) -> None:
    failure = error(text)
    assert (failure.line, failure.column) == (line, column)
    assert message in str(failure)


Message = str | tuple[str, ...]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "pomdptool/policy"}, ("format", "pomdptool/model")),
        ({"version": 2}, "version 2 is not supported, only 1"),
        ({"version": "1"}, "version '1' is not supported"),
        ({"version": None}, "version None is not supported"),
        ({"name": 5}, '"name" must be text'),
        ({"values": "money"}, '"values" must be "reward" or "cost"'),
        ({"values": None}, '"values" must be'),
        ({"discount": "much"}, '"discount"'),
        ({"discount": None}, '"discount"'),
        ({"discount": [0.9]}, '"discount"'),
        ({"discount": []}, '"discount"'),
        ({"discount": {}}, '"discount"'),
        ({"discount": 1.5}, "discount must lie between 0 and 1"),
        ({"states": "ab"}, '"states" must be a list'),
        ({"states": []}, '"states" must be a list of 1'),
        ({"states": ["a", 5]}, '"states"[1] must be text'),
        ({"states": ["a", None]}, '"states"[1] must be text'),
        ({"states": ["a", "a"]}, "\"states\" must hold different names: 'a' occurs twice"),
        ({"states": ["a"]}, '"T"[1] holds 1, which is not an index below 1'),
        ({"actions": {"x": 0}}, '"actions" must be a list'),
        ({"observations": ["o"]}, '"O"[1] holds 1, which is not an index below 1'),
        ({"start": [1.0]}, "start must have shape"),
        ({"start": []}, "start"),
        ({"start": [[]]}, "start"),
        ({"start": [[0.25, 0.75]]}, '"start" must hold numbers'),
        ({"start": [0.5, 0.4]}, "start sums to 0.9"),
        ({"start": [0.5, None]}, '"start"'),
        ({"start": {"a": 1}}, '"start"'),
        ({"T": []}, '"T"'),
        ({"T": [[]]}, '"T"'),
        ({"T": None}, '"T"'),
        ({"T": {}}, '"T"'),
        ({"T": "T"}, '"T"'),
        ({"T": [[0, 0, 1, 1.0], [0, 1, 0]]}, '"T" must hold numbers, in rows of the same length'),
        ({"T": [[0, 0, 1]]}, '"T" must hold rows of three indices and a probability'),
        ({"T": [0, 0, 1, 1.0]}, '"T" must hold numbers, in rows of the same length'),
        ({"T": [[0, 2, 1, 1.0]]}, '"T"[0] holds 2, which is not an index below 2'),
        (
            {"T": [[0, 0, 1, 1.0], [0, -1, 1, 1.0]]},
            '"T"[1] holds -1, which is not an',
        ),
        ({"T": [[0.5, 0, 1, 1.0]]}, '"T"[0] holds 0.5, which is not an index below 1'),
        ({"T": [*GOOD["T"], [0, 1, 1, 0.5]]}, '"T" sets an entry twice'),
        ({"T": GOOD["T"][:2]}, "T: the row of action 'x', state 'b' sums to 0.5, not 1"),
        ({"T": [[0, 0, 0, 1.5], [0, 0, 1, -0.5], [0, 1, 1, 1]]}, "not a probability"),
        ({"T": [[0, 0, 1, 10**400]]}, '"T"'),
        ({"O": None}, '"O"'),
        ({"O": [[0, 0, 0, 1.0], [0, 1, 7, 1.0]]}, '"O"[1] holds 7, which is not an index below 2'),
        ({"R": None}, '"R" must hold'),
        ({"R": [1]}, '"R" must hold'),
        ({"R": {"values": [1]}}, '"R" must hold'),
        ({"R": {"shape": [1, 2, 1], "values": [3, 4]}}, '"R"."shape"'),
        ({"R": {"shape": [1, 3, 1, 1], "values": [3, 4, 5]}}, '"R"."shape"'),
        ({"R": {"shape": [1, 2, 1, 1], "values": [3]}}, '"R"."values" must hold 2 numbers'),
        ({"R": {"shape": [1, 2, 1, 1], "values": [3, [4]]}}, '"R"."values"'),
        ({"R": {"shape": [1, 2, 1, 1], "values": [3, None]}}, '"R"."values"'),
        ({"R": {"shape": [1, 1, 1, 1], "values": [[]]}}, '"R"."values"'),
        ({"R": {"shape": [1.0, 1, 1, 1], "values": [0]}}, '"R"."shape"'),
        ({"R": {"shape": [True, 1, 1, 1], "values": [0]}}, '"R"."shape"'),
        ({"R": {"shape": 5, "values": [0]}}, '"R"."shape"'),
        ({"R": {"entries": []}}, '"R"."entries"'),
        ({"R": {"entries": [[0, 0, 1]]}}, '"R"."entries" must hold rows of 4 or 5 numbers'),
        ({"R": {"entries": [[0, 0, 1, 5]]}}, '"R"."entries" must hold every transition'),
        (
            {"R": {"entries": [[0, 0, 2, 5]]}},
            '"R"."entries"[0] holds 2, which is',
        ),
    ],
)
def test_invalid_document_is_refused(changes: dict[str, Any], message: Message) -> None:
    text = str(error(changed(**changes)))
    for part in (message,) if isinstance(message, str) else message:
        assert part in text


@pytest.mark.parametrize("key", [key for key in GOOD if key != "name"])
def test_missing_key_is_named(key: str) -> None:
    document = {k: v for k, v in GOOD.items() if k != key}
    if key == "observations":
        assert loads(json.dumps({**document, "O": None})).mdp
    else:
        assert key in str(error(json.dumps(document)))


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("key", ["discount", "start", "T", "R"])
def test_infinite_constants_are_refused(constant: str, key: str) -> None:
    value = {"discount": "@", "start": ["@", 1], "T": [[0, 0, 0, "@"]], "R": {"entries": [["@"]]}}[
        key
    ]
    text = changed(**{key: value}).replace('"@"', constant)
    assert constant in str(error(text))


@pytest.mark.parametrize("number", ["1e400", "-1e999", "9" * 400, "9" * 5000])
@pytest.mark.parametrize("key", ["discount", "start", "R"])
def test_numbers_too_large_for_a_float(number: str, key: str) -> None:
    value = {"discount": "@", "start": ["@", 1], "R": {"shape": [1, 1, 1, 1], "values": ["@"]}}[key]
    error(changed(**{key: value}).replace('"@"', number))


def test_strings_are_not_numbers() -> None:
    error(changed(discount="0.9"))
    error(changed(start=["0.25", "0.75"]))
    error(changed(T=[["0", "0", "1", "1.0"], ["0", "1", "1", "1"]]))


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "[]", "5", '"x"', "null"])
def test_other_documents(text: str) -> None:
    error(text)


def test_findings_instead_of_an_exception() -> None:
    model, findings = read_model("{", "f")
    assert model is None
    assert findings == (Finding("f", 1, 2, "error", "PT001", findings[0].message),)


def test_huge_model_is_refused() -> None:
    names = [str(i) for i in range(5000)]
    assert "actions x states" in str(error(changed(states=names, actions=names)))


def test_values_within_tolerance_are_renormalised_once() -> None:
    rows = copy.deepcopy(GOOD["T"])
    rows[1][3] += 3e-6
    m = loads(changed(T=rows))
    assert m.renormalised["T"].rows == 1
    assert loads(write_model_json(m)).equals(m)
    assert loads(write_model_json(m)).renormalised["T"].rows == 0


def test_every_name_survives() -> None:
    names = ["", "a b", '"', "\\", "é", "\n", "😀", "T"]
    m = make_model([np.eye(len(names))], None, discount=1, states=names)
    assert read_model_json(write_model_json(m), "f").states == tuple(names)


def test_support_entries_of_json_are_every_step_in_any_order() -> None:
    with patch.object(reward_rules, "TABLE_LIMIT", 1):
        model = loads(
            "discount: 1 values: reward states: 2 actions: 1 observations: 2 "
            "T: * uniform O: * : 0 uniform O: * : 1 0.25 0.75 "
            "R: * : 0 : 1 : 1 5 R: * : 1 : 1 : 0 6 R: * : 1 : 0 : * 7"
        )
    document = json.loads(encode_model(model, "json")[0])
    assert len(document["R"]["entries"]) == 8
    document["R"]["entries"].reverse()
    document["R"]["entries"].append(document["R"]["entries"].pop(2))
    assert_same(model, loads(json.dumps(document)))
    document["R"]["entries"].pop()
    with pytest.raises(FormatError, match="every transition"):
        loads(json.dumps(document))
