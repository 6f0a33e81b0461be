"""Writes a model as compact .pomdp text; every float reads back bit for bit.

Wildcards and keywords are used wherever they shorten the text. Rewards are written from general to
specific: a value for all, then the exceptions by action, state, next state and observation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from pomdptool.formats.pomdp.names import are_numbered
from pomdptool.model import Model
from pomdptool.sparse import FloatArray, SparseRows

MATRIX_STATES = 12
"""Largest number of states for which a matrix is written in full, for readability."""


def write_pomdp(model: Model, header: str = "") -> str:
    """Text of a model with valid names (see `names.valid_names`); `header` becomes comments."""
    lines = [f"# {line}".rstrip() for line in header.splitlines()]
    if lines:
        lines.append("")
    lines += [
        f"discount: {_number(model.discount)}",
        f"values: {'cost' if model.costs else 'reward'}",
        f"states: {_names(model.states)}",
        f"actions: {_names(model.actions)}",
    ]
    if not model.mdp:
        lines.append(f"observations: {_names(model.observations)}")
    lines += ["", *_start(model), ""]
    lines += _table("T", model.sparse_T, model)
    if not model.mdp:
        lines += ["", *_table("O", model.sparse_Z, model)]
    rewards = list(_rewards(model))
    return "\n".join([*lines, "", *rewards, ""])


def _names(names: tuple[str, ...]) -> str:
    return str(len(names)) if are_numbered(names) else " ".join(names)


def _number(x: float) -> str:
    """Shortest text that reads back as the same float; whole numbers without decimal point."""
    text = repr(float(x))
    return text[:-2] if text.endswith(".0") else text


def _row(values: Sequence[float]) -> str:
    return " ".join(map(_number, values))


def _start(model: Model) -> list[str]:
    start = model.start
    (support,) = np.nonzero(start)
    uniform = np.full(len(support), 1.0 / len(support))
    if np.array_equal(start[support], uniform):
        if len(support) == len(start):
            return ["start: uniform"]
        return [f"start include: {' '.join(model.states[s] for s in support)}"]
    return [f"start: {_row(start.tolist())}"]


# ---------------------------------------------------------------- T and O


def _table(letter: str, table: SparseRows, model: Model) -> list[str]:
    """Rows that all actions share are written with `*`, the others action by action."""
    A, S = model.n_actions, model.n_states
    columns = model.states if letter == "T" else model.observations
    rows = [_slice(table, a * S, (a + 1) * S) for a in range(A)]
    if all(row.equals(rows[0]) for row in rows[1:]):
        return _matrix(letter, "*", rows[0], model.states, columns)
    lines: list[str] = []
    shared = _shared_rows(rows)
    if shared.any() and S > MATRIX_STATES:
        lines += _entries(letter, "*", rows[0], model.states, columns, np.flatnonzero(shared))
        others = np.flatnonzero(~shared)
        for action, row in zip(model.actions, rows, strict=True):
            lines += _entries(letter, action, row, model.states, columns, others)
        return lines
    for action, row in zip(model.actions, rows, strict=True):
        lines += _matrix(letter, action, row, model.states, columns)
    return lines


def _slice(table: SparseRows, first: int, last: int) -> SparseRows:
    begin, end = table.indptr[first], table.indptr[last]
    indptr = table.indptr[first : last + 1] - begin
    return SparseRows(table.n_columns, indptr, table.indices[begin:end], table.data[begin:end])


def _shared_rows(rows: list[SparseRows]) -> np.ndarray:
    """Mask of the states with the same row for every action."""
    first = rows[0]
    count = np.diff(first.indptr)
    shared = np.ones(first.n_rows, dtype=bool)
    for other in rows[1:]:
        shared &= np.diff(other.indptr) == count
    for other in rows[1:]:
        at = np.repeat(shared, count)
        there = np.repeat(shared, np.diff(other.indptr))
        differ = (first.indices[at] != other.indices[there]) | (first.data[at] != other.data[there])
        shared[first.row_of_entry()[at][differ]] = False
    return shared


def _matrix(
    letter: str, action: str, rows: SparseRows, states: tuple[str, ...], columns: tuple[str, ...]
) -> list[str]:
    n = rows.n_columns
    if rows.nonzeros == rows.n_rows * n and (rows.data == 1.0 / n).all():
        return [f"{letter}: {action}", "uniform"]
    diagonal = np.array_equal(rows.indices, np.arange(n)) and rows.n_rows == n
    if letter == "T" and diagonal and rows.nonzeros == n and (rows.data == 1.0).all():
        return [f"{letter}: {action}", "identity"]
    if rows.n_rows <= MATRIX_STATES and n <= 2 * MATRIX_STATES:
        dense = np.zeros((rows.n_rows, n))
        dense[rows.row_of_entry(), rows.indices] = rows.data
        return [f"{letter}: {action}", *map(_row, dense.tolist())]
    if _constant(rows):
        return _entries(letter, action, _slice(rows, 0, 1), ("*",), columns, np.arange(1))
    return _entries(letter, action, rows, states, columns, np.arange(rows.n_rows))


def _constant(rows: SparseRows) -> bool:
    """Whether all rows are equal."""
    width = int(rows.indptr[1])
    return bool(
        (np.diff(rows.indptr) == width).all()
        and (rows.indices.reshape(-1, width) == rows.indices[:width]).all()
        and (rows.data.reshape(-1, width) == rows.data[:width]).all()
    )


def _entries(
    letter: str,
    action: str,
    rows: SparseRows,
    states: tuple[str, ...],
    columns: tuple[str, ...],
    chosen: np.ndarray,
) -> list[str]:
    """Write the `chosen` rows entry by entry, uniform rows by the keyword."""
    lines = []
    n = rows.n_columns
    indices, data = rows.indices.tolist(), rows.data.tolist()
    for s in chosen.tolist():
        begin, end = int(rows.indptr[s]), int(rows.indptr[s + 1])
        if end - begin == n > 2 and all(p == 1.0 / n for p in data[begin:end]):
            lines.append(f"{letter}: {action} : {states[s]} uniform")
            continue
        lines += [
            f"{letter}: {action} : {states[s]} : {columns[indices[k]]} {_number(data[k])}"
            for k in range(begin, end)
        ]
    return lines


# ---------------------------------------------------------------- R


def _rewards(model: Model) -> Iterator[str]:
    sign = -1.0 if model.costs else 1.0
    table = model.rewards.table
    if table is None:
        yield from _rewards_on_support(model, sign)
        return
    axes = (model.actions, model.states, model.states, model.observations)
    n_axes = 3 if model.mdp else 4
    yield from _reward_lines(sign * table + 0.0, 0, ["*"] * n_axes, axes, None)


def _reward_lines(
    table: FloatArray,
    axis: int,
    named: list[str],
    axes: tuple[tuple[str, ...], ...],
    inherited: float | None,
) -> Iterator[str]:
    """Write the rewards with the first axes fixed (`named`).

    `inherited` is the value that an enclosing line sets; None for the outermost line.
    """
    values, counts = np.unique(table, return_counts=True)
    if inherited is not None and len(values) == 1 and values[0] == inherited:
        return
    common = float(values[np.argmax(counts)])
    if inherited is None or (common != inherited and counts.max() > 1):
        yield _reward_line(named, common)
        inherited = common
    if len(values) == 1 and values[0] == inherited:
        return
    if table.size == 1:
        yield _reward_line(named, float(table.flat[0]))
        return
    while table.shape[0] == 1:
        table, axis = table[0], axis + 1
    if table.size == table.shape[0]:
        flat = table.ravel()
        for i in np.flatnonzero(flat != inherited).tolist():
            yield _reward_line(_fix(named, axis, axes[axis][i]), float(flat[i]))
        return
    for i in range(table.shape[0]):
        yield from _reward_lines(
            table[i], axis + 1, _fix(named, axis, axes[axis][i]), axes, inherited
        )


def _fix(named: list[str], axis: int, name: str) -> list[str]:
    return [*named[:axis], name, *named[axis + 1 :]]


def _reward_line(named: list[str], value: float) -> str:
    return f"R: {' : '.join(named)} {_number(value)}"


def _rewards_on_support(model: Model, sign: float) -> Iterator[str]:
    values = sign * model.rewards.stored + 0.0
    distinct, counts = np.unique(values, return_counts=True)
    common = float(distinct[np.argmax(counts)])
    yield _reward_line(["*"] * (3 if model.mdp else 4), common)
    differ = np.flatnonzero(values != common)
    indices = model.rewards.steps(model.sparse_T, model.sparse_Z)[differ].indices
    axes = [model.actions, model.states, model.states]
    if model.rewards.by_observation:
        axes.append(model.observations)
    names = [[axis[i] for i in index.tolist()] for axis, index in zip(axes, indices, strict=False)]
    if len(names) == 3 and not model.mdp:
        names.append(["*"] * len(differ))
    for *named, value in zip(*names, values[differ].tolist(), strict=True):
        yield _reward_line(named, value)
