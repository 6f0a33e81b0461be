"""Converts rows of a data file to `Episodes`: symbols to indices, rows by episode and step.

Rows come in batches in file order; errors are collected with their lines.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pomdptool.episodes import CUT, NONE, TERMINATED, Episodes
from pomdptool.errors import DataError, nearest
from pomdptool.formats.data.conventions import Conventions
from pomdptool.formats.data.report import DataReport
from pomdptool.formats.data.steps import (
    RowLines,
    RowOrder,
    episode_ends,
    sort_rows,
    split_at_ends,
    warn_of_gaps,
)
from pomdptool.formats.data.symbols import (
    canonical,
    is_whole,
    match_names,
    names_in_data,
    suspicious_symbols,
    unknown_symbol,
)
from pomdptool.formats.limits import MAX_FINDINGS, MAX_HINTS, MAX_STEPS
from pomdptool.model import Model
from pomdptool.sparse import FloatArray, Int32Array, IntArray

SYMBOL_KINDS = {
    "episode": "episode",
    "action": "action",
    "observation": "observation",
    "state": "state",
    "next_state": "state",
}
"""Columns of symbols, and the kind of symbol."""


@dataclass(frozen=True, eq=False, slots=True)
class RowBatch:
    """Consecutive rows of a data file.

    Attributes
    ----------
    n_rows
        Number of rows.
    line
        Line of the first row.
    lines
        Shape (n_rows,): line of each row; None if consecutive.
    symbols
        For each column of symbols: indices, shape (n_rows,), into a list of texts; NONE if empty.
    flags
        For each column of `END_FLAGS`, shape (n_rows,).
    steps
        Shape (n_rows,): the column `step`.
    rewards
        Shape (n_rows,): the column `reward`, NaN if empty.
    """

    n_rows: int
    line: int
    lines: IntArray | None
    symbols: dict[str, tuple[Int32Array, list[str]]]
    flags: dict[str, NDArray[np.bool_]]
    steps: IntArray | None
    rewards: FloatArray | None


class EpisodeBuilder:
    """Collects batches of rows and builds episodes."""

    def __init__(self, report: DataReport, conventions: Conventions) -> None:
        self.report = report
        self.conventions = conventions
        self.n_rows = 0
        self._lines = RowLines(report)
        self._symbols: dict[str, dict[str, int]] = {kind: {} for kind in SYMBOL_KINDS.values()}
        self._codes: dict[str, list[Int32Array]] = {}
        self._flags: dict[str, list[NDArray[np.bool_]]] = {}
        self._steps: list[IntArray] = []
        self._rewards: list[FloatArray] = []

    def add(self, batch: RowBatch) -> None:
        """Add rows.

        Raises DataError if there are too many.
        """
        self._lines.add(self.n_rows, batch.line, batch.lines)
        self.n_rows += batch.n_rows
        if self.n_rows > MAX_STEPS:
            raise DataError(f"{self.report.file}: more than {MAX_STEPS} rows")
        for role, (codes, texts) in batch.symbols.items():
            known = self._symbols[SYMBOL_KINDS[role]]
            missing = self.conventions.missing if role != "episode" else frozenset()
            to_known = [
                known.setdefault(text, len(known))
                if text and not (missing and {text, canonical(text)} & missing)
                else NONE
                for text in texts
            ]
            recode = np.array([*to_known, NONE], dtype=np.int32)
            self._codes.setdefault(role, []).append(recode[codes])
        for role, flag in batch.flags.items():
            self._flags.setdefault(role, []).append(flag)
        if batch.steps is not None:
            self._steps.append(batch.steps)
        if batch.rewards is not None:
            self._rewards.append(batch.rewards)

    def episodes(self, like: Model | None) -> Episodes:
        """Build episodes from all rows; symbols are looked up in the model `like`.

        Raises DataError if there are no rows, or errors in them.
        """
        self.report.raise_errors()
        if not self.n_rows:
            raise DataError(f"{self.report.file}: there are no rows after the header")
        flags = {role: np.concatenate(parts) for role, parts in self._flags.items()}
        order = self._order(flags)
        ends = self._ends(flags, order)
        has_actions = "action" in self._codes
        action_names, actions = self._named("action", like.actions if like else None, order)
        names, observations = self._named("observation", like.observations if like else None, order)
        state_names, states = self._named("state", like.states if like else None, order)
        _, next_states = self._named("next_state", like.states if like else None, order)
        if actions is None:
            action_names = self._only_action(like.actions if like else self.conventions.actions)
            actions = np.zeros(self.n_rows, dtype=np.int64)
        rewards = order.sort(np.concatenate(self._rewards)) if self._rewards else None
        assert observations is not None
        self.report.raise_errors()
        self._check_missing(actions, rewards, order)
        self.report.raise_errors()
        episodes = Episodes(
            action_names=action_names or ("0",),
            observation_names=names,
            actions=actions,
            observations=observations,
            first=order.first,
            rewards=rewards,
            states=states,
            next_states=next_states,
            state_names=state_names,
            numbers=self._numbers(),
            ends=ends,
        )
        self._warn_of_unknown_ends(episodes, like, has_actions=has_actions)
        return self._filled(episodes, order) if self.conventions.gaps == "missing" else episodes

    def _only_action(self, names: tuple[str, ...] | None) -> tuple[str, ...]:
        if names is not None and len(names) > 1:
            name = self.report.columns.action
            raise DataError(
                f"{self.report.file}: there is no column {name!r}, and the model has "
                f"{len(names)} actions{nearest(name, self.report.unused)}"
            )
        return names or ("0",)

    def _order(self, flags: dict[str, NDArray[np.bool_]]) -> RowOrder:
        steps = np.concatenate(self._steps) if self._steps else None
        parts = self._codes.pop("episode", None)
        if parts is not None:
            episode = np.concatenate(parts)
            self._lines.episodes = list(self._symbols["episode"])
        else:
            episode = split_at_ends(flags, self.n_rows)
        empty = np.flatnonzero(episode == NONE)
        self._lines.error(empty, "the episode is missing", "episode")
        self.report.raise_errors()
        order = sort_rows(episode, steps, self._lines)
        if steps is not None and self.conventions.gaps != "missing":
            warn_of_gaps(order, steps, episode, self._lines)
        return order

    def _ends(self, flags: dict[str, NDArray[np.bool_]], order: RowOrder) -> IntArray | None:
        ends = episode_ends(flags, order, self._lines)
        chosen = {"cut": CUT, "absorbing": TERMINATED}.get(self.conventions.ends or "")
        return ends if chosen is None else np.full(len(order.first) - 1, chosen)

    def _warn_of_unknown_ends(
        self, episodes: Episodes, like: Model | None, *, has_actions: bool
    ) -> None:
        """Warn if the ends of episodes are unknown and matter."""
        only_observations = not has_actions and episodes.rewards is None
        no_terminal_state = like is not None and not len(like.terminal_states)
        shortest, longest = int(episodes.lengths.min()), int(episodes.lengths.max())
        if episodes.ends is not None or only_observations or no_terminal_state:
            return
        if shortest < longest:
            self.report.warn(
                f"episodes have {shortest} to {longest} steps, and the data do not show how they "
                "ended: assumed cut off; use --ends absorbing if they ended in a terminal state, "
                "else --ends cut"
            )

    def _filled(self, episodes: Episodes, order: RowOrder) -> Episodes:
        """Insert skipped steps; possible only with a single action."""
        n = episodes.n_steps + int(order.skipped.sum())
        if n == episodes.n_steps:
            return episodes
        if len(episodes.action_names) > 1:
            row = order.row(int(np.flatnonzero(order.skipped)[0]))
            message = "steps before this one are missing: their observations can be marginalised "
            message += "out, their actions cannot"
            self.report.error(self._lines.line(row), message, "step")
            self.report.raise_errors()
        if n > MAX_STEPS:
            raise DataError(f"{self.report.file}: more than {MAX_STEPS} steps with missing ones")
        fills = {"actions": 0, "observations": NONE, "rewards": np.nan}
        fills |= {"states": NONE, "next_states": NONE}
        columns = {name: getattr(episodes, name) for name in fills}
        filled: dict[str, Any] = {
            name: order.fill(values, fills[name])
            for name, values in columns.items()
            if values is not None
        }
        return replace(episodes, first=order.first_filled(), **filled)

    def _named(
        self, role: str, names: tuple[str, ...] | None, order: RowOrder
    ) -> tuple[tuple[str, ...], IntArray | None]:
        """Names of a kind of symbol, and the indices in a column, if present."""
        kind = SYMBOL_KINDS[role]
        texts = list(self._symbols[kind])
        parts = self._codes.pop(role, None)
        alphabet = self.conventions.alphabet(role)
        if names is None and alphabet is None:
            names, to_index = names_in_data(texts)
            for warning in suspicious_symbols(texts) if parts is not None else ():
                self.report.warn(warning, role)
        else:
            names, to_index = match_names(texts, names, alphabet, kind)
        if parts is None:
            return names if texts else (), None
        codes = np.concatenate(parts)
        self._report_unknown(codes, to_index, texts, alphabet or names, role)
        indices = np.array([*to_index, NONE], dtype=np.int64)[codes]
        if kind == "observation" and not texts:
            raise DataError(f"{self.report.file}: every observation is empty")
        return names, order.sort(indices)

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
        messages: dict[int, str] = {}
        for row in rows:
            code = int(codes[row])
            if code not in messages:
                hint = len(messages) < MAX_HINTS
                messages[code] = unknown_symbol(texts[code], names, SYMBOL_KINDS[role], hint=hint)
            self.report.error(self._lines.line(row), messages[code], role)

    def _check_missing(
        self, actions: IntArray, rewards: FloatArray | None, order: RowOrder
    ) -> None:
        """Only an episode's first row may have no action, and then no reward."""
        without = actions == NONE
        later = without.copy()
        later[order.first[:-1]] = False
        message = "an action is missing (only an episode's first row may have none)"
        self._lines.error(order.rows_at(np.flatnonzero(later)), message, "action")
        if rewards is not None:
            rows = np.flatnonzero(np.isnan(rewards) & ~without)
            message = "a reward is missing (empty or NaN)"
            self._lines.error(order.rows_at(rows), message, "reward")

    def _numbers(self) -> IntArray | None:
        names = list(self._symbols["episode"])
        if not names or not all(map(is_whole, names)):
            return None
        return np.array([int(canonical(name)) for name in names], dtype=np.int64)
