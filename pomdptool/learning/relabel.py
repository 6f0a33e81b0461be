"""Episodes in terms of a model: its actions and observations, in its order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pomdptool.episodes import NONE, Episodes
from pomdptool.errors import DataError
from pomdptool.model import Model
from pomdptool.sparse import IntArray


def relabel(episodes: Episodes, model: Model) -> Episodes:
    """Give the actions and observations of episodes a model's indices.

    Raises
    ------
    DataError
        Where a step has an action or observation that the model lacks; names the first one.
    """
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
    what: str,
) -> IntArray:
    place = {name: k for k, name in enumerate(others)}
    to = np.array([*(place.get(name, -2) for name in names), NONE])
    found = to[index]
    lacking = np.flatnonzero(found == -2)
    if len(lacking):
        t = int(lacking[0])
        raise DataError(
            f"row {t + 1} ({episodes.place(t)}): the model has no {what} {names[index[t]]!r}"
        )
    return np.asarray(found)
