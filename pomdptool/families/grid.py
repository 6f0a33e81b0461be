"""Grid maps drawn as text: cells and their neighbours.

North is the top line. `#`, a space and everything outside the drawing are walls; a line that begins
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
"""Row and column offsets of a step north, east, south and west."""


@dataclass(frozen=True, eq=False, slots=True)
class Grid:
    """The free cells of a map.

    Attributes
    ----------
    marks
        Character of each cell.
    x, y
        Column from the west and line from the south of each cell, from 0.
    neighbours
        Shape (4, n_cells): cell to the north, east, south and west; at a wall the cell itself.
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
        """Whether there is a wall to the north, east, south and west; shape (4, n_cells)."""
        walled: np.ndarray = self.neighbours == np.arange(self.n_cells)
        return walled

    def names(self) -> list[str]:
        """Names by column and line: x0y0 is the south-west corner of the drawing."""
        return [f"x{x}y{y}" for x, y in zip(self.x, self.y, strict=True)]

    def marked(self, characters: str) -> np.ndarray:
        """Whether each cell has one of the characters; shape (n_cells,)."""
        return np.array([mark in characters for mark in self.marks], dtype=bool)


def read_grid(text: str, known: str, check: Callable[[int], None] | None = None) -> Grid:
    """Read a map whose cells are marked with the `known` characters.

    `check` is called with the number of cells before they are listed, and may raise an error.

    Raises ModelError if the map has no cell, or an unknown character (with its line and column).
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
        raise ModelError("the map has no free cell")
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
                    f"the map, line {row + 1}, column {column + 1}: unknown character {mark!r}; "
                    f"cells are {' '.join(known)}, walls are # or a space"
                )
            cells[row, column] = mark
    return cells
