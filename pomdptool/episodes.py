"""Episodes: logs of actions, observations and rewards, laid end to end, and how long is enough."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pomdptool.errors import DataError
from pomdptool.sparse import FloatArray, IntArray

NONE = -1
"""No action: the observation came before any; no observation: it is missing."""

CUT, TERMINATED, TRUNCATED = range(3)
"""How an episode ended: cut off, in any state; in a terminal state; cut off outside of one.

A terminated episode reached a terminal state at its last step and not before, a truncated one never
did (Gymnasium's terms). Of an episode that was cut off nothing is known about terminal states: it
may have gone on in one.
"""


@dataclass(frozen=True, eq=False, slots=True)
class Episodes:
    """Steps of some episodes. Step t of an episode is an action and what followed it.

    Attributes
    ----------
    action_names, observation_names
        What the indices below stand for.
    actions
        Shape (n_steps,): index of the action done, NONE in a first step that is an observation
        before any action.
    observations
        Shape (n_steps,): index of the observation that followed, NONE where it is missing.
    first
        Shape (n_episodes + 1,): where each episode begins; the last entry is n_steps.
    rewards
        Shape (n_steps,), as the data has them (costs are positive where the model's are), NaN where
        one is missing; None without rewards.
    states, next_states
        Shape (n_steps,): index of the state before the action and after it; None where unknown.
    state_names
        What these indices stand for.
    numbers
        Shape (n_episodes,): what the data calls the episodes, where they are numbered; else None.
    ends
        Shape (n_episodes,): how each episode ended, CUT, TERMINATED or TRUNCATED; None where that
        is unknown, which learning takes for CUT.
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
                raise DataError(f"{name} must have one entry a step, {n}, not {len(array)}")
        if len(self.first) < 1 or self.first[0] != 0 or self.first[-1] != n:
            raise DataError("the first episode must begin at 0 and the last one end with the steps")
        if (np.diff(self.first) < 0).any():
            raise DataError("episodes must follow one another")
        if self.ends is not None and len(self.ends) != self.n_episodes:
            raise DataError(f"ends must have one entry an episode, {self.n_episodes}")

    @property
    def n_steps(self) -> int:
        """Number of steps of all episodes."""
        return len(self.actions)

    @property
    def n_episodes(self) -> int:
        """Number of episodes."""
        return len(self.first) - 1

    @property
    def lengths(self) -> IntArray:
        """Shape (n_episodes,): steps of each episode."""
        return np.diff(self.first)

    @property
    def labels(self) -> list[int]:
        """What the data calls each episode, else its index."""
        if self.numbers is None:
            return list(range(self.n_episodes))
        return [int(number) for number in self.numbers]

    @property
    def terminated(self) -> NDArray[np.bool_]:
        """Shape (n_episodes,): which episodes ended in a terminal state."""
        if self.ends is None:
            return np.zeros(self.n_episodes, dtype=bool)
        return np.asarray(self.ends == TERMINATED)

    def episode(self, k: int) -> slice:
        """Steps of episode k."""
        return slice(int(self.first[k]), int(self.first[k + 1]))

    def place(self, t: int) -> str:
        """Name step t in messages: its episode, and its number there."""
        e = int(np.searchsorted(self.first, t, side="right")) - 1
        return f"episode {self.labels[e]}, step {t - self.first[e]}"


def joined(parts: Iterable[Episodes]) -> Episodes:
    """Lay several lots of episodes, which have the same names, end to end.

    Raises
    ------
    DataError
        Where there are none.
    """
    lots = list(parts)
    if not lots:
        raise DataError("there are no episodes")
    ends = np.cumsum([0, *(lot.n_steps for lot in lots)])

    def laid(name: str) -> np.ndarray | None:
        arrays = [getattr(lot, name) for lot in lots]
        return None if any(a is None for a in arrays) else np.concatenate(arrays)

    firsts = [lot.first[:-1] + end for lot, end in zip(lots, ends[:-1], strict=True)]
    return Episodes(
        action_names=lots[0].action_names,
        observation_names=lots[0].observation_names,
        actions=np.concatenate([lot.actions for lot in lots]),
        observations=np.concatenate([lot.observations for lot in lots]),
        first=np.concatenate([*firsts, ends[-1:]]),
        rewards=laid("rewards"),
        states=laid("states"),
        next_states=laid("next_states"),
        state_names=lots[0].state_names,
        numbers=laid("numbers"),
        ends=laid("ends"),
    )


def steps_until(discount: float, left: float) -> int | None:
    """Steps after which a share of all there is to earn is left, 1 at least; None: there are none.

    A reward after n steps counts discount**n: with discount 1 it never counts less.
    """
    if discount == 1.0:
        return None
    return 1 if discount == 0.0 else math.ceil(math.log(left) / math.log(discount))
