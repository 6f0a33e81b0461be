"""The tables of a model as people read them: T and O of each action, and the expected rewards.

On a terminal with colours cells are shaded, the darker the likelier; elsewhere it is plain text.
Actions with the same table share one. What does not fit is counted.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TextIO

import numpy as np

from pomdptool.drawing.canvas import elided
from pomdptool.model import Model
from pomdptool.sparse import FloatArray, SparseRows

MAX_TABLES = 6
"""Different tables of T, and of O, that are shown."""

MAX_NAMES = 4
"""Actions with the same table that are named."""

NAME = 14
"""Characters of a name beside or above a table."""

SHADE = (68, 119, 170)
"""Colour of the largest cell."""

Line = list[tuple[str, float]]
"""Parts of a line, and how much each is shaded: 0 to 1."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Columns of text, and rows and tables that are shown; None: all."""

    width: int | None
    rows: int | None
    tables: int | None


@dataclass(frozen=True, slots=True)
class Table:
    """A matrix with names; `row(k)` gives its row k, `low` and `high` are not and fully shaded."""

    heading: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    row: Callable[[int], FloatArray]
    low: float = 0.0
    high: float = 1.0


def show_tables(model: Model, stream: TextIO, *, everything: bool) -> None:
    """Print T and O of each action, and the expected rewards; all of them, or what fits."""
    size = shutil.get_terminal_size()
    limits = Limits(size.columns, max(size.lines - 4, 8), MAX_TABLES)
    if everything:
        limits = Limits(None, None, None)
    write = _writer(stream)
    for letter, rows, columns in (
        ("T", model.sparse_T, model.states),
        ("O", model.sparse_Z, model.observations),
    ):
        groups = _alike(rows, model.n_states)
        for actions in groups[: limits.tables]:
            whose = ", ".join(_shown(model.actions[a]) for a in actions[:MAX_NAMES])
            if len(actions) > MAX_NAMES:
                whose += f" and {len(actions) - MAX_NAMES} more"
            heading = f"{letter}  {whose if len(groups) > 1 else 'every action'}"
            row = _row_of(rows, actions[0] * model.n_states)
            for line in _lines(Table(heading, model.states, columns, row), limits):
                write(line)
        hidden = [a for group in groups for a in group]
        hidden = hidden[sum(map(len, groups[: limits.tables])) :]
        if hidden:
            write([])
            write([(f"... {len(hidden)} more actions (-v shows all)", 0.0)])
    r = (-1.0 if model.costs else 1.0) * model.expected_rewards.T + 0.0
    heading = "R  expected cost" if model.costs else "R  expected reward"
    ends = float(r.min()), float(r.max())
    for line in _lines(Table(heading, model.states, model.actions, r.__getitem__, *ends), limits):
        write(line)


def _alike(table: SparseRows, n_states: int) -> list[list[int]]:
    """Actions with the same rows, together."""
    groups: dict[tuple[bytes, ...], list[int]] = {}
    for a in range(table.n_rows // n_states):
        begins = table.indptr[a * n_states : (a + 1) * n_states + 1]
        part = slice(int(begins[0]), int(begins[-1]))
        key = (np.diff(begins).tobytes(), table.indices[part].tobytes(), table.data[part].tobytes())
        groups.setdefault(key, []).append(a)
    return list(groups.values())


def _row_of(table: SparseRows, first: int) -> Callable[[int], FloatArray]:
    """Rows from the first, dense, one at a time."""

    def row(s: int) -> FloatArray:
        part = slice(int(table.indptr[first + s]), int(table.indptr[first + s + 1]))
        dense = np.zeros(table.n_columns)
        dense[table.indices[part]] = table.data[part]
        return dense

    return row


def _lines(table: Table, limits: Limits) -> Iterator[Line]:
    """Lines of a table: its heading, names of columns, rows, and what is left out."""
    names = [_shown(name) for name in table.rows[: limits.rows]]
    label = max(map(len, names))
    most = None if limits.width is None else max(limits.width // 3, 1)
    rows = [table.row(k)[:most] for k in range(len(names))]
    titles = [_shown(name) for name in table.columns[:most]]
    cells = [["." if x == 0.0 else f"{x:.3g}" for x in row.tolist()] for row in rows]
    widths = [
        max(len(title), *(len(row[k]) for row in cells)) + 2 for k, title in enumerate(titles)
    ]
    if limits.width is not None:
        room = limits.width - label - np.cumsum(widths)
        widths = widths[: max(int((room >= 0).sum()), 1)]
    yield []
    yield [(table.heading, 0.0)]
    yield [(" " * label, 0.0), *((f"{t:>{w}}", 0.0) for t, w in zip(titles, widths, strict=False))]
    span = table.high - table.low
    for name, row, texts in zip(names, rows, cells, strict=True):
        shades = ((row - table.low) / span if span > 0.0 else 0.0 * row).tolist()
        parts = zip(texts, widths, shades, strict=False)
        yield [(f"{name:<{label}}", 0.0), *((f"{text:>{w}}", x) for text, w, x in parts)]
    left = {"rows": len(table.rows) - len(names), "columns": len(table.columns) - len(widths)}
    more = ", ".join(f"{n} more {what if n > 1 else what[:-1]}" for what, n in left.items() if n)
    if more:
        hint = f"... {more} (-v shows all)"
        fits = limits.width is None or len(hint) <= limits.width
        yield [(hint if fits else f"... {more}", 0.0)]


def _shown(name: str) -> str:
    return elided(name, NAME, "..")


def _writer(stream: TextIO) -> Callable[[Line], None]:
    """How lines are written: shaded on a terminal with colours, else as they are."""

    def plain(line: Line) -> None:
        stream.write("".join(text for text, _ in line).rstrip() + "\n")

    if not stream.isatty():
        return plain
    from rich.console import Console  # only a terminal pays for it
    from rich.text import Text

    console = Console(file=stream)
    if console.color_system is None or console.no_color:
        return plain

    def shaded(line: Line) -> None:
        shown = Text()
        for text, strength in line:
            shown.append(text, _style(strength) if strength > 0.0 else "")
        console.print(shown, soft_wrap=True)

    return shaded


def _style(strength: float) -> str:
    """Style of a cell: from white to the shade, the text in what can be read on it."""
    r, g, b = (round(255 - strength * (255 - part)) for part in SHADE)
    return f"{'white' if strength > 0.55 else 'black'} on #{r:02x}{g:02x}{b:02x}"
