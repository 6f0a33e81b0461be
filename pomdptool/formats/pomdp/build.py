"""Builds the Model from the statements of a .pomdp file, and checks sizes and row sums.

Single entries of T, O and R come in bulk (see `bulk_entries`); rows and matrices, as in
`T: a : s` or `O: a`, are read here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from pomdptool.distributions import SUM_TOLERANCE
from pomdptool.formats.findings import Findings
from pomdptool.formats.limits import MAX_ENTRIES, MAX_FINDINGS, MAX_ROWS
from pomdptool.formats.pomdp.axes import Axes, Axis
from pomdptool.formats.pomdp.bulk_entries import STRAY_COLON, EntryColumns, entry_offsets, read_bulk
from pomdptool.formats.pomdp.preamble import Preamble, read_preamble, read_start
from pomdptool.formats.pomdp.probability_tables import ProbabilityTable, RowContent, TableSizeError
from pomdptool.formats.pomdp.reward_rules import RewardRules
from pomdptool.formats.pomdp.syntax import BulkEntries, StartBelief, Statement, TableStatement, Word
from pomdptool.formats.pomdp.tokens import offset_of_number, read_numbers, wrong_row
from pomdptool.model import Model, make_model
from pomdptool.sparse import FloatArray, IntArray, SparseRows


def build(statements: Sequence[Statement], findings: Findings) -> Model | None:
    """Build the model; None after an error.

    The row sums of a table are not checked if one of its statements was invalid.
    """
    failed = set("TO") if findings.errors else set()
    preamble = read_preamble(statements, findings)
    if preamble.states is None or preamble.actions is None or not preamble.form_known:
        return None
    S, A = len(preamble.states), len(preamble.actions)
    if S * A > MAX_ROWS:
        message = f"{A} actions x {S} states are more than {MAX_ROWS}"
        findings.error("PT010", preamble.actions_at, message)
        return None
    start = next((s for s in statements if isinstance(s, StartBelief)), None)
    builder = _Builder(preamble, preamble.states, preamble.actions, findings, failed)
    return builder.build(statements, start)


@dataclass(slots=True)
class _Builder:
    preamble: Preamble
    states: Axis
    actions: Axis
    findings: Findings
    failed: set[str]
    axes: Axes = field(init=False)
    tables: dict[str, ProbabilityTable] = field(init=False)
    rules: RewardRules = field(init=False)
    start: FloatArray | None = None
    stamps: list[int] = field(default_factory=list)
    stamped: list[BulkEntries | TableStatement] = field(default_factory=list)
    bulk_offsets: dict[int, list[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        S, A, observations = self.states, self.actions, self.preamble.observations
        self.axes = {"T": (A, S, S), "R": (A, S, S)}
        self.tables = {"T": ProbabilityTable(len(A), len(S), len(S))}
        if observations is not None:
            self.axes |= {"O": (A, S, observations), "R": (A, S, S, observations)}
            self.tables["O"] = ProbabilityTable(len(A), len(S), len(observations))
        n_observations = len(observations) if observations else 1
        self.rules = RewardRules((len(A), len(S), len(S), n_observations))

    def build(self, statements: Sequence[Statement], start: StartBelief | None) -> Model | None:
        self.start = read_start(start, self.states, self.findings)
        next_stamp = 0
        for statement in statements:
            if self.findings.full:
                return None
            if isinstance(statement, (BulkEntries, TableStatement)):
                self.stamps.append(next_stamp)
                self.stamped.append(statement)
                try:
                    next_stamp += self._apply(statement, next_stamp)
                except TableSizeError as error:
                    self._report_too_many(error)
                    return None
        return self._finish()

    def _apply(self, statement: BulkEntries | TableStatement, stamp: int) -> int:
        """Apply a statement; return the number of stamps that it uses."""
        if isinstance(statement, TableStatement):
            before = self.findings.errors
            self._set(statement, stamp)
            if self.findings.errors > before:
                self.failed.add(statement.table)
            return 1
        entries = read_bulk(statement, self.axes, self.findings)
        self.failed |= entries.failed
        for part in entries.columns:
            if part.table == "R":
                self.rules.add(part, stamp)
            else:
                self.tables[part.table].set_entries(part, stamp)
        return entries.count

    def _set(self, statement: TableStatement, stamp: int) -> None:
        axes = self.axes.get(statement.table)
        if axes is None:
            message = f"{statement.table} needs `observations:` in the preamble"
            self.findings.error("PT008", statement.at, message)
            return
        if not self._fits(statement, axes):
            return
        refs = []
        for axis, ref in zip(axes, statement.refs, strict=False):
            if (index := axis.lookup(ref.text, ref.at, self.findings)) is not None:
                refs.append(index)
        if len(refs) < len(statement.refs):
            return
        if statement.colon:
            self.findings.dialect("PT107", statement.colon.at, STRAY_COLON)
        if statement.table == "R":
            self._set_reward(statement, axes, refs, stamp)
        else:
            self._set_probability(statement, axes, refs, stamp)

    def _fits(self, statement: TableStatement, axes: tuple[Axis, ...]) -> bool:
        """Whether R has a form that this file allows (POMDP or MDP)."""
        if statement.table != "R":
            return True
        n = len(statement.refs)
        if statement.colon and n < len(axes):
            word = statement.value.text.split()[0][:40]
            message = f"expected an observation and a number, found {word!r}"
            if statement.value.kind == "LAST":
                message = f"expected a number after the observation {word!r}"
            self.findings.error("PT001", statement.value.at, message)
            return False
        if n > len(axes):
            message = "without `observations:` R takes an action and two states, then a number"
        elif n == 1 and len(axes) == 4:
            message = "R needs at least an action and a state: expected `:`"
        else:
            return True
        self.findings.error("PT012", statement.at, message)
        return False

    def _set_probability(
        self, statement: TableStatement, axes: tuple[Axis, ...], refs: list[int], stamp: int
    ) -> None:
        table, word = self.tables[statement.table], statement.value
        if word.kind == "NUMBERS":
            shape = tuple(len(axis) for axis in axes[len(refs) :])
            values = self._numbers(word, shape, signed=False)
            if values is None:
                return
            if len(refs) == 3:
                one = tuple(np.array([ref]) for ref in refs)
                entry = EntryColumns(statement.table, one, values.reshape(1), np.zeros(1, np.int64))
                table.set_entries(entry, stamp)
                return
            content = RowContent(values, by_state=len(refs) == 1)
        elif word.kind == "UNIFORM":
            content = RowContent(np.full(table.n_columns, 1.0 / table.n_columns))
        elif word.kind == "IDENTITY":
            content = RowContent(np.ones(1), diagonal=True)
        else:
            if self.start is None:
                self.failed.add("T")
                return
            (support,) = np.nonzero(self.start)
            content = RowContent(self.start[support], support)
        table.set_rows(refs[0], refs[1] if len(refs) > 1 else -1, content, stamp)

    def _set_reward(
        self, statement: TableStatement, axes: tuple[Axis, ...], refs: list[int], stamp: int
    ) -> None:
        open_axes = tuple(len(axis) for axis in axes[len(refs) :])
        values = self._numbers(statement.value, open_axes, signed=True)
        if values is None:
            return
        named = [np.full(values.size, ref) for ref in refs]
        grid = [index.ravel() for index in np.indices(open_axes)]
        order = np.zeros(values.size, dtype=np.int64)
        self.rules.add(EntryColumns("R", (*named, *grid), values.ravel(), order), stamp)

    def _numbers(self, word: Word, shape: tuple[int, ...], *, signed: bool) -> FloatArray | None:
        values = read_numbers(word, self.findings, signed=signed)
        if values is None:
            return None
        expected = int(np.prod(shape, dtype=np.int64))
        if len(values) != expected:
            size = " x ".join(map(str, shape)) + f" = {expected}" if len(shape) > 1 else expected
            message = f"expected {size} number{'s' * (expected != 1)}, found {len(values)}"
            row = wrong_row(word, shape[-1]) if len(shape) > 1 else None
            if row is not None:
                message += f": this row has {row[1]}, not {shape[-1]}"
            at = offset_of_number(word, expected) if row is None else row[0]
            self.findings.error("PT006", at, message)
            return None
        return values.reshape(shape)

    def _finish(self) -> Model | None:
        try:
            for table in self.tables.values():
                table.check_size()
        except TableSizeError as error:
            self._report_too_many(error)
            return None
        finished: dict[str, SparseRows] = {}
        for name, table in self.tables.items():
            finished[name] = table.finish()
            if name not in self.failed:
                self._check_sums(name, finished[name])
        if self.findings.errors or self.start is None:
            return None
        if not self.rules.rules:
            self.findings.dialect("PT109", 0, "no R: every reward is 0")
        T = finished["T"]
        sign = -1.0 if self.preamble.costs else 1.0
        observations = self.preamble.observations
        rewards = self.rules.finish(T, finished.get("O", T), sign)
        return make_model(
            T,
            finished.get("O"),
            rewards,
            discount=self.preamble.discount,
            start=self.start,
            states=self.states.names,
            actions=self.actions.names,
            observations=observations.names if observations else None,
            costs=self.preamble.costs,
            name=self.findings.source.stem,
        )

    def _report_too_many(self, error: TableSizeError) -> None:
        message = f"a table has {error.entries} entries; the limit is {MAX_ENTRIES}"
        self.findings.error("PT010", self._offset(error.stamp, None), message)

    def _offset(self, stamp: int, state: int | None) -> int:
        """Offset of the entry or statement with a stamp; in a matrix, of the row of a state."""
        k = int(np.searchsorted(self.stamps, stamp, side="right")) - 1
        statement = self.stamped[k]
        if isinstance(statement, BulkEntries):
            if statement.at not in self.bulk_offsets:
                self.bulk_offsets[statement.at] = entry_offsets(statement)
            return self.bulk_offsets[statement.at][stamp - self.stamps[k]]
        if statement.value.kind == "NUMBERS" and len(statement.refs) == 1 and state is not None:
            width = self.tables[statement.table].n_columns
            return offset_of_number(statement.value, state * width)
        return statement.at

    def _check_sums(self, name: str, rows: SparseRows) -> None:
        """Report rows that do not sum to 1, one error for each statement that set some of them."""
        sums = rows.row_sums()
        bad = np.flatnonzero(~(np.abs(sums - 1.0) <= SUM_TOLERANCE))
        if not len(bad):
            return
        last = self.tables[name].last_stamps()[bad]
        never = bad[last < 0]
        for action in np.flatnonzero(np.bincount(never // len(self.states))).tolist():
            self._report_never(name, never[never // len(self.states) == action])
        groups: dict[tuple[int, int | None], list[int]] = {}
        for row, stamp in zip(bad[last >= 0].tolist(), last[last >= 0].tolist(), strict=True):
            groups.setdefault(self._group(row, stamp), []).append(row)
            if len(groups) > MAX_FINDINGS:
                break
        for (stamp, _), members in groups.items():
            if self.findings.full:
                return
            self._report_sum(name, members, float(sums[members[0]]), stamp)

    def _group(self, row: int, stamp: int) -> tuple[int, int | None]:
        """Key of the rows that are reported together: their statement, or their matrix row."""
        state = row % len(self.states)
        k = int(np.searchsorted(self.stamps, stamp, side="right")) - 1
        statement = self.stamped[k]
        matrix = isinstance(statement, TableStatement) and len(statement.refs) == 1
        return stamp, state if matrix else None

    def _row_name(self, row: int) -> str:
        action, state = divmod(row, len(self.states))
        return f"action {self.actions.names[action]!r}, state {self.states.names[state]!r}"

    def _report_never(self, name: str, rows: IntArray) -> None:
        message = (
            f"{name}: the row of {self._row_name(int(rows[0]))} is never set: its sum is 0, not 1"
        )
        self.findings.error("PT007", self.preamble.actions_at, message + _and_more(len(rows) - 1))

    def _report_sum(self, name: str, rows: list[int], total: float, stamp: int) -> None:
        message = f"{name}: the row of {self._row_name(rows[0])} sums to {total:.7g}, not 1"
        at = self._offset(stamp, rows[0] % len(self.states))
        self.findings.error("PT007", at, message + _and_more(len(rows) - 1))


def _and_more(rows: int) -> str:
    return f" (and {rows} more row{'s' * (rows > 1)})" if rows else ""
