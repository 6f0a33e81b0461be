"""Tag: a robot hunts a target that it sees only in its own cell.

Both stand on cells of an arena; a state is the pair of their cells, or the robot's cell and
`tagged`, which is terminal. The robot's position is seen, or `found` where both share a cell.

- The robot moves without fail, one cell a step, for -1; walls stop it. Meanwhile the target flees:
  it stays with probability q; otherwise it moves, with (1 - q) / 2 along each axis, away from where
  the robot was (either way, with (1 - q) / 4 each, where it has the same coordinate). A move into
  a wall leaves it where it is.
- Catching pays +10 in the same cell, and tags; elsewhere it costs 10, and nobody moves.

Source: Pineau, Gordon, Thrun, "Point-based value iteration: an anytime algorithm for POMDPs",
IJCAI 2003, 1025-1032 (29 cells, 870 states, q = 0.2, discount 0.95). That a failed catch stops the
target too is in the file that came with it. That file breaks the rule of flight in four of its
841 pairs of cells, and charges moves after the tag; here neither.
"""

from __future__ import annotations

import numpy as np

from pomdptool.errors import ModelError
from pomdptool.families.grid import HEADINGS, Grid, read_grid
from pomdptool.families.rows import certain, check_size, merged_rows
from pomdptool.model import Model, make_model
from pomdptool.sparse import FloatArray, IntArray, SparseRows, repeated

ARENA = """\
     ...
     ...
     ...
..........
..........
"""
"""The arena of the paper: 29 cells."""

MOVING, TAGGED, MISSED = -1.0, 10.0, -10.0


def tag(arena: str = ARENA, *, rest: float = 0.2, discount: float = 0.95) -> Model:
    """Make the tag problem on an arena drawn with `.` for cells (see `pomdptool.families.grid`).

    Parameters
    ----------
    arena
        The map, of n cells, numbered line by line; n * (n + 1) states, n + 1 observations.
    rest
        Probability q that the target does not try to move.

    Raises
    ------
    ModelError
        If the map holds anything else, `rest` is no probability, or the model is too large.
    """
    grid = read_grid(
        arena, known=".", check=lambda n: check_size(5 * n * (n + 1), f"tag on {n} cells")
    )
    if not 0.0 <= rest <= 1.0:
        raise ModelError(f"the probability to rest must lie between 0 and 1, not {rest}")
    n = grid.n_cells
    robot, target = np.divmod(np.arange(n * (n + 1)), n + 1)
    R = np.full((5, len(robot)), MOVING)
    R[4] = np.where(robot == target, TAGGED, MISSED)
    R[:, target == n] = 0.0
    return make_model(
        _transitions(grid, rest),
        repeated(certain(np.where(robot == target, n, robot), n + 1), 5),
        R,
        discount=discount,
        start=np.where(target == n, 0.0, 1.0 / n**2),
        states=[
            f"r{r}-tagged" if t == n else f"r{r}-t{t}" for r, t in zip(robot, target, strict=True)
        ],
        actions=[*HEADINGS, "catch"],
        observations=[*(f"r{r}" for r in range(n)), "found"],
        name="tag",
    )


def _flight(grid: Grid, rest: float) -> tuple[IntArray, IntArray, IntArray, FloatArray]:
    """List where the target goes: robot's cell, target's cell, target's next cell, probability."""
    robot, target = np.divmod(np.arange(grid.n_cells**2), grid.n_cells)
    probability = [np.full(len(robot), rest)]
    to = [target]
    half = (1.0 - rest) / 2
    for direction, along in enumerate((grid.y, grid.x, -grid.y, -grid.x)):
        ahead = along[target] - along[robot]
        probability.append(np.where(ahead > 0, half, np.where(ahead == 0, half / 2, 0.0)))
        to.append(grid.neighbours[direction, target])
    return np.tile(robot, 5), np.tile(target, 5), np.concatenate(to), np.concatenate(probability)


def _transitions(grid: Grid, rest: float) -> SparseRows:
    n = grid.n_cells
    n_states = n * (n + 1)
    robot, target, to, probability = _flight(grid, rest)
    rows, columns = [], []
    for action in range(4):
        rows.append(action * n_states + robot * (n + 1) + target)
        columns.append(grid.neighbours[action, robot] * (n + 1) + to)
    tagged = np.arange(n) * (n + 1) + n
    still = np.arange(n_states)
    caught = np.where(still // (n + 1) == still % (n + 1), tagged[still // (n + 1)], still)
    rows += [action * n_states + tagged for action in range(4)] + [4 * n_states + still]
    columns += [tagged] * 4 + [caught]
    values = np.concatenate([np.tile(probability, 4), np.ones(4 * n + n_states)])
    row, column = np.concatenate(rows), np.concatenate(columns)
    return merged_rows(5 * n_states, n_states, row, column, values)
