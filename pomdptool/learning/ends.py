"""Terminal states in learning: the likelihood includes how each episode ended.

With E the set of terminal states, the likelihood of an episode is the joint probability of its data
and

    s_t not in E before each step
    s_n in E if the episode terminated after n steps
    s_n not in E if it was truncated after n steps.

Only M[c] changes (see `pomdptool.kernels.hmm.em` and `e_step.constrain`): rows in E are 0. Columns:
at the last step of a terminated episode those outside E are 0, otherwise those in E. M does not
change for episodes that were cut off.

A model learned from terminated episodes has one terminal state, its last: absorbing, without
rewards, and with the observations made at the last steps.
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
    """Mask of the terminal states, shape (S,); None if there are none, or all episodes are cut.

    Without rewards every absorbing state looks terminal; these count only if an episode terminated.
    Raises DataError if an episode terminated but the model has no terminal state.
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
            f"episode {e} terminated, but the model has no terminal state (absorbing under every "
            "action, without reward); --ends cut treats episodes as cut off"
        )
    return None


def termination_counts(episodes: Episodes) -> IntArray:
    """Number of steps with each action that reached a terminal state, shape (A,)."""
    last = episodes.actions[(step_ends(episodes) == TERMINATED) & (episodes.actions != NONE)]
    return np.bincount(last, minlength=len(episodes.action_names))


def without_terminal_observations(episodes: Episodes) -> Episodes:
    """Remove the observations made in terminal states."""
    if not episodes.terminated.any():
        return episodes
    ended = step_ends(episodes) == TERMINATED
    return replace(episodes, observations=np.where(ended, NONE, episodes.observations))


def with_terminal_state(
    parameters: Parameters, episodes: Episodes, model: RewardModel
) -> Parameters:
    """Append a terminal state if episodes terminated.

    Termination and its observations are as frequent as in the data, equal for all states. W must
    not depend on the next state or the observation yet, though it may have their axes.
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
    """Set the rewards in terminal states to 0."""
    R = rewards.R.copy()
    R[:, terminal] = 0.0
    return replace(rewards, R=R)
