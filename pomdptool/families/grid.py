"""Grids drawn in text: their cells, and which cell lies next to which.

North is the top line. `#`, a space and everything beyond the drawing are wall; a line that begins
with `;` is a comment. Cells are numbered line by line, from the west.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pomdptool.errors import ModelError
from pomdptool.sparse import IntArray

WALL = "# "
COMMENT = ";"
HEADINGS = ("north", "east", "south", "west")
STEPS = ((-1, 0), (0, 1), (1, 0), (0, -1))
"""Row and column to add for a step north, east, south and west."""


@dataclass(frozen=True, eq=False, slots=True)
class Grid:
    """The cells of a map that are not wall.

    Attributes
    ----------
    marks
        The character that stands in each cell.
    x, y
        Each cell's column, counted from the west, and line, counted from the south; from 0.
    neighbours
        Shape (4, n_cells): where a step north, east, south and west leads; into a wall it leads
        back to the same cell.
    """

    marks: str
    x: IntArray
    y: IntArray
    neighbours: IntArray

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return len(self.marks)

    @property
    def walled(self) -> np.ndarray:
        """Whether a wall stands to the north, east, south and west; shape (4, n_cells)."""
        walled: np.ndarray = self.neighbours == np.arange(self.n_cells)
        return walled

    def names(self) -> list[str]:
        """Name every cell by its column and line: x0y0 is the south-west corner of the drawing."""
        return [f"x{x}y{y}" for x, y in zip(self.x, self.y, strict=True)]

    def marked(self, characters: str) -> np.ndarray:
        """Whether each cell bears one of the characters; shape (n_cells,)."""
        return np.array([mark in characters for mark in self.marks], dtype=bool)


def read_grid(text: str, known: str, check: Callable[[int], None] | None = None) -> Grid:
    """Read a drawing whose cells are marked with the `known` characters.

    Parameters
    ----------
    check
        Called with the number of cells, before they are listed: raises where these are too many.

    Raises
    ------
    ModelError
        If the drawing has no cell, or holds an unknown character (its line and column are named).
    """
    lines = text.splitlines()
    if check is not None:
        drawn = (line for line in lines if not line.startswith(COMMENT))
        check(sum(len(line) - sum(map(line.count, WALL)) for line in drawn))
    cells: dict[tuple[int, int], str] = {}
    for row, line in enumerate(lines):
        if not line.startswith(COMMENT):
            cells |= _cells_of_line(row, line, known)
    if not cells:
        raise ModelError("the map has no cell that is not wall")
    number = {place: i for i, place in enumerate(cells)}
    neighbours = [
        [number.get((row + down, column + right), i) for (row, column), i in number.items()]
        for down, right in STEPS
    ]
    rows, columns = np.array(list(cells)).T
    bottom = max(row for row, line in enumerate(lines) if line and not line.startswith(COMMENT))
    return Grid("".join(cells.values()), columns, bottom - rows, np.array(neighbours))


def _cells_of_line(row: int, line: str, known: str) -> dict[tuple[int, int], str]:
    cells = {}
    for column, mark in enumerate(line):
        if mark not in WALL:
            if mark not in known:
                raise ModelError(
                    f"the map, line {row + 1}, column {column + 1}: {mark!r} has no meaning here; "
                    f"cells are {' '.join(known)} and walls are # or a space"
                )
            cells[row, column] = mark
    return cells
