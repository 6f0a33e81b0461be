"""Rows of a data file sorted by episode and step, with gaps and the ends of episodes."""

from __future__ import annotations

import bisect
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pomdptool.episodes import CUT, TERMINATED, TRUNCATED
from pomdptool.formats.data.report import DataReport
from pomdptool.formats.limits import MAX_FINDINGS
from pomdptool.sparse import Int32Array, IntArray

MAX_GAP = 1 << 31
"""Longest gap that is counted exactly; longer than a data file may be."""

END_FLAGS = ("terminated", "truncated")
"""Columns that show how an episode ended."""


@dataclass(slots=True)
class RowLines:
    """Line of each row in the file, and names of episodes by their codes, for error messages."""

    report: DataReport
    episodes: list[str] = field(default_factory=list)
    _batches: list[tuple[int, int, IntArray | None]] = field(default_factory=list)

    def add(self, first: int, line: int, lines: IntArray | None) -> None:
        """Add the lines of a batch, whose first row has the index `first` in the file."""
        self._batches.append((first, line, lines))

    def line(self, row: int) -> int:
        """Line of a row."""
        k = bisect.bisect_right(self._batches, row, key=lambda batch: batch[0]) - 1
        first, line, lines = self._batches[k]
        return line + row - first if lines is None else int(lines[row - first])

    def error(self, rows: IntArray, message: str, role: str) -> None:
        """Record the same error for several rows."""
        for row in rows[: MAX_FINDINGS + 1].tolist():
            self.report.error(self.line(row), message, role)

    def in_episode(self, code: int) -> str:
        """Name an episode, if it has a name."""
        return f" in episode {self.episodes[code]!r}" if self.episodes else ""


@dataclass(frozen=True, eq=False, slots=True)
class RowOrder:
    """Rows sorted by episode and step.

    Attributes
    ----------
    rows
        Shape (n_rows,): row at each sorted position; None: file order.
    first
        Shape (n_episodes + 1,): position at which each episode begins.
    skipped
        Shape (n_rows,): number of steps skipped before each position.
    """

    rows: IntArray | None
    first: IntArray
    skipped: IntArray

    def row(self, position: int) -> int:
        """Row at a position."""
        return position if self.rows is None else int(self.rows[position])

    def sort(self, values: np.ndarray) -> np.ndarray:
        """Sort values of rows."""
        return values if self.rows is None else values[self.rows]

    def rows_at(self, positions: IntArray) -> IntArray:
        """Rows at some positions."""
        return positions if self.rows is None else self.rows[positions]

    def fill(self, values: np.ndarray, missing: float) -> np.ndarray:
        """Insert a missing value into sorted values for each skipped step."""
        at = np.arange(len(values)) + np.cumsum(self.skipped)
        full = np.full(len(values) + int(self.skipped.sum()), missing, dtype=values.dtype)
        full[at] = values
        return full

    def first_filled(self) -> IntArray:
        """First step of each episode after filling."""
        return np.asarray(self.first + np.concatenate([[0], np.cumsum(self.skipped)])[self.first])


def sort_rows(episode: Int32Array, steps: IntArray | None, lines: RowLines) -> RowOrder:
    """Sort rows by the code of their episode, which is never NONE, and their step."""
    first = np.concatenate([[0], np.cumsum(np.bincount(episode))])
    skipped = np.zeros(len(episode), dtype=np.int64)
    if steps is None:
        _check_contiguous(episode, lines)
        return RowOrder(None, first, skipped)
    rows: IntArray | None = None
    same, rising = episode[1:] == episode[:-1], steps[1:] > steps[:-1]
    if not np.all((episode[1:] > episode[:-1]) | (same & rising)):
        rows = np.lexsort((steps, episode))
        episode, steps = episode[rows], steps[rows]
        same = episode[1:] == episode[:-1]
        for k in (np.flatnonzero(same & (steps[1:] == steps[:-1])) + 1)[: MAX_FINDINGS + 1]:
            message = f"step {steps[k]} occurs twice{lines.in_episode(int(episode[k]))}"
            lines.report.error(lines.line(int(rows[k])), message, "step")
    gaps = (steps[1:] - steps[:-1] - 1).astype(np.uint64)  # also right where the sum overflows
    skipped[1:] = np.where(same, np.minimum(gaps, MAX_GAP), 0)
    return RowOrder(rows, first, skipped)


def _check_contiguous(episode: Int32Array, lines: RowLines) -> None:
    """Without steps, the rows of an episode must be consecutive."""
    highest = np.maximum.accumulate(episode)
    back = (episode[1:] != episode[:-1]) & (episode[1:] < highest[1:])
    for row in (np.flatnonzero(back) + 1)[: MAX_FINDINGS + 1].tolist():
        message = (
            f"a row{lines.in_episode(int(episode[row]))} after another episode began: add a "
            f"column {lines.report.columns.step!r} to define the order"
        )
        lines.report.error(lines.line(row), message, "episode")


def split_at_ends(flags: Mapping[str, NDArray[np.bool_]], n_rows: int) -> Int32Array:
    """Code of each row's episode if episodes last until terminated or truncated."""
    ended = np.zeros(n_rows, dtype=bool)
    for flag in flags.values():
        ended |= flag
    return np.concatenate([[0], np.cumsum(ended)[:-1]]).astype(np.int32)


def episode_ends(
    flags: Mapping[str, NDArray[np.bool_]], order: RowOrder, lines: RowLines
) -> IntArray | None:
    """How each episode ended; None if the data do not show it.

    An episode that neither terminated nor was truncated is treated as truncated: its last state is
    not terminal. Without a column `terminated`, truncated episodes were cut off in any state.
    """
    last = np.zeros(len(order.skipped), dtype=bool)
    last[order.first[1:] - 1] = True
    for role, flag in flags.items():
        early = np.flatnonzero(order.sort(flag) & ~last)
        lines.error(order.rows_at(early), f"the episode is {role} here but continues", role)
    terminated, truncated = (
        order.sort(flags[role])[last] if role in flags else None for role in END_FLAGS
    )
    if terminated is not None:
        return np.where(terminated, TERMINATED, TRUNCATED)
    return None if truncated is None or not truncated.all() else np.full(len(truncated), CUT)


def warn_of_gaps(order: RowOrder, steps: IntArray, episode: Int32Array, lines: RowLines) -> None:
    """Warn of the first gap, with the number of others."""
    gaps = np.flatnonzero(order.skipped)
    if not len(gaps):
        return
    row, before = order.row(int(gaps[0])), order.row(int(gaps[0]) - 1)
    more = f" (and {len(gaps) - 1} more)" if len(gaps) > 1 else ""
    lines.report.warn(
        f"step {steps[row]} follows step {steps[before]}{lines.in_episode(int(episode[row]))}"
        f"{more}: treated as consecutive; use --gaps missing if steps are missing",
        "step",
    )
