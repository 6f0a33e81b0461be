"""Beliefs and histories on the command line, and files of beliefs."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pomdptool.belief_input import belief_over, index_of_name
from pomdptool.commands.models import index_of
from pomdptool.errors import DataError, ModelError, nearest
from pomdptool.sparse import FloatArray


def parse_belief(text: str, states: Sequence[str]) -> FloatArray:
    """A belief from `0.3,0.7`, `left=0.3,right=0.7` or `left`.

    Raises
    ------
    ModelError
        If a state is unknown, or the numbers are not probabilities that sum to 1.
    """
    if text in states:
        return belief_over({text: 1.0}, states)
    parts = [part.strip() for part in text.split(",")]
    if any("=" in part for part in parts):
        belief: dict[str, float] = {}
        for part in parts:
            name, _, probability = part.rpartition("=")
            if not name:
                raise ModelError(f"expected STATE=PROBABILITY, not {part[:80]!r}")
            state = states[_state(name, states)]
            belief[state] = belief.get(state, 0.0) + _probability(probability)
        return belief_over(belief, states)
    if len(parts) == 1 and (parts[0].isdecimal() or not _is_number(parts[0])):
        return belief_over({states[_state(parts[0], states)]: 1.0}, states)
    return belief_over([_probability(part) for part in parts], states)


def parse_history(
    text: str, actions: Sequence[str], observations: Sequence[str]
) -> list[tuple[int, int]]:
    """Pairs of an action and the observation after it from `listen:hear-left,listen:hear-left`.

    Raises
    ------
    DataError
        If a pair is incomplete or a name is unknown.
    """
    a, o = ({name: k for k, name in enumerate(names)} for names in (actions, observations))
    pairs = []
    for part in text.split(","):
        action, colon, observation = part.strip().partition(":")
        if not colon:
            raise DataError(f"expected ACTION:OBSERVATION, not {part.strip()[:80]!r}")
        pairs.append((index_of(action, "action", a), index_of(observation, "observation", o)))
    return pairs


@dataclass(frozen=True, slots=True)
class BeliefRows:
    """Beliefs of a CSV file.

    Attributes
    ----------
    header, rows
        Names and texts of the columns that are not states.
    beliefs
        Shape (n, S).
    """

    header: list[str]
    rows: list[list[str]]
    beliefs: list[FloatArray]


def read_beliefs(text: str, file: str, states: Sequence[str]) -> BeliefRows:
    """Read a CSV file whose columns named by states hold beliefs, as `decode` writes it.

    Raises
    ------
    DataError
        If no column is a state, or a row is not a belief.
    """
    reader = csv.reader(io.StringIO(text))
    header = next(reader, [])
    position = {name: k for k, name in enumerate(states)}
    columns = {k: position[name] for k, name in enumerate(header) if name in position}
    others = [k for k in range(len(header)) if k not in columns]
    if not columns:
        near = nearest(header[0], states) if header else ""
        raise DataError(f"{file}:1: no column is named by a state of the policy{near}")
    rows, beliefs = [], []
    for row in reader:
        if not row:
            continue
        where = f"{file}:{reader.line_num}"
        if len(row) != len(header):
            raise DataError(f"{where}: {len(row)} columns, the header has {len(header)}")
        belief = np.zeros(len(states))
        try:
            for k, s in columns.items():
                belief[s] = _probability(row[k])
            beliefs.append(belief_over(belief, states))
        except ModelError as error:
            raise DataError(f"{where}: {error}") from None
        rows.append([row[k] for k in others])
    return BeliefRows([header[k] for k in others], rows, beliefs)


def _state(name: str, states: Sequence[str]) -> int:
    """Index of a state by its name or number."""
    numbered = name.isdecimal() and name not in states
    return index_of_name(int(name) if numbered else name, states, "state")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _probability(text: str) -> float:
    """A number; raises ModelError."""
    if not _is_number(text):
        raise ModelError(f"expected a probability, not {text.strip()[:80]!r}")
    return float(text)
