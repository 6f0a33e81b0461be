"""Tag: a robot hunts a target that it observes only in its own cell.

A state is the pair of cells of robot and target in an arena, or the robot's cell and `tagged`,
which is terminal. The robot observes its position, or `found` if both share a cell.

- The robot moves deterministically, one cell per step, for -1; walls block it. Meanwhile the target
  flees: it stays with probability q; otherwise it moves, with (1 - q) / 2 along each axis, away
  from the robot's previous cell (in both directions, with (1 - q) / 4 each, if the coordinate is
  the same). A wall blocks the move.
- Catching earns +10 in the same cell, and tags; elsewhere it costs 10, and nobody moves.

Source: Pineau, Gordon, Thrun, "Point-based value iteration: an anytime algorithm for POMDPs",
IJCAI 2003, 1025-1032 (29 cells, 870 states, q = 0.2, discount 0.95). A failed catch stops the
target in the published file only. That file also violates the flight rule in four of its 841 pairs
of cells, and charges moves after the tag; this model does neither.
"""

from __future__ import annotations

import numpy as np

from pomdptool.errors import ModelError
from pomdptool.families.grid import HEADINGS, Grid, read_grid
from pomdptool.families.rows import check_size, deterministic, merged_rows
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
    """Build the tag problem on an arena drawn with `.` for cells (see `pomdptool.families.grid`).

    Parameters
    ----------
    arena
        The map, with n cells, numbered line by line; n * (n + 1) states, n + 1 observations.
    rest
        Probability q that the target does not try to move.

    Raises
    ------
    ModelError
        If the map has other characters, `rest` is not a probability, or the model is too large.
    """
    grid = read_grid(
        arena, known=".", check=lambda n: check_size(5 * n * (n + 1), f"tag on {n} cells")
    )
    if not 0.0 <= rest <= 1.0:
        raise ModelError(f"the probability of resting must lie between 0 and 1, not {rest}")
    n = grid.n_cells
    robot, target = np.divmod(np.arange(n * (n + 1)), n + 1)
    R = np.full((5, len(robot)), MOVING)
    R[4] = np.where(robot == target, TAGGED, MISSED)
    R[:, target == n] = 0.0
    return make_model(
        _transitions(grid, rest),
        repeated(deterministic(np.where(robot == target, n, robot), n + 1), 5),
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
    """Moves of the target: robot's cell, target's cell, target's next cell, probability."""
    robot, target = np.divmod(np.arange(grid.n_cells**2), grid.n_cells)
    probability = [np.full(len(robot), rest)]
    to = [target]
    half = (1.0 - rest) / 2
    for direction, along in enumerate((grid.y, grid.x, -grid.y, -grid.x)):
        lead = along[target] - along[robot]
        probability.append(np.where(lead > 0, half, np.where(lead == 0, half / 2, 0.0)))
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
