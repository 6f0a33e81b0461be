"""Columns of Episodes from lists of steps, and from and to data frames of pandas."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from pomdptool.errors import DataError, nearest

NONE = -1
"""No action, for an observation before the first action; or a missing observation."""


def columns_of_lists(
    episodes: Iterable[Iterable[Any]],
    actions: Sequence[str] | None,
    observations: Sequence[str] | None,
) -> dict[str, Any]:
    """Arguments of Episodes; see `Episodes.from_lists`.

    Raises
    ------
    DataError
        If a step is of another form, or a name is unknown.
    """
    rows: list[tuple[Any, Any, Any]] = []
    first = [0]
    for e, episode in enumerate(episodes):
        if isinstance(episode, (str, bytes)):
            raise DataError(f"episode {e} must be a list of steps, not {episode!r:.80}")
        rows += [_row(step, e, t) for t, step in enumerate(episode)]
        first.append(len(rows))
    action_names, action = _indexed([row[0] for row in rows], actions, "action")
    observation_names, observation = _indexed([row[1] for row in rows], observations, "observation")
    rewards = [row[2] for row in rows]
    has_rewards = any(reward is not None for reward in rewards)
    return {
        "action_names": action_names or ("0",),
        "observation_names": observation_names or ("0",),
        "actions": action if action_names else np.zeros(len(rows), np.int64),
        "observations": observation,
        "first": np.array(first, np.int64),
        "rewards": np.array([_number(r) for r in rewards]) if has_rewards else None,
    }


def _row(step: Any, episode: int, t: int) -> tuple[Any, Any, Any]:
    """Action, observation and reward of a step; None where it has none."""
    if isinstance(step, (tuple, list)):
        if len(step) == 2:
            return (*step, None)
        if len(step) == 3:
            return (*step,)
        expected = "(action, observation), (action, observation, reward) or an observation"
        raise DataError(f"episode {episode}, step {t}: expected {expected}, not {step!r:.80}")
    return None, step, None


def _number(reward: Any) -> float:
    try:
        return np.nan if reward is None else float(reward)
    except (TypeError, ValueError):
        raise DataError(f"the reward {reward!r:.80} is not a number") from None


def _indexed(
    symbols: list[Any], alphabet: Sequence[str] | None, kind: str
) -> tuple[tuple[str, ...], Any]:
    """Names of the symbols, in order, and the index of each; NONE for None and NaN."""
    texts = [None if _is_missing(x) else str(x) for x in symbols]
    given = {text: x for text, x in zip(texts, symbols, strict=True) if text is not None}
    if alphabet is not None:
        names = tuple(map(str, alphabet))
    elif all(isinstance(x, (int, np.integer)) for x in given.values()):
        names = tuple(sorted(given, key=int))
    else:
        names = tuple(sorted(given))
    index: Mapping[str | None, int] = {name: k for k, name in enumerate(names)} | {None: NONE}
    for text in given:
        if text not in index:
            raise DataError(f"unknown {kind} {text!r}{nearest(text, names)}")
    return names, np.array([index[text] for text in texts], np.int64)


def _is_missing(x: Any) -> bool:
    return x is None or (isinstance(x, float) and np.isnan(x))


def lists_of_frame(frame: Any, columns: Mapping[str, str]) -> tuple[list[list[Any]], list[Any]]:
    """Lists of steps of a data frame, and the label of each episode.

    Episodes are in the order of their first row, steps in the order of the column "step", if any.

    Raises
    ------
    DataError
        If there is no column of observations, or a named column is missing.
    """
    known = ("episode", "step", "action", "observation", "reward")
    present = list(map(str, frame.columns))
    for key, column in columns.items():
        if key not in known:
            raise DataError(f"unknown column {key!r}{nearest(key, known)}")
        if column not in present:
            raise DataError(f"the data frame has no column {column!r}{nearest(column, present)}")
    where = {key: columns.get(key, key) for key in known}
    where = {key: column for key, column in where.items() if column in present}
    if "observation" not in where:
        raise DataError(
            "the data frame has no column 'observation': name it, as in "
            "Episodes.from_pandas(frame, observation='obs')"
        )
    parts = {key: frame[column].tolist() for key, column in where.items()}
    n = len(frame)
    labels = parts.get("episode", [0] * n)
    order = range(n)
    if "step" in parts:
        order = sorted(order, key=parts["step"].__getitem__)  # type: ignore[assignment]
    groups: dict[Hashable, list[Any]] = {label: [] for label in labels}
    for k in order:
        action, reward = (parts[key][k] if key in parts else None for key in ("action", "reward"))
        missing = _is_missing(reward)
        groups[labels[k]].append((action, parts["observation"][k], None if missing else reward))
    return list(groups.values()), list(groups)


def pandas() -> Any:
    """The library pandas.

    Raises
    ------
    DataError
        If it is not installed.
    """
    try:
        from importlib import import_module

        return import_module("pandas")
    except ImportError:
        raise DataError("pandas is not installed: `pip install pandas`") from None
