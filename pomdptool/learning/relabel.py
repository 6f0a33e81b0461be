"""Relabel episodes with the indices of a model's actions and observations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pomdptool.episodes import NONE, Episodes
from pomdptool.errors import DataError
from pomdptool.model import Model
from pomdptool.sparse import IntArray


def relabel(episodes: Episodes, model: Model) -> Episodes:
    """Map actions and observations, by name, to indices of a model; DataError if it lacks one."""
    names = (episodes.action_names, episodes.observation_names)
    if names == (model.actions, model.observations):
        return episodes
    return replace(
        episodes,
        action_names=model.actions,
        observation_names=model.observations,
        actions=_map(episodes, episodes.actions, names[0], model.actions, "action"),
        observations=_map(
            episodes, episodes.observations, names[1], model.observations, "observation"
        ),
    )


def _map(
    episodes: Episodes,
    index: IntArray,
    names: tuple[str, ...],
    others: tuple[str, ...],
    kind: str,
) -> IntArray:
    indices = {name: k for k, name in enumerate(others)}
    mapped = np.array([*(indices.get(name, -2) for name in names), NONE])[index]
    unknown = np.flatnonzero(mapped == -2)
    if len(unknown):
        t = int(unknown[0])
        raise DataError(
            f"row {t + 1} ({episodes.place(t)}): the model has no {kind} {names[index[t]]!r}"
        )
    return np.asarray(mapped)
