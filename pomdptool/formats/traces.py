"""Traces of episodes, as `simulate --trace` writes them: a JSON object a line, one for each step.

`episode` and `step` are numbers from 0, `action` is the name of what was done, `belief` an object
of states and their probabilities before it; `state`, `observation` and `reward` may be absent. A
step that an online planner chose has `sims`, `visits` and `values` (null: not visited) as well.
"""

from __future__ import annotations

import json
from dataclasses import asdict

from pomdptool.errors import FormatError
from pomdptool.formats.json_documents import JsonValue
from pomdptool.formats.strict_json import read_json
from pomdptool.trace import TracedStep


def trace_line(step: TracedStep) -> str:
    """Line of a trace."""
    document = asdict(step)
    if step.sims is None:
        for key in ("sims", "visits", "values"):
            del document[key]
    return json.dumps(document) + "\n"


def read_trace(text: str, file: str) -> list[TracedStep]:
    """Read a trace.

    Raises
    ------
    FormatError
        At the line that is no step of an episode.
    """
    steps = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            steps.append(_step(line, file, number))
    if not steps:
        raise FormatError.at(file, 1, 1, "PT011", "the trace holds no step")
    return steps


def _step(line: str, file: str, number: int) -> TracedStep:
    place = JsonValue(read_json(line, file, number), "", file, number)
    state, belief = place.get("state"), place.get("belief")
    observation, reward = place.get("observation"), place.get("reward")
    sims, visits, values = (place.get(key) for key in ("sims", "visits", "values"))
    beliefs = {} if belief is None else belief.members()
    return TracedStep(
        episode=place["episode"].count(0),
        step=place["step"].count(0),
        state="" if state is None else state.text(),
        belief={name: part.probability() for name, part in beliefs.items()},
        action=place["action"].text(),
        observation="" if observation is None else observation.text(),
        reward=0.0 if reward is None else reward.number(),
        sims=None if sims is None else sims.count(0),
        visits=() if visits is None else tuple(visit.count(0) for visit in visits.items()),
        values=() if values is None else tuple(_value(value) for value in values.items()),
    )


def _value(place: JsonValue) -> float | None:
    return None if place.value is None else place.number()
