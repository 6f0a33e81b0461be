"""Traces of `simulate --trace`: JSON lines, one object per step.

`episode` and `step` count from 0, `action` is a name, `belief` an object of states and their
probabilities before the action; `state`, `observation` and `reward` are optional. Steps of an
online planner also have `sims`, `visits` and `values` (null for an action not visited).
"""

from __future__ import annotations

import json
from dataclasses import asdict

from pomdptool.errors import FormatError
from pomdptool.formats.json_documents import JsonValue
from pomdptool.formats.strict_json import read_json
from pomdptool.trace import TracedStep


def trace_line(step: TracedStep) -> str:
    """One line of a trace."""
    document = asdict(step)
    if step.sims is None:
        for key in ("sims", "visits", "values"):
            del document[key]
    return json.dumps(document) + "\n"


def read_trace(text: str, file: str) -> list[TracedStep]:
    """Read a trace; FormatError at the first line that is not a step."""
    steps = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            steps.append(_step(line, file, number))
    if not steps:
        raise FormatError.at(file, 1, 1, "PT011", "the trace has no steps")
    return steps


def _step(line: str, file: str, number: int) -> TracedStep:
    step = JsonValue(read_json(line, file, number), "", file, number)
    state, belief = step.get("state"), step.get("belief")
    observation, reward = step.get("observation"), step.get("reward")
    sims, visits, values = (step.get(key) for key in ("sims", "visits", "values"))
    beliefs = {} if belief is None else belief.members()
    return TracedStep(
        episode=step["episode"].count(0),
        step=step["step"].count(0),
        state="" if state is None else state.text(),
        belief={name: part.probability() for name, part in beliefs.items()},
        action=step["action"].text(),
        observation="" if observation is None else observation.text(),
        reward=0.0 if reward is None else reward.number(),
        sims=None if sims is None else sims.count(0),
        visits=() if visits is None else tuple(visit.count(0) for visit in visits.items()),
        values=() if values is None else tuple(_value(value) for value in values.items()),
    )


def _value(value: JsonValue) -> float | None:
    return None if value.value is None else value.number()
