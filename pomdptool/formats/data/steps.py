"""From rows to episodes: their order, the steps that are left out, and how each episode ended."""

from __future__ import annotations

import bisect
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pomdptool.episodes import CUT, TERMINATED, TRUNCATED
from pomdptool.formats.data.report import Problems
from pomdptool.formats.limits import MAX_FINDINGS
from pomdptool.sparse import Int32Array, IntArray

LONGEST_GAP = 1 << 31
"""Steps that are counted at most of those left out in one place: more than a table may have."""

FLAGS = ("terminated", "truncated")
"""Columns that say how an episode ended."""


@dataclass(slots=True)
class Places:
    """Where rows stand in the file, and what is wrong with them.

    Attributes
    ----------
    problems
        What is wrong, and what columns are called.
    episodes
        Names of the episodes, by their codes.
    """

    problems: Problems
    episodes: list[str] = field(default_factory=list)
    _batches: list[tuple[int, int, IntArray | None]] = field(default_factory=list)

    def add(self, first: int, line: int, lines: IntArray | None) -> None:
        """Note the lines of a batch of rows, the first of which is counted over all batches."""
        self._batches.append((first, line, lines))

    def line(self, row: int) -> int:
        """Line of a row."""
        k = bisect.bisect_right(self._batches, row, key=lambda place: place[0]) - 1
        first, line, lines = self._batches[k]
        return line + row - first if lines is None else int(lines[row - first])

    def report(self, rows: IntArray, message: str, role: str) -> None:
        """Note what is wrong with some rows."""
        for row in rows[: MAX_FINDINGS + 1].tolist():
            self.problems.add(self.line(row), message, role)

    def in_episode(self, code: int) -> str:
        """Name an episode, where it has a name."""
        return f" in episode {self.episodes[code]!r}" if self.episodes else ""


@dataclass(frozen=True, eq=False, slots=True)
class Order:
    """Rows in the order of episodes and steps.

    Attributes
    ----------
    rows
        Shape (n_rows,): the row that comes at each place; None: as they are in the file.
    first
        Shape (n_episodes + 1,): where each episode begins.
    left_out
        Shape (n_rows,): how many steps are left out before the row at each place.
    """

    rows: IntArray | None
    first: IntArray
    left_out: IntArray

    def row(self, place: int) -> int:
        """Row at a place."""
        return place if self.rows is None else int(self.rows[place])

    def placed(self, values: np.ndarray) -> np.ndarray:
        """Values of rows in order."""
        return values if self.rows is None else values[self.rows]

    def rows_at(self, places: IntArray) -> IntArray:
        """Rows at some places."""
        return places if self.rows is None else self.rows[places]


def order_of(episode: Int32Array, steps: IntArray | None, places: Places) -> Order:
    """Order rows by the code of their episode, which is never NONE, and their step."""
    first = np.concatenate([[0], np.cumsum(np.bincount(episode))])
    none = np.zeros(len(episode), dtype=np.int64)
    if steps is None:
        _check_together(episode, places)
        return Order(None, first, none)
    rows: IntArray | None = None
    same, rising = episode[1:] == episode[:-1], steps[1:] > steps[:-1]
    if not np.all((episode[1:] > episode[:-1]) | (same & rising)):
        rows = np.lexsort((steps, episode))
        episode, steps = episode[rows], steps[rows]
        same = episode[1:] == episode[:-1]
        for k in (np.flatnonzero(same & (steps[1:] == steps[:-1])) + 1)[: MAX_FINDINGS + 1]:
            message = f"step {steps[k]} occurs twice{places.in_episode(int(episode[k]))}"
            places.problems.add(places.line(int(rows[k])), message, "step")
    gaps = (steps[1:] - steps[:-1] - 1).astype(np.uint64)  # also right where the sum overflows
    none[1:] = np.where(same, np.minimum(gaps, LONGEST_GAP), 0)
    return Order(rows, first, none)


def _check_together(episode: Int32Array, places: Places) -> None:
    """Without steps, the rows of an episode must follow one another."""
    highest = np.maximum.accumulate(episode)
    back = (episode[1:] != episode[:-1]) & (episode[1:] < highest[1:])
    for row in (np.flatnonzero(back) + 1)[: MAX_FINDINGS + 1].tolist():
        message = (
            f"a row{places.in_episode(int(episode[row]))}, after another began: "
            f"a column {places.problems.columns.step!r} would settle their order"
        )
        places.problems.add(places.line(row), message, "episode")


def episodes_by_ends(flags: Mapping[str, NDArray[np.bool_]], n_rows: int) -> Int32Array:
    """Code of each row's episode, where it lasts until it terminated or was truncated."""
    ended = np.zeros(n_rows, dtype=bool)
    for flag in flags.values():
        ended |= flag
    return np.concatenate([[0], np.cumsum(ended)[:-1]]).astype(np.int32)


def ends_of(
    flags: Mapping[str, NDArray[np.bool_]], order: Order, places: Places
) -> IntArray | None:
    """How each episode ended; None where the table does not say.

    An episode that neither terminated nor was truncated stops with the log, outside of a terminal
    state as truncated ones do. Without a column `terminated`, those that were truncated were cut
    off in any state.
    """
    last = np.zeros(len(order.left_out), dtype=bool)
    last[order.first[1:] - 1] = True
    for role, flag in flags.items():
        early = np.flatnonzero(order.placed(flag) & ~last)
        places.report(order.rows_at(early), f"the episode has {role}, but goes on", role)
    terminated, truncated = (
        order.placed(flags[role])[last] if role in flags else None for role in FLAGS
    )
    if terminated is not None:
        return np.where(terminated, TERMINATED, TRUNCATED)
    return None if truncated is None or not truncated.all() else np.full(len(truncated), CUT)


def report_gaps(order: Order, steps: IntArray, episode: Int32Array, places: Places) -> None:
    """Warn of the first gap, and say how many there are."""
    gaps = np.flatnonzero(order.left_out)
    if not len(gaps):
        return
    row, before = order.row(int(gaps[0])), order.row(int(gaps[0]) - 1)
    more = f" and {len(gaps) - 1} more gaps" if len(gaps) > 1 else ""
    places.problems.doubt(
        f"step {steps[row]} follows step {steps[before]}{places.in_episode(int(episode[row]))}"
        f"{more}: taken as consecutive; if steps are missing, --gaps missing",
        "step",
    )


def filled(values: np.ndarray, order: Order, fill: float) -> np.ndarray:
    """Values in order, with another one for each step that is left out."""
    at = np.arange(len(values)) + np.cumsum(order.left_out)
    full = np.full(len(values) + int(order.left_out.sum()), fill, dtype=values.dtype)
    full[at] = values
    return full


def first_of_filled(order: Order) -> IntArray:
    """Where episodes begin once the steps left out are filled in."""
    return np.asarray(order.first + np.concatenate([[0], np.cumsum(order.left_out)])[order.first])
