"""Terminal states in learning: the likelihood of how an episode ended.

With E the set of terminal states, an episode's likelihood is the joint probability of its data and

    s_t not in E before each step,  s_n in E if it terminated after n steps,  not in E if truncated

so that only M[c] changes (see `pomdptool.kernels.hmm.em`): its rows of E are 0, and so are its
columns of E, or for the last step of a terminated episode its columns of all other states
(`expectation.constrain`). For an episode that was cut off in any state M does not change.

A model that is learned from terminated episodes has one terminal state, the last: absorbing, and
without rewards. What is seen there is what was seen at the last steps.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pomdptool.episodes import CUT, NONE, TERMINATED, Episodes
from pomdptool.errors import DataError
from pomdptool.learning.encoding import step_ends
from pomdptool.learning.parameters import Parameters
from pomdptool.learning.rewards import LearnedRewards, RewardModel, with_all_axes
from pomdptool.model import Model
from pomdptool.sparse import IntArray


def terminal_mask(model: Model, episodes: Episodes) -> NDArray[np.bool_] | None:
    """Which states of a model are terminal, shape (S,); None if none, or ends are not known.

    In a model without rewards every absorbing state looks terminal: they are only if some episode
    terminated.

    Raises
    ------
    DataError
        Where an episode terminated, and the model has no terminal state.
    """
    if episodes.ends is None or (episodes.ends == CUT).all():
        return None
    if not (episodes.terminated.any() or model.rewards.stored.any()):
        return None
    terminal = np.zeros(model.n_states, dtype=bool)
    terminal[model.terminal_states] = True
    if terminal.any():
        return terminal
    if episodes.terminated.any():
        e = episodes.labels[int(episodes.terminated.argmax())]
        raise DataError(
            f"episode {e} terminated, and the model has no terminal state, one that every action "
            "keeps without reward; --ends cut takes episodes as cut off"
        )
    return None


def termination_counts(episodes: Episodes) -> IntArray:
    """How often each action led to a terminal state, shape (A,)."""
    led = episodes.actions[(step_ends(episodes) == TERMINATED) & (episodes.actions != NONE)]
    return np.bincount(led, minlength=len(episodes.action_names))


def without_terminal_observations(episodes: Episodes) -> Episodes:
    """Episodes in which nothing is seen at steps to a terminal state."""
    if not episodes.terminated.any():
        return episodes
    ended = step_ends(episodes) == TERMINATED
    return replace(episodes, observations=np.where(ended, NONE, episodes.observations))


def with_terminal_state(
    parameters: Parameters, episodes: Episodes, model: RewardModel
) -> Parameters:
    """Put a terminal state last, as likely from everywhere, and shown, as in the data.

    Where no episode terminated the tables stay as they are. W must not depend on the next state or
    the observation yet, though it may have their axes.
    """
    if not episodes.terminated.any():
        return parameters
    A, S, _ = parameters.T.shape
    a, o, ended = episodes.actions, episodes.observations, step_ends(episodes) == TERMINATED
    times = np.bincount(a[a != NONE], minlength=A)
    go = (termination_counts(episodes) + 1.0 / (S + 1)) / (times + 1.0)
    T = np.zeros((A, S + 1, S + 1))
    T[:, :S, :S] = parameters.T * (1.0 - go)[:, np.newaxis, np.newaxis]
    T[:, :S, S] = go[:, np.newaxis]
    T[:, S, S] = 1.0
    n = parameters.Z.shape[2]
    shown = np.bincount(o[ended & (o != NONE)], minlength=n) + 1.0 / n
    row = np.broadcast_to(shown / shown.sum(), (len(parameters.Z), 1, n))
    W = parameters.W[:, :, 0, 0]
    return Parameters(
        T,
        np.concatenate([parameters.Z, row], axis=1),
        np.append(parameters.start, 0.0),
        with_all_axes(np.concatenate([W, W[:, -1:]], axis=1), model, n),
        np.arange(S + 1) == S,
    )


def without_terminal_rewards(
    rewards: LearnedRewards, terminal: NDArray[np.bool_]
) -> LearnedRewards:
    """Rewards, with none in terminal states."""
    R = rewards.R.copy()
    R[:, terminal] = 0.0
    return replace(rewards, R=R)
