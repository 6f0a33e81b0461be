"""Episodes: concatenated logs of actions, observations and rewards."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pomdptool.episode_lists import NONE as NONE
from pomdptool.episode_lists import columns_of_lists, lists_of_frame, pandas
from pomdptool.errors import DataError
from pomdptool.readable import Readable, counted
from pomdptool.sparse import FloatArray, IntArray

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

    @classmethod
    def from_lists(
        cls,
        episodes: Iterable[Iterable[Any]],
        *,
        actions: Sequence[str] | None = None,
        observations: Sequence[str] | None = None,
    ) -> Episodes:
        """Make Episodes of lists of steps.

        Parameters
        ----------
        episodes
            A list of steps for each episode. A step is `(action, observation)`, `(action,
            observation, reward)`, or an observation alone. Names may be text or numbers; None is
            a missing observation or reward.
        actions, observations
            All names, in order; by default those that occur, sorted.

        Raises
        ------
        DataError
            If a step is of another form, or a name is unknown.
        """
        return cls(**columns_of_lists(episodes, actions, observations))

    @classmethod
    def from_pandas(
        cls,
        frame: Any,
        *,
        actions: Sequence[str] | None = None,
        observations: Sequence[str] | None = None,
        **columns: str,
    ) -> Episodes:
        """Make Episodes of a pandas DataFrame with a row for each step.

        Parameters
        ----------
        frame
            Its columns are `observation`, and if present `episode`, `step` (which orders the rows
            of an episode), `action` and `reward`.
        actions, observations
            All names, in order; by default those that occur, sorted.
        columns
            Other names of columns, as in `action="act"`.

        Raises
        ------
        DataError
            If a column is missing or a name is unknown.
        """
        lists, labels = lists_of_frame(frame, columns)
        made = cls.from_lists(lists, actions=actions, observations=observations)
        whole = all(isinstance(label, (int, np.integer)) for label in labels)
        return replace(made, numbers=np.array(labels, np.int64)) if whole else made

    def to_pandas(self) -> Any:
        """A pandas DataFrame with the columns that `pomdptool sample` writes.

        Raises
        ------
        DataError
            If pandas is not installed.
        """
        episode = np.repeat(np.array(self.labels, np.int64), self.lengths)
        columns: dict[str, Any] = {
            "episode": episode,
            "step": np.arange(self.n_steps) - np.repeat(self.first[:-1], self.lengths),
            "action": _named(self.action_names, self.actions),
            "observation": _named(self.observation_names, self.observations),
        }
        if self.rewards is not None:
            columns["reward"] = self.rewards
        for name, states in (("state", self.states), ("next_state", self.next_states)):
            if states is not None:
                columns[name] = _named(self.state_names, states)
        return pandas().DataFrame(columns)

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


def _named(names: tuple[str, ...], indices: IntArray) -> list[str | None]:
    """Name of each index; None for NONE."""
    return [None if k == NONE else names[k] for k in indices.tolist()]


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
