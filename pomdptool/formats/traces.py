"""Traces of episodes, as `simulate --trace` writes them: a JSON object a line, one for each step.

`episode` and `step` are numbers from 0, `action` is the name of what was done, `belief` an object
of states and their probabilities before it; `state`, `observation` and `reward` may be absent.
"""

from __future__ import annotations

from dataclasses import dataclass

from pomdptool.errors import FormatError
from pomdptool.formats.documents import Place
from pomdptool.formats.strict_json import read_json


@dataclass(frozen=True, slots=True)
class TracedStep:
    """One step: the belief before the action, by names of states; empty where it is not told."""

    episode: int
    step: int
    state: str
    belief: dict[str, float]
    action: str
    observation: str
    reward: float


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
    place = Place(read_json(line, file, number), "", file, number)
    state, belief = place.get("state"), place.get("belief")
    observation, reward = place.get("observation"), place.get("reward")
    beliefs = {} if belief is None else belief.members()
    return TracedStep(
        episode=place["episode"].count(0),
        step=place["step"].count(0),
        state="" if state is None else state.text(),
        belief={name: part.probability() for name, part in beliefs.items()},
        action=place["action"].text(),
        observation="" if observation is None else observation.text(),
        reward=0.0 if reward is None else reward.number(),
    )
