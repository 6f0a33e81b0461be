"""Traces of episodes read back equal after writing."""

from __future__ import annotations

import json

import pytest

from pomdptool.errors import FormatError
from pomdptool.formats.traces import read_trace, trace_line
from pomdptool.trace import TracedStep

STEPS = [
    TracedStep(0, 0, "left", {"left": 0.1 + 0.2, "right": 0.7}, "listen", "hear", -1.0),
    TracedStep(0, 1, 'a "b"', {}, "", "\n", 1e300, 500, (499, 1, 0), (-3.5, 1e-300, None)),
    TracedStep(1, 0, "", {"left": 1.0}, "listen", "", 0.0, 0),
]


def test_trace_reads_back_equal() -> None:
    assert read_trace("".join(map(trace_line, STEPS)), "trace.jsonl") == STEPS


def test_steps_without_a_search_have_no_keys_of_one() -> None:
    keys = ["episode", "step", "state", "belief", "action", "observation", "reward"]
    search = ["sims", "visits", "values"]
    assert list(json.loads(trace_line(STEPS[0]))) == keys
    assert list(json.loads(trace_line(STEPS[1]))) == [*keys, *search]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"episode": -1}, '"episode" must be a whole number of at least 0'),
        ({"belief": {"left": 2}}, '"belief"."left" must lie between 0 and 1'),
        ({"visits": [1, -1]}, '"visits"[1] must be a whole number of at least 0'),
        ({"values": [1, "x"]}, '"values"[1] must be a number'),
    ],
)
def test_wrong_key_is_named(changes: dict[str, object], message: str) -> None:
    lines = [trace_line(STEPS[0]), json.dumps({**json.loads(trace_line(STEPS[1])), **changes})]
    with pytest.raises(FormatError) as caught:
        read_trace("".join(lines), "t")
    assert str(caught.value).startswith("t:2:1: ")
    assert message in str(caught.value)
