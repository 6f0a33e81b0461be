"""From the rows of a table to `Episodes`: symbols to indices, rows to their episodes and steps.

Rows come in batches, in the order of the file; what is wrong with them is collected with the line
of the file that it stands on.
"""

from __future__ import annotations

import bisect
import re
from dataclasses import dataclass

import numpy as np

from pomdptool.episodes import NONE, Episodes
from pomdptool.errors import DataError, nearest
from pomdptool.formats.findings import MAX_FINDINGS, MAX_HINTS
from pomdptool.formats.tables_report import Problems
from pomdptool.formats.text_input import MAX_BYTES
from pomdptool.model import Model
from pomdptool.sparse import FloatArray, Int32Array, IntArray

MAX_INDEX = 10**6
"""Integers up to this stand for themselves: every one below is a symbol too."""

MAX_ROWS = MAX_BYTES // 8
"""Most rows of a table: one column of them is as large as the largest file."""

AXES = {
    "episode": "episode",
    "action": "action",
    "observation": "observation",
    "state": "state",
    "next_state": "state",
}
"""Columns of symbols, and what their symbols name."""

_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_DIGITS = re.compile(r"([0-9]+)")


@dataclass(frozen=True, eq=False, slots=True)
class Batch:
    """Some rows of a table.

    Attributes
    ----------
    n_rows
        Number of rows.
    line
        Line of the first one.
    lines
        Shape (n_rows,): line of each, where they do not follow one another.
    symbols
        For each column of symbols that is there, shape (n_rows,): index among the texts given with
        them, NONE where empty.
    steps
        Shape (n_rows,): the column `step`.
    rewards
        Shape (n_rows,): the column `reward`, NaN where empty.
    """

    n_rows: int
    line: int
    lines: IntArray | None
    symbols: dict[str, tuple[Int32Array, list[str]]]
    steps: IntArray | None
    rewards: FloatArray | None


class Gather:
    """Collects batches, and makes episodes of them."""

    def __init__(self, problems: Problems) -> None:
        self.problems = problems
        self.n_rows = 0
        self._places: list[tuple[int, int, IntArray | None]] = []
        self._symbols: dict[str, dict[str, int]] = {axis: {} for axis in AXES.values()}
        self._codes: dict[str, list[Int32Array]] = {}
        self._steps: list[IntArray] = []
        self._rewards: list[FloatArray] = []

    def add(self, batch: Batch) -> None:
        """Add rows.

        Raises
        ------
        DataError
            If they become too many.
        """
        self._places.append((self.n_rows, batch.line, batch.lines))
        self.n_rows += batch.n_rows
        if self.n_rows > MAX_ROWS:
            raise DataError(f"{self.problems.file}: more than {MAX_ROWS} rows")
        for role, (codes, texts) in batch.symbols.items():
            known = self._symbols[AXES[role]]
            to_known = [known.setdefault(text, len(known)) if text else NONE for text in texts]
            table = np.array([*to_known, NONE], dtype=np.int32)
            self._codes.setdefault(role, []).append(table[codes])
        if batch.steps is not None:
            self._steps.append(batch.steps)
        if batch.rewards is not None:
            self._rewards.append(batch.rewards)

    def episodes(self, like: Model | None) -> Episodes:
        """Make episodes of all rows.

        Parameters
        ----------
        like
            Model whose names, or indices, the symbols are.

        Raises
        ------
        DataError
            If there are no rows, or something is wrong with them.
        """
        self.problems.stop()
        if not self.n_rows:
            raise DataError(f"{self.problems.file}: there are no rows after the header")
        order, first = self._order()
        action_names, actions = self._named("action", like.actions if like else None, order)
        names, observations = self._named("observation", like.observations if like else None, order)
        state_names, states = self._named("state", like.states if like else None, order)
        _, next_states = self._named("next_state", like.states if like else None, order)
        if actions is None:
            action_names = self._only_action(like)
            actions = np.zeros(self.n_rows, dtype=np.int64)
        rewards = np.concatenate(self._rewards) if self._rewards else None
        if rewards is not None and order is not None:
            rewards = rewards[order]
        assert observations is not None
        self.problems.stop()
        self._check(actions, rewards, order, first)
        self.problems.stop()
        return Episodes(
            action_names=action_names or ("0",),
            observation_names=names,
            actions=actions,
            observations=observations,
            first=first,
            rewards=rewards,
            states=states,
            next_states=next_states,
            state_names=state_names,
            numbers=self._numbers(),
        )

    def _only_action(self, like: Model | None) -> tuple[str, ...]:
        if like is not None and like.n_actions > 1:
            name = self.problems.columns.action
            raise DataError(
                f"{self.problems.file}: there is no column {name!r}, and the model has "
                f"{like.n_actions} actions{nearest(name, self.problems.unused)}"
            )
        return like.actions if like else ("0",)

    def _line(self, row: int) -> int:
        """Line of a row, counted from 0 over all batches."""
        k = bisect.bisect_right(self._places, row, key=lambda place: place[0]) - 1
        start, line, lines = self._places[k]
        return line + row - start if lines is None else int(lines[row - start])

    def _report(self, rows: IntArray, message: str, role: str) -> None:
        for row in rows[: MAX_FINDINGS + 1].tolist():
            self.problems.add(self._line(row), message, role)

    def _order(self) -> tuple[IntArray | None, IntArray]:
        """Return the rows in order of episode and step (None: as they are), and `first`."""
        steps = np.concatenate(self._steps) if self._steps else None
        parts = self._codes.pop("episode", None)
        episode = np.concatenate(parts) if parts else np.zeros(self.n_rows, dtype=np.int32)
        self._report(np.flatnonzero(episode == NONE), "a number or a name is missing", "episode")
        self.problems.stop()
        first = np.concatenate([[0], np.cumsum(np.bincount(episode))])
        if steps is None:
            self._check_together(episode)
            return None, first
        same, rising = episode[1:] == episode[:-1], steps[1:] > steps[:-1]
        if np.all((episode[1:] > episode[:-1]) | (same & rising)):
            return None, first
        order: IntArray = np.lexsort((steps, episode))
        episode, steps = episode[order], steps[order]
        twice = (episode[1:] == episode[:-1]) & (steps[1:] == steps[:-1])
        for k in (np.flatnonzero(twice) + 1)[: MAX_FINDINGS + 1].tolist():
            message = f"step {steps[k]} occurs twice{self._in_episode(int(episode[k]))}"
            self.problems.add(self._line(int(order[k])), message, "step")
        return order, first

    def _check_together(self, episode: Int32Array) -> None:
        """Without steps, the rows of an episode must follow one another."""
        highest = np.maximum.accumulate(episode)
        back = (episode[1:] != episode[:-1]) & (episode[1:] < highest[1:])
        for row in (np.flatnonzero(back) + 1)[: MAX_FINDINGS + 1].tolist():
            message = (
                f"a row{self._in_episode(int(episode[row]))}, after another began: "
                f"a column {self.problems.columns.step!r} would settle their order"
            )
            self.problems.add(self._line(row), message, "episode")

    def _in_episode(self, k: int) -> str:
        names = list(self._symbols["episode"])
        return f" in episode {names[k]!r}" if names else ""

    def _named(
        self, role: str, names: tuple[str, ...] | None, order: IntArray | None
    ) -> tuple[tuple[str, ...], IntArray | None]:
        """Names, and the index of each row's symbol among them, where the column is there."""
        axis = AXES[role]
        texts = list(self._symbols[axis])
        if names is None:
            names, to_index = self._own_names(texts, role)
        else:
            to_index = _look_up(texts, names)
        parts = self._codes.pop(role, None)
        if parts is None:
            return names if texts else (), None
        codes = np.concatenate(parts)
        self._report_unknown(codes, to_index, texts, names, role)
        indices = np.array([*to_index, NONE], dtype=np.int64)[codes]
        if axis == "observation" and not names:
            raise DataError(f"{self.problems.file}: every observation is empty")
        return names, indices if order is None else indices[order]

    def _own_names(self, texts: list[str], role: str) -> tuple[tuple[str, ...], list[int]]:
        """Indices that integers are, else names in natural order."""
        if texts and all(_INTEGER.fullmatch(t) and t[0] != "-" for t in texts):
            indices = list(map(int, texts))
            if max(indices) > MAX_INDEX:
                raise DataError(
                    f"{self.problems.file}: column {getattr(self.problems.columns, role)!r}: "
                    f"{max(indices)} is too large for an index (at most {MAX_INDEX})"
                )
            return tuple(map(str, range(max(indices) + 1))), indices
        names = tuple(sorted(texts, key=natural))
        place = {name: i for i, name in enumerate(names)}
        return names, [place[text] for text in texts]

    def _report_unknown(
        self,
        codes: Int32Array,
        to_index: list[int],
        texts: list[str],
        names: tuple[str, ...],
        role: str,
    ) -> None:
        unknown = [code for code, index in enumerate(to_index) if index == NONE]
        if not unknown:
            return
        rows = np.flatnonzero(np.isin(codes, unknown))[: MAX_FINDINGS + 1].tolist()
        hints: dict[int, str] = {}
        for row in rows:
            code = int(codes[row])
            if code not in hints:
                hints[code] = _unknown(texts[code], names, role, hint=len(hints) < MAX_HINTS)
            self.problems.add(self._line(row), hints[code], role)

    def _check(
        self,
        actions: IntArray,
        rewards: FloatArray | None,
        order: IntArray | None,
        first: IntArray,
    ) -> None:
        """Only an episode's first row goes without an action, and then without a reward."""
        before = actions == NONE
        later = before.copy()
        later[first[:-1]] = False
        rows = np.flatnonzero(later)
        message = "an action is missing (only an episode's first row may have none)"
        self._report(rows if order is None else order[rows], message, "action")
        if rewards is not None:
            rows = np.flatnonzero(np.isnan(rewards) & ~before)
            message = "a reward is missing (empty or NaN)"
            self._report(rows if order is None else order[rows], message, "reward")

    def _numbers(self) -> IntArray | None:
        names = list(self._symbols["episode"])
        if not names or not all(map(_INTEGER.fullmatch, names)):
            return None
        return np.array(list(map(int, names)), dtype=np.int64)


def natural(name: str) -> tuple[list[tuple[int, str]], str]:
    """Key that sorts `o2` before `o10`."""
    parts = _DIGITS.split(name)
    digits = [part.lstrip("0") if k % 2 else part for k, part in enumerate(parts)]
    return [(len(part) * (k % 2), part) for k, part in enumerate(digits)], name


def _look_up(texts: list[str], names: tuple[str, ...]) -> list[int]:
    """Index of each text: that of the name, else the integer that it is; NONE if neither."""
    place = {name: i for i, name in enumerate(names)}
    found = []
    for text in texts:
        index = place.get(text, NONE)
        if index == NONE and _INTEGER.fullmatch(text) and 0 <= int(text) < len(names):
            index = int(text)
        found.append(index)
    return found


def _unknown(text: str, names: tuple[str, ...], role: str, *, hint: bool) -> str:
    what = AXES[role]
    if _INTEGER.fullmatch(text):
        return f"{text} is neither the name of {_A[what]} nor an index below {len(names)}"
    return f"unknown {what} {text[:80]!r}" + (nearest(text, names) if hint else "")


_A = {"action": "an action", "observation": "an observation", "state": "a state"}
