"""Tables of a model for people: T and O of each action, and the expected rewards.

On a terminal with colours, cells are shaded by their value. Actions with equal tables share one.
Rows, columns and tables that do not fit are counted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TextIO

import numpy as np

from pomdptool.commands.terminal import plural, screen_size
from pomdptool.drawing.canvas import elided
from pomdptool.model import Model
from pomdptool.sparse import FloatArray, SparseRows

MAX_TABLES = 6
"""Maximum number of tables shown for T, and for O."""

MAX_NAMES = 4
"""Maximum number of actions named in a heading."""

NAME = 14
"""Maximum length of a name beside or above a table."""

POSITIVE, NEGATIVE = (68, 119, 170), (204, 102, 34)
"""Blue for the largest number, and orange for its opposite; colour-blind safe."""

Line = list[tuple[str, float]]
"""Parts of a line, each with its shading from -1 to 1; 0 is unshaded."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Maximum width in characters and numbers of rows and tables; None: unlimited."""

    width: int | None
    rows: int | None
    tables: int | None


@dataclass(frozen=True, slots=True)
class Table:
    """A matrix with names; `row(k)` is row k; a value of `scale` is shaded 1, its opposite -1."""

    heading: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    row: Callable[[int], FloatArray]
    scale: float = 1.0


def show_tables(model: Model, stream: TextIO, *, everything: bool) -> None:
    """Print T and O of each action and the expected rewards, by default cut to the screen."""
    size = screen_size(stream)
    limits = Limits(size.columns, max(size.lines - 4, 8), MAX_TABLES)
    if everything:
        limits = Limits(None, None, None)
    write = _writer(stream)
    for letter, rows, columns in (
        ("T", model.sparse_T, model.states),
        ("O", model.sparse_Z, model.observations),
    ):
        groups = _equal_actions(rows, model.n_states)
        for actions in groups[: limits.tables]:
            names = ", ".join(_elided(model.actions[a]) for a in actions[:MAX_NAMES])
            if len(actions) > MAX_NAMES:
                names += f" and {len(actions) - MAX_NAMES} more"
            heading = f"{letter}  {names if len(groups) > 1 else 'every action'}"
            row = _row_of(rows, actions[0] * model.n_states)
            for line in _lines(Table(heading, model.states, columns, row), limits):
                write(line)
        if hidden := model.n_actions - sum(map(len, groups[: limits.tables])):
            write([])
            write([(f"... {hidden} more actions (-v shows all)", 0.0)])
    r = (-1.0 if model.costs else 1.0) * model.expected_rewards.T + 0.0
    heading = "R  expected cost" if model.costs else "R  expected reward"
    scale = float(np.abs(r).max())
    for line in _lines(Table(heading, model.states, model.actions, r.__getitem__, scale), limits):
        write(line)


def _equal_actions(table: SparseRows, n_states: int) -> list[list[int]]:
    """Groups of actions with equal rows."""
    groups: dict[tuple[bytes, ...], list[int]] = {}
    for a in range(table.n_rows // n_states):
        begins = table.indptr[a * n_states : (a + 1) * n_states + 1]
        part = slice(int(begins[0]), int(begins[-1]))
        key = (np.diff(begins).tobytes(), table.indices[part].tobytes(), table.data[part].tobytes())
        groups.setdefault(key, []).append(a)
    return list(groups.values())


def _row_of(table: SparseRows, first: int) -> Callable[[int], FloatArray]:
    """A function that returns a dense row, counted from the first."""

    def row(s: int) -> FloatArray:
        part = slice(int(table.indptr[first + s]), int(table.indptr[first + s + 1]))
        dense = np.zeros(table.n_columns)
        dense[table.indices[part]] = table.data[part]
        return dense

    return row


def _lines(table: Table, limits: Limits) -> Iterator[Line]:
    """Lines of a table: heading, column names, rows, and the numbers of hidden rows and columns."""
    names = [_elided(name) for name in table.rows[: limits.rows]]
    label = max(map(len, names))
    max_columns = None if limits.width is None else max(limits.width // 3, 1)
    rows = [table.row(k)[:max_columns] for k in range(len(names))]
    titles = [_elided(name) for name in table.columns[:max_columns]]
    cells = [["." if x == 0.0 else f"{x:.3g}" for x in row.tolist()] for row in rows]
    widths = [
        max(len(title), *(len(row[k]) for row in cells)) + 2 for k, title in enumerate(titles)
    ]
    if limits.width is not None:
        fitting = label + np.cumsum(widths) <= limits.width
        widths = widths[: max(int(fitting.sum()), 1)]
    yield []
    yield [(table.heading, 0.0)]
    yield [(" " * label, 0.0), *((f"{t:>{w}}", 0.0) for t, w in zip(titles, widths, strict=False))]
    for name, row, texts in zip(names, rows, cells, strict=True):
        shades = (row / table.scale if table.scale > 0.0 else 0.0 * row).tolist()
        parts = zip(texts, widths, shades, strict=False)
        yield [(f"{name:<{label}}", 0.0), *((f"{text:>{w}}", x) for text, w, x in parts)]
    hidden = {"row": len(table.rows) - len(names), "column": len(table.columns) - len(widths)}
    more = ", ".join(plural(n, f"more {noun}") for noun, n in hidden.items() if n)
    if more:
        hint = f"... {more} (-v shows all)"
        fits = limits.width is None or len(hint) <= limits.width
        yield [(hint if fits else f"... {more}", 0.0)]


def _elided(name: str) -> str:
    return elided(name, NAME, "..")


def _writer(stream: TextIO) -> Callable[[Line], None]:
    """A function that writes a line, shaded on a terminal with colours."""

    def plain(line: Line) -> None:
        stream.write("".join(text for text, _ in line).rstrip() + "\n")

    if not stream.isatty():
        return plain
    from rich.console import Console  # slow to import
    from rich.text import Text

    console = Console(file=stream)
    if console.color_system is None or console.no_color:
        return plain

    def shaded(line: Line) -> None:
        styled = Text()
        for text, strength in line:
            styled.append(text, _style(strength) if strength else "")
        console.print(styled, soft_wrap=True)

    return shaded


def _style(strength: float) -> str:
    """Style of a cell: from white to a colour for its sign, and a legible text colour.

    Small numbers beside a large one are shaded by the square root, so that their sign is seen.
    """
    depth = math.sqrt(abs(strength))
    shade = POSITIVE if strength > 0.0 else NEGATIVE
    r, g, b = (round(255 - depth * (255 - part)) for part in shade)
    return f"{'white' if depth > 0.75 else 'black'} on #{r:02x}{g:02x}{b:02x}"
