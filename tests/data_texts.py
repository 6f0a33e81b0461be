"""Data files as text, read by the tests of data formats."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import pomdptool as pt
from pomdptool.episodes import NONE, Episodes
from pomdptool.formats.data.read import DataKind, read_episodes
from pomdptool.formats.data.write import write_episodes
from pomdptool.model import Model, make_model

KINDS: list[DataKind] = ["csv", "tsv", "jsonl", "parquet"]


def read(text: str | bytes, **options: Any) -> Episodes:
    data = text.encode() if isinstance(text, str) else text
    return read_episodes(io.BytesIO(data), **options)


def message(text: str | bytes, **options: Any) -> str:
    with pytest.raises(pt.DataError) as caught:
        read(text, **options)
    return str(caught.value).removeprefix("<data>:")


def model_of(actions: list[str], observations: list[str], states: list[str]) -> Model:
    A, S, Z = len(actions), len(states), len(observations)
    return make_model(
        np.full((A, S, S), 1 / S),
        np.full((A, S, Z), 1 / Z),
        np.zeros((A, S)),
        discount=0.9,
        states=states,
        actions=actions,
        observations=observations,
    )


def findings(text: str | bytes, **options: Any) -> tuple[str, ...]:
    with pytest.raises(pt.DataError) as caught:
        read(text, **options)
    return caught.value.findings


def written(*parts: Episodes, kind: DataKind = "csv") -> bytes:
    stream = io.BytesIO()
    write_episodes(parts, stream, kind=kind)
    return stream.getvalue()


def names_in(names: tuple[str, ...], indices: np.ndarray | None) -> list[str | None] | None:
    if indices is None:
        return None
    return [None if index == NONE else names[index] for index in indices]


def content(episodes: Episodes) -> dict[str, Any]:
    """All that a table holds, by names: indices may change."""
    rewards = None if episodes.rewards is None else list(map(repr, (episodes.rewards + 0).tolist()))
    return {
        "actions": names_in(episodes.action_names, episodes.actions),
        "observations": names_in(episodes.observation_names, episodes.observations),
        "states": names_in(episodes.state_names, episodes.states),
        "next_states": names_in(episodes.state_names, episodes.next_states),
        "rewards": rewards,
        "first": episodes.first.tolist(),
    }


def episode_parts() -> Iterator[Episodes]:
    for _ in range(3):
        yield read("action,observation,reward\nlisten,x,-1\nopen,y,10.5\n")
