"""From the rows of a table to `Episodes`: symbols to indices, rows to their episodes and steps.

Rows come in batches, in the order of the file; what is wrong with them is collected with the line
of the file that it stands on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pomdptool.episodes import CUT, NONE, TERMINATED, Episodes
from pomdptool.errors import DataError, nearest
from pomdptool.formats.data.conventions import Conventions
from pomdptool.formats.data.report import Problems
from pomdptool.formats.data.steps import (
    Order,
    Places,
    ends_of,
    episodes_by_ends,
    filled,
    first_of_filled,
    order_of,
    report_gaps,
)
from pomdptool.formats.data.symbols import doubts, is_whole, named_by, own_names, plain, unknown
from pomdptool.formats.limits import MAX_FINDINGS, MAX_HINTS, MAX_STEPS
from pomdptool.model import Model
from pomdptool.sparse import FloatArray, Int32Array, IntArray

AXES = {
    "episode": "episode",
    "action": "action",
    "observation": "observation",
    "state": "state",
    "next_state": "state",
}
"""Columns of symbols, and what their symbols name."""


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
    flags
        For each column of `FLAGS` that is there, shape (n_rows,).
    steps
        Shape (n_rows,): the column `step`.
    rewards
        Shape (n_rows,): the column `reward`, NaN where empty.
    """

    n_rows: int
    line: int
    lines: IntArray | None
    symbols: dict[str, tuple[Int32Array, list[str]]]
    flags: dict[str, NDArray[np.bool_]]
    steps: IntArray | None
    rewards: FloatArray | None


class Gather:
    """Collects batches, and makes episodes of them."""

    def __init__(self, problems: Problems, conventions: Conventions) -> None:
        self.problems = problems
        self.conventions = conventions
        self.n_rows = 0
        self._places = Places(problems)
        self._symbols: dict[str, dict[str, int]] = {axis: {} for axis in AXES.values()}
        self._codes: dict[str, list[Int32Array]] = {}
        self._flags: dict[str, list[NDArray[np.bool_]]] = {}
        self._steps: list[IntArray] = []
        self._rewards: list[FloatArray] = []

    def add(self, batch: Batch) -> None:
        """Add rows.

        Raises
        ------
        DataError
            If they become too many.
        """
        self._places.add(self.n_rows, batch.line, batch.lines)
        self.n_rows += batch.n_rows
        if self.n_rows > MAX_STEPS:
            raise DataError(f"{self.problems.file}: more than {MAX_STEPS} rows")
        for role, (codes, texts) in batch.symbols.items():
            known = self._symbols[AXES[role]]
            missing = self.conventions.missing if role != "episode" else frozenset()
            there = [text and not (missing and {text, plain(text)} & missing) for text in texts]
            to_known = [
                known.setdefault(text, len(known)) if some else NONE
                for text, some in zip(texts, there, strict=True)
            ]
            table = np.array([*to_known, NONE], dtype=np.int32)
            self._codes.setdefault(role, []).append(table[codes])
        for role, flag in batch.flags.items():
            self._flags.setdefault(role, []).append(flag)
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
        flags = {role: np.concatenate(parts) for role, parts in self._flags.items()}
        order = self._order(flags)
        ends = self._ends(flags, order)
        logged = "action" in self._codes
        action_names, actions = self._named("action", like.actions if like else None, order)
        names, observations = self._named("observation", like.observations if like else None, order)
        state_names, states = self._named("state", like.states if like else None, order)
        _, next_states = self._named("next_state", like.states if like else None, order)
        if actions is None:
            action_names = self._only_action(like.actions if like else self.conventions.actions)
            actions = np.zeros(self.n_rows, dtype=np.int64)
        rewards = order.placed(np.concatenate(self._rewards)) if self._rewards else None
        assert observations is not None
        self.problems.stop()
        self._check(actions, rewards, order)
        self.problems.stop()
        found = Episodes(
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
        self._doubt_ends(found, like, logged=logged)
        return self._filled(found, order) if self.conventions.gaps == "missing" else found

    def _only_action(self, names: tuple[str, ...] | None) -> tuple[str, ...]:
        if names is not None and len(names) > 1:
            name = self.problems.columns.action
            raise DataError(
                f"{self.problems.file}: there is no column {name!r}, and the model has "
                f"{len(names)} actions{nearest(name, self.problems.unused)}"
            )
        return names or ("0",)

    def _order(self, flags: dict[str, NDArray[np.bool_]]) -> Order:
        steps = np.concatenate(self._steps) if self._steps else None
        parts = self._codes.pop("episode", None)
        if parts is not None:
            episode = np.concatenate(parts)
            self._places.episodes = list(self._symbols["episode"])
        else:
            episode = episodes_by_ends(flags, self.n_rows)
        empty = np.flatnonzero(episode == NONE)
        self._places.report(empty, "a number or a name is missing", "episode")
        self.problems.stop()
        order = order_of(episode, steps, self._places)
        if steps is not None and self.conventions.gaps != "missing":
            report_gaps(order, steps, episode, self._places)
        return order

    def _ends(self, flags: dict[str, NDArray[np.bool_]], order: Order) -> IntArray | None:
        found = ends_of(flags, order, self._places)
        told = {"cut": CUT, "absorbing": TERMINATED}.get(self.conventions.ends or "")
        return found if told is None else np.full(len(order.first) - 1, told)

    def _doubt_ends(self, found: Episodes, like: Model | None, *, logged: bool) -> None:
        """Warn where nothing says how episodes ended, unless they are sequences of observations."""
        sequences = not logged and found.rewards is None
        endless = like is not None and not len(like.terminal_states)
        shortest, longest = int(found.lengths.min()), int(found.lengths.max())
        if found.ends is not None or sequences or endless or shortest == longest:
            return
        self.problems.doubt(
            f"episodes have {shortest} to {longest} steps, and nothing says how they ended: taken "
            "as cut off; if they ended in a terminal state, --ends absorbing, else --ends cut"
        )

    def _filled(self, found: Episodes, order: Order) -> Episodes:
        """Fill in steps that are left out, where it is known which action was done."""
        n = found.n_steps + int(order.left_out.sum())
        if n == found.n_steps:
            return found
        if len(found.action_names) > 1:
            row = order.row(int(np.flatnonzero(order.left_out)[0]))
            message = "steps before this one are missing, and with them their actions: observations"
            message += " can be summed over, actions cannot"
            self.problems.add(self._places.line(row), message, "step")
            self.problems.stop()
        if n > MAX_STEPS:
            raise DataError(f"{self.problems.file}: more than {MAX_STEPS} steps with those missing")
        return replace(
            found,
            actions=filled(found.actions, order, 0),
            observations=filled(found.observations, order, NONE),
            first=first_of_filled(order),
            rewards=None if found.rewards is None else filled(found.rewards, order, np.nan),
            states=None if found.states is None else filled(found.states, order, NONE),
            next_states=(
                None if found.next_states is None else filled(found.next_states, order, NONE)
            ),
        )

    def _named(
        self, role: str, names: tuple[str, ...] | None, order: Order
    ) -> tuple[tuple[str, ...], IntArray | None]:
        """Names, and the index of each row's symbol among them, where the column is there."""
        axis = AXES[role]
        texts = list(self._symbols[axis])
        parts = self._codes.pop(role, None)
        alphabet = self.conventions.alphabet(role)
        if names is None and alphabet is None:
            names, to_index = own_names(texts)
            for doubt in doubts(texts) if parts is not None else ():
                self.problems.doubt(doubt, role)
        else:
            names, to_index = named_by(texts, names, alphabet, axis)
        if parts is None:
            return names if texts else (), None
        codes = np.concatenate(parts)
        self._report_unknown(codes, to_index, texts, alphabet or names, role)
        indices = np.array([*to_index, NONE], dtype=np.int64)[codes]
        if axis == "observation" and not texts:
            raise DataError(f"{self.problems.file}: every observation is empty")
        return names, order.placed(indices)

    def _report_unknown(
        self,
        codes: Int32Array,
        to_index: list[int],
        texts: list[str],
        names: tuple[str, ...],
        role: str,
    ) -> None:
        strange = [code for code, index in enumerate(to_index) if index == NONE]
        if not strange:
            return
        rows = np.flatnonzero(np.isin(codes, strange))[: MAX_FINDINGS + 1].tolist()
        hints: dict[int, str] = {}
        for row in rows:
            code = int(codes[row])
            if code not in hints:
                hints[code] = unknown(texts[code], names, AXES[role], hint=len(hints) < MAX_HINTS)
            self.problems.add(self._places.line(row), hints[code], role)

    def _check(self, actions: IntArray, rewards: FloatArray | None, order: Order) -> None:
        """Only an episode's first row goes without an action, and then without a reward."""
        before = actions == NONE
        later = before.copy()
        later[order.first[:-1]] = False
        message = "an action is missing (only an episode's first row may have none)"
        self._places.report(order.rows_at(np.flatnonzero(later)), message, "action")
        if rewards is not None:
            rows = np.flatnonzero(np.isnan(rewards) & ~before)
            message = "a reward is missing (empty or NaN)"
            self._places.report(order.rows_at(rows), message, "reward")

    def _numbers(self) -> IntArray | None:
        names = list(self._symbols["episode"])
        if not names or not all(map(is_whole, names)):
            return None
        return np.array([int(plain(name)) for name in names], dtype=np.int64)
