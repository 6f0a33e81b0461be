"""Mazes: maps drawn as text, with one of two published models of motion and sensing.

The map (see also `pomdptool.families.grid`; north is up):

    #, space   wall
    .          free cell
    G or +     goal: earns the goal's reward; the next step resets to an initial cell
    -          pit: earns the pit's reward
    S          an initial cell; several are equally likely. Default: every cell except goals and (in
               a maze of kind `russell`) pits
    ^ > v <    (kind `hallway`) an initial cell facing north, east, south, west
    n e s w    (kind `hallway`) a free cell with a landmark that is visible facing that way

Kind `russell`: a state is a cell, an action a direction. It succeeds with probability 1 - 2 slip
and slips to either side with probability slip each; walls block it. Observations are the walls to
the west and the east (`left`, `right`, `both`, `neither`), and goal and pit as `good` and `bad`. R
depends on the cell that is left, and a pit resets as well.
Source: Russell, Norvig, "Artificial Intelligence: A Modern Approach", chapter 17; Parr, Russell,
"Approximating optimal policies for partially observable stochastic domains", IJCAI-95.

Kind `hallway`: a state is a cell and a heading. The robot stays, moves forward or turns, with
motion noise (`FORWARD`, `TURNS`). Four sensors (front, right, back, left) each detect a wall with
probability 0.9 and mistake an opening for one with probability 0.05. Goal and landmarks are always
recognised. R depends on the cell entered.
Source: Littman, Cassandra, Kaelbling, "Learning policies for partially observable environments:
scaling up", ICML 1995, 362-370.
"""

from __future__ import annotations

import itertools
from typing import Literal

import numpy as np

from pomdptool.errors import ModelError
from pomdptool.families.grid import HEADINGS, Grid, read_grid
from pomdptool.families.rows import check_size, deterministic, merged_rows
from pomdptool.model import Model, make_model
from pomdptool.sparse import FloatArray, IntArray, SparseRows, from_dense, repeated

Kind = Literal["russell", "hallway"]

GOAL, PIT, FREE, START = "G+", "-", ".", "S"
FACING, LANDMARK = "^>v<", "nesw"

FORWARD = ((0, 0, 0.8), (1, 1, 0.05), (3, 3, 0.05), (2, 0, 0.025), (2, 2, 0.025))
"""Moving forward: direction, new heading (quarter turns to the right) and probability; blocked by
walls."""

STAYS = 0.05
"""Probability that moving forward has no effect."""

TURNS = {
    "turn-right": (0.1, 0.7, 0.1, 0.1),
    "turn-around": (0.1, 0.15, 0.6, 0.15),
    "turn-left": (0.1, 0.1, 0.1, 0.7),
}
"""Probability of turning by 0, 1, 2 and 3 quarters to the right."""

DETECTION, FALSE_ALARM = 0.9, 0.05
"""Probabilities that a sensor reports a wall, or an opening as a wall."""


def maze(
    text: str,
    *,
    kind: Kind = "russell",
    slip: float = 0.1,
    goal: float = 1.0,
    pit: float = -1.0,
    step: float | None = None,
    discount: float = 0.95,
) -> Model:
    """Build a maze from a map (see the module for its characters).

    Parameters
    ----------
    text
        The map.
    kind
        Model of motion and sensing.
    slip
        Probability of slipping to each side; `russell` only.
    goal, pit, step
        Rewards of the goal, a pit and any other cell. By default `step` is -0.04 for `russell` and
        0 for `hallway`.

    Raises
    ------
    ModelError
        If a character is unknown (with its line and column), there is no goal or no initial cell,
        a number is out of range, or the model is too large.
    """
    if kind not in ("russell", "hallway"):
        raise ModelError(f"the kind of maze must be 'russell' or 'hallway', not {kind!r}")
    if not 0.0 <= slip <= 0.5:
        raise ModelError(f"the probability of slipping must lie between 0 and 0.5, not {slip}")
    known = FREE + START + GOAL + PIT + (FACING + LANDMARK if kind == "hallway" else "")
    rows = 20 if kind == "hallway" else 4
    grid = read_grid(text, known, lambda n: check_size(rows * n, f"a maze of {n} cells"))
    if not grid.marked(GOAL).any():
        raise ModelError("the map has no goal (G or +)")
    if kind == "russell":
        rewards = _rewards(grid, goal, pit, -0.04 if step is None else step)
        return _russell(grid, slip, rewards, discount)
    return _hallway(grid, _rewards(grid, goal, pit, step or 0.0), discount)


def _rewards(grid: Grid, goal: float, pit: float, step: float) -> FloatArray:
    """Reward of every cell."""
    rewards = np.full(grid.n_cells, step)
    rewards[grid.marked(GOAL)] = goal
    rewards[grid.marked(PIT)] = pit
    return rewards


def _initial_belief(marked: np.ndarray, default: np.ndarray) -> FloatArray:
    """Uniform over the marked states, or over `default` if none is marked."""
    chosen = marked if marked.any() else default
    if not chosen.any():
        raise ModelError("the map has no initial cell")
    return np.where(chosen, 1.0 / chosen.sum(), 0.0)


def _reset(rows: IntArray, start: FloatArray) -> tuple[IntArray, IntArray, FloatArray]:
    """Entries (row, column, value) of rows that reset to the initial belief."""
    states = np.flatnonzero(start)
    n = len(rows)
    return np.repeat(rows, len(states)), np.tile(states, n), np.tile(start[states], n)


def _russell(grid: Grid, slip: float, rewards: FloatArray, discount: float) -> Model:
    start = _initial_belief(grid.marked(START), ~grid.marked(GOAL + PIT))
    east, west = grid.walled[1], grid.walled[3]
    observed = np.select(
        [grid.marked(GOAL), grid.marked(PIT), west & east, west, east], [4, 5, 3, 0, 1], default=2
    )
    return make_model(
        _slipping_moves(grid, slip, start),
        repeated(deterministic(observed, 6), 4),
        rewards[np.newaxis],
        discount=discount,
        start=start,
        states=grid.names(),
        actions=HEADINGS,
        observations=["left", "right", "neither", "both", "good", "bad"],
        name="maze",
    )


def _slipping_moves(grid: Grid, slip: float, start: FloatArray) -> SparseRows:
    """T of kind `russell`: forward, and slips to the right and the left."""
    n = grid.n_cells
    ends = grid.marked(GOAL + PIT)
    going = np.flatnonzero(~ends)
    entries = [_reset(np.flatnonzero(np.tile(ends, 4)), start)]
    for a in range(4):
        for turn, p in ((0, 1.0 - 2.0 * slip), (1, slip), (3, slip)):
            to = grid.neighbours[(a + turn) % 4, going]
            entries.append((a * n + going, to, np.full(len(going), p)))
    return merged_rows(4 * n, n, *map(np.concatenate, zip(*entries, strict=True)))


def _hallway(grid: Grid, rewards: FloatArray, discount: float) -> Model:
    faced = np.stack([grid.marked(START + mark) for mark in FACING], axis=1).ravel()
    start = _initial_belief(faced, np.repeat(~grid.marked(GOAL), 4))
    Z, observations = _sensors(grid)
    return make_model(
        _noisy_moves(grid, start),
        repeated(from_dense(Z), 5),
        np.repeat(rewards, 4)[np.newaxis, np.newaxis],
        discount=discount,
        start=start,
        states=[f"{cell}-{heading}" for cell in grid.names() for heading in HEADINGS],
        actions=["stay", "forward", *TURNS],
        observations=observations,
        name="maze",
    )


def _noisy_moves(grid: Grid, start: FloatArray) -> SparseRows:
    """Build T for kind `hallway`, states 4 * cell + heading: stay, forward, and the turns."""
    n_states = 4 * grid.n_cells
    cell, heading = np.divmod(np.arange(n_states), 4)
    ends = grid.marked(GOAL)[cell]
    going = np.flatnonzero(~ends)
    ways = [(0, np.arange(n_states), 1.0), (1, np.arange(n_states), STAYS)]
    for way, turn, p in FORWARD:
        to = grid.neighbours[(heading + way) % 4, cell]
        moved = 4 * to + (heading + turn) % 4
        ways.append((1, np.where(to == cell, np.arange(n_states), moved), p))
    for a, turns in enumerate(TURNS.values(), start=2):
        ways += [(a, 4 * cell + (heading + k) % 4, p) for k, p in enumerate(turns)]
    entries = [_reset(np.flatnonzero(np.tile(ends, 5)), start)]
    entries += [(a * n_states + going, to[going], np.full(len(going), p)) for a, to, p in ways]
    return merged_rows(5 * n_states, n_states, *map(np.concatenate, zip(*entries, strict=True)))


def _sensors(grid: Grid) -> tuple[FloatArray, list[str]]:
    """Z[s', o], the same for all actions, and the names of observations."""
    n_states = 4 * grid.n_cells
    cell, heading = np.divmod(np.arange(n_states), 4)
    goal = grid.marked(GOAL)[cell]
    faces = np.stack([grid.marked(mark) for mark in LANDMARK], axis=1).ravel()
    landmarks = np.flatnonzero(faces)
    patterns = np.array(list(itertools.product((False, True), repeat=4)))
    Z = np.zeros((n_states, 16 + len(landmarks) + 1))
    Z[:, :16] = 1.0
    for way in range(4):
        p = np.where(grid.walled[(heading + way) % 4, cell], DETECTION, FALSE_ALARM)[:, None]
        Z[:, :16] *= np.where(patterns[:, way], p, 1.0 - p)
    Z[goal | faces] = 0.0
    Z[landmarks, 16 + np.arange(len(landmarks))] = 1.0
    Z[goal, -1] = 1.0
    sides = np.array(["ahead", "right", "back", "left"])
    walls = ["-".join(["wall", *sides[pattern]]) for pattern in patterns[1:]]
    marks = [f"landmark-{i + 1}" for i in range(len(landmarks))]
    return Z, ["no-wall", *walls, *marks, "goal"]
