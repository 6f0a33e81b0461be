"""Splitting states, and the initial model of utile distinction."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pomdptool.episodes import NONE, Episodes
from pomdptool.errors import ModelError
from pomdptool.learning.ends import with_terminal_state, without_terminal_observations
from pomdptool.learning.parameters import Parameters
from pomdptool.model import Model, make_model
from pomdptool.sparse import DENSE_LIMIT

SPLIT_SHARE = 0.9
"""Initial fraction of a transition that is redirected to the copy."""

OBSERVATION_PROBABILITY = 0.9
"""Initial probability of the observation that a state is named after."""


def model_of_observations(episodes: Episodes, *, shared: bool) -> Model:
    """Make a model with one state per observation that occurs, and its name.

    If episodes terminated, a terminal state comes last.
    """
    ended = bool(episodes.terminated.any())
    a, o = episodes.actions, without_terminal_observations(episodes).observations
    A, names = len(episodes.action_names), episodes.observation_names
    occurs = np.unique(o[o != NONE])
    S = max(1, len(occurs))
    if 8 * A * S * S > DENSE_LIMIT:
        raise ModelError(
            f"a state for each of {S} observations: T with {A} actions would take "
            f"{8 * A * S * S / 2**30:.1f} GiB; specify the initial number of states"
        )
    T = np.ones((A, S, S))
    state = np.searchsorted(occurs, o)
    inner = (o != NONE) & (a != NONE)
    inner[episodes.first[:-1][episodes.lengths > 0]] = False
    t = np.flatnonzero(inner)
    t = t[o[t - 1] != NONE]
    np.add.at(T, (a[t], state[t - 1], state[t]), 1.0)
    Z = np.full((S, len(names)), (1.0 - OBSERVATION_PROBABILITY) / len(names))
    Z[np.arange(len(occurs)), occurs] += OBSERVATION_PROBABILITY
    Z /= Z.sum(axis=1, keepdims=True)
    start = np.full(S, 1.0 / S)
    parameters = Parameters(
        T / T.sum(axis=2, keepdims=True), np.repeat(Z[np.newaxis], A, axis=0), start
    )
    states = [names[k] for k in occurs] or ["0"]
    parameters = with_terminal_state(parameters, episodes, "state")
    if ended:
        states.append(_unused_name("end", states))
    return make_model(
        parameters.T,
        parameters.Z[0] if shared else parameters.Z,
        discount=0.95,
        start=parameters.start,
        states=states,
        actions=episodes.action_names,
        observations=names,
    )


def split_state(model: Model, s: int, goes: NDArray[np.bool_]) -> Model:
    """Append a copy of state s that takes most of some transitions to s.

    `goes`, shape (A, S), is the mask of these transitions.
    """
    S = model.n_states
    same = [*range(S), s]
    T, Z = model.T[:, same][:, :, same].copy(), model.Z[:, same]
    share = np.where(goes, SPLIT_SHARE, 1.0 - SPLIT_SHARE)[:, same]
    # Self-transitions: the copy keeps those redirected to it, and half of the others.
    share[:, s] = np.where(goes[:, s], 0.5, 1.0 - SPLIT_SHARE)
    share[:, S] = np.where(goes[:, s], SPLIT_SHARE, 0.5)
    T[:, :, S] *= share
    T[:, :, s] *= 1.0 - share
    start = model.start[same].copy()
    start[[s, S]] *= 0.5
    return make_model(
        T,
        Z,
        discount=model.discount,
        start=start,
        states=[*model.states, _copy_name(model, s)],
        actions=model.actions,
        observations=model.observations,
    )


def _copy_name(model: Model, s: int) -> str:
    return _unused_name(f"{model.states[s]}-2", model.states)


def _unused_name(name: str, taken: Sequence[str]) -> str:
    """Return the name, with the first number appended that makes it unique, if need be."""
    stem, k = name.removesuffix("-2"), 2
    while name in taken:
        name, k = f"{stem}-{k}", k + 1
    return name
