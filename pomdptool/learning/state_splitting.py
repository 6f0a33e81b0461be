"""Models that utile distinction begins with, and those in which a state has a copy."""

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
"""Share of a transition that goes to the copy it is meant for, to begin with."""

OBSERVATION_PROBABILITY = 0.9
"""Probability of a state's own observation, to begin with."""


def model_of_observations(episodes: Episodes, *, shared: bool) -> Model:
    """Make a model with a state for each observation that occurs, and bears its name.

    Where episodes terminated a terminal state comes last; it has what is seen on arriving there.
    """
    ended = bool(episodes.terminated.any())
    a, o = episodes.actions, without_terminal_observations(episodes).observations
    A, names = len(episodes.action_names), episodes.observation_names
    occurs = np.unique(o[o != NONE])
    S = max(1, len(occurs))
    if 8 * A * S * S > DENSE_LIMIT:
        raise ModelError(
            f"a state for each of {S} observations: T with {A} actions would take "
            f"{8 * A * S * S / 2**30:.1f} GiB; give a number of states to begin with"
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
    """Put a copy of state s last: some transitions lean to it, and it leans to itself.

    `goes`, shape (A, S), marks the actions and states that lead to the copy.
    """
    S = model.n_states
    same = [*range(S), s]
    T, Z = model.T[:, same][:, :, same].copy(), model.Z[:, same]
    share = np.where(goes, SPLIT_SHARE, 1.0 - SPLIT_SHARE)[:, same]
    # Of transitions from itself a copy keeps what is meant for it, and half of the rest.
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
    """Return the name, or the first that ends in another number and is not taken."""
    stem, k = name.removesuffix("-2"), 2
    while name in taken:
        name, k = f"{stem}-{k}", k + 1
    return name
