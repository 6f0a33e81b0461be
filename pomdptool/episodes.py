"""Episodes: concatenated logs of actions, observations and rewards."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pomdptool.errors import DataError
from pomdptool.readable import Readable, counted
from pomdptool.sparse import FloatArray, IntArray

NONE = -1
"""No action, for an observation before the first action; or a missing observation."""

CUT, TERMINATED, TRUNCATED = range(3)
"""How an episode ended (Gymnasium's terms, and CUT).

A terminated episode reached a terminal state at its last step and not before; a truncated one never
did. An episode that was cut may have reached a terminal state and continued.
"""


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Episodes(Readable):
    """Concatenated steps of episodes. A step is an action and the observation and reward after it.

    Attributes
    ----------
    action_names, observation_names, state_names
        Names of the indices.
    actions
        Shape (n_steps,): index of the action, NONE for an observation before the first action.
    observations
        Shape (n_steps,): index of the observation after the action, NONE if missing.
    first
        Shape (n_episodes + 1,): first step of each episode; the last entry is n_steps.
    rewards
        Shape (n_steps,), or costs as in the data; NaN if missing. None without rewards.
    states, next_states
        Shape (n_steps,): index of the state before and after the action; None if unknown.
    numbers
        Shape (n_episodes,): numbers of the episodes in the data, if any.
    ends
        Shape (n_episodes,): CUT, TERMINATED or TRUNCATED; None (unknown) is treated as CUT.
    """

    action_names: tuple[str, ...]
    observation_names: tuple[str, ...]
    actions: IntArray
    observations: IntArray
    first: IntArray
    rewards: FloatArray | None = None
    states: IntArray | None = None
    next_states: IntArray | None = None
    state_names: tuple[str, ...] = ()
    numbers: IntArray | None = None
    ends: IntArray | None = None

    def __post_init__(self) -> None:
        n = len(self.actions)
        for name in ("observations", "rewards", "states", "next_states"):
            array = getattr(self, name)
            if array is not None and len(array) != n:
                raise DataError(f"{name} must have one entry per step, {n}, not {len(array)}")
        if len(self.first) < 1 or self.first[0] != 0 or self.first[-1] != n:
            raise DataError("the first episode must start at step 0, the last end with the steps")
        if (np.diff(self.first) < 0).any():
            raise DataError("the first steps of episodes must not decrease")
        if self.ends is not None and len(self.ends) != self.n_episodes:
            raise DataError(f"ends must have one entry per episode, {self.n_episodes}")

    def _summary(self) -> str:
        rewards = "without rewards" if self.rewards is None else "with rewards"
        names = (self.action_names, "action"), (self.observation_names, "observation")
        parts = [counted(len(items), noun) for items, noun in names]
        steps = f"{counted(self.n_episodes, 'episode')}, {counted(self.n_steps, 'step')}"
        return f"{steps}, {', '.join(parts)}, {rewards}"

    @property
    def n_steps(self) -> int:
        """Total number of steps."""
        return len(self.actions)

    @property
    def n_episodes(self) -> int:
        """Number of episodes."""
        return len(self.first) - 1

    @property
    def lengths(self) -> IntArray:
        """Number of steps of each episode, shape (n_episodes,)."""
        return np.diff(self.first)

    @property
    def labels(self) -> list[int]:
        """Number of each episode in the data, else its index."""
        if self.numbers is None:
            return list(range(self.n_episodes))
        return [int(number) for number in self.numbers]

    @property
    def terminated(self) -> NDArray[np.bool_]:
        """Which episodes ended in a terminal state, shape (n_episodes,)."""
        if self.ends is None:
            return np.zeros(self.n_episodes, dtype=bool)
        return np.asarray(self.ends == TERMINATED)

    def episode(self, k: int) -> slice:
        """Steps of episode k."""
        return slice(int(self.first[k]), int(self.first[k + 1]))

    def place(self, t: int) -> str:
        """Episode of step t, and its number in it, for messages."""
        e = int(np.searchsorted(self.first, t, side="right")) - 1
        return f"episode {self.labels[e]}, step {t - self.first[e]}"


def joined(parts: Iterable[Episodes]) -> Episodes:
    """Concatenate Episodes with the same names.

    Raises
    ------
    DataError
        If there are none.
    """
    items = list(parts)
    if not items:
        raise DataError("there are no episodes")
    ends = np.cumsum([0, *(item.n_steps for item in items)])
    firsts = [item.first[:-1] + end for item, end in zip(items, ends[:-1], strict=True)]
    columns: dict[str, Any] = {}
    for name in ("actions", "observations", "rewards", "states", "next_states", "numbers", "ends"):
        arrays = [getattr(item, name) for item in items]
        columns[name] = None if any(a is None for a in arrays) else np.concatenate(arrays)
    return replace(items[0], first=np.concatenate([*firsts, ends[-1:]]), **columns)


def effective_horizon(discount: float, weight: float) -> int | None:
    """The least n with discount**n <= weight, at least 1; None with discount 1."""
    if discount == 1.0:
        return None
    return 1 if discount == 0.0 else math.ceil(math.log(weight) / math.log(discount))
