r"""Rock sample: a rover checks rocks from a distance and samples the good ones.

A square grid of cells (x, y), x to the east and y to the north, both from 0; k rocks on known
cells, each good or bad with probability 1/2. A state is the rover's cell and the k qualities;
leaving the grid leads to the terminal state `exit`.

- Moves are deterministic. Leaving to the east earns +10; on the other three sides it costs 100.
- Sampling a good rock earns +10 and turns it bad; sampling a bad one costs 10; without a rock it
  costs 100 and ends the episode.
- Checking rock i at the Euclidean distance d is correct with probability

      (1 + eta) / 2,    eta = 2 ** (-d / d0),

  with the half efficiency distance d0. Every other action observes `good`.

Source: Smith, Simmons, "Heuristic search value iteration for POMDPs", UAI 2004, 520-527. The
penalty of 100 and the end of the episode after an illegal action are in the published files (ZMDP),
not in the paper. These files differ in the sensor: d0 = 20 in size 7 with 8 rocks, d0 = 4
in size 5 with 5, and eta = exp(-d), which is d0 = log 2, in size 4 with 4.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from pomdptool.errors import ModelError
from pomdptool.families.rows import check_size, deterministic
from pomdptool.model import Model, make_model
from pomdptool.randomness import generator
from pomdptool.sparse import FloatArray, IntArray, SparseRows, from_entries

MOVES = {"north": (0, 1), "east": (1, 0), "south": (0, -1), "west": (-1, 0)}
GOOD_SAMPLE, BAD_SAMPLE, EXIT, ILLEGAL = 10.0, -10.0, 10.0, -100.0

MAX_ROCKS = 19
"""Maximum number of rocks: with more, a single cell exceeds `SIZE_LIMIT`."""

Cell = tuple[int, int]


def rocksample(
    size: int,
    rocks: int,
    *,
    positions: Sequence[Cell] | None = None,
    start: Cell | None = None,
    half_efficiency: float = 20.0,
    discount: float = 0.95,
    rng: np.random.Generator | int | None = None,
) -> Model:
    """Build a rock sample problem with size x size cells and `rocks` rocks.

    Parameters
    ----------
    size, rocks
        Number of cells along a side, and of rocks; S = size**2 * 2**rocks + 1, A = rocks + 5.
    positions
        Cell (x, y) of every rock; by default distinct random cells.
    start
        The rover's initial cell; by default (0, size // 2), at the western edge.
    half_efficiency
        Distance d0 at which the sensor's efficiency is 1/2, in cells.
    rng
        Random number generator for the positions, or its seed.

    Raises
    ------
    ModelError
        If a number is out of range, rocks share a cell or lie outside, or the model is too large.
    """
    _check_numbers(size, rocks, half_efficiency)
    rng = None if rng is None else generator(rng)
    places = _random(size, rocks, rng) if positions is None else _checked(positions, size, rocks)
    x0, y0 = (0, size // 2) if start is None else start
    if not (0 <= x0 < size and 0 <= y0 < size):
        raise ModelError(f"the rover cannot start in {(x0, y0)}, outside of the grid")
    worlds = 1 << rocks
    T, R = _dynamics(size, places)
    first = np.zeros(size * size * worlds + 1)
    first[(x0 * size + y0) * worlds : (x0 * size + y0 + 1) * worlds] = 1.0 / worlds
    return make_model(
        T,
        _observations(size, places, half_efficiency),
        R,
        discount=discount,
        start=first,
        states=_names(size, rocks),
        actions=[*MOVES, *(f"check-{i + 1}" for i in range(rocks)), "sample"],
        observations=["good", "bad"],
        name=f"rocksample-{size}-{rocks}",
    )


def _check_numbers(size: int, rocks: int, half_efficiency: float) -> None:
    if size < 1 or rocks < 1:
        raise ModelError(f"rock sample needs at least 1 cell and 1 rock, not {size} and {rocks}")
    if rocks > size * size:
        raise ModelError(f"{rocks} rocks do not fit on {size} x {size} cells")
    if not half_efficiency > 0.0:
        raise ModelError(f"the half efficiency distance must be positive, not {half_efficiency}")
    if rocks > MAX_ROCKS:
        raise ModelError(f"rock sample takes at most {MAX_ROCKS} rocks, not {rocks}")
    count = (rocks + 5) * (size * size * (1 << rocks) + 1)
    check_size(count, f"rock sample of size {size} with {rocks} rocks")


def _random(size: int, rocks: int, rng: np.random.Generator | None) -> IntArray:
    """Random cells of the rocks; shape (rocks, 2)."""
    if rng is None:
        raise ModelError("rock sample needs the rocks' positions, or a generator to draw them")
    cells = rng.choice(size * size, size=rocks, replace=False)
    return np.stack(np.divmod(cells, size), axis=1)


def _checked(positions: Sequence[Cell], size: int, rocks: int) -> IntArray:
    if len(positions) != rocks:
        raise ModelError(f"{len(positions)} positions for {rocks} rocks")
    if len({(x, y) for x, y in positions}) < rocks:
        raise ModelError("two rocks lie in the same cell")
    for x, y in positions:
        if not (0 <= x < size and 0 <= y < size):
            raise ModelError(f"a rock in {(x, y)} lies outside of {size} x {size} cells")
    return np.array(positions)


def _names(size: int, rocks: int) -> list[str]:
    """Names of the states, ordered by x, y and qualities, bad before good, rock 1 slowest."""
    qualities = ["".join(q) for q in itertools.product("bg", repeat=rocks)]
    cells = itertools.product(range(size), repeat=2)
    return [*(f"x{x}y{y}-{q}" for x, y in cells for q in qualities), "exit"]


def _good(rocks: int) -> np.ndarray:
    """Whether each rock is good in each world; shape (rocks, 2**rocks)."""
    worlds = np.arange(1 << rocks)
    return np.array([worlds >> (rocks - 1 - i) & 1 == 1 for i in range(rocks)])


def _dynamics(size: int, places: IntArray) -> tuple[SparseRows, FloatArray]:
    """Deterministic T, and R[a, s]."""
    rocks = len(places)
    worlds = 1 << rocks
    n_states, n_actions = size * size * worlds + 1, rocks + 5
    here = np.arange(n_states - 1).reshape(size * size, worlds)
    to = np.tile(np.arange(n_states), (n_actions, 1))
    R = np.zeros((n_actions, n_states))
    for a, (right, up) in enumerate(MOVES.values()):
        x, y = np.divmod(np.arange(size * size), size) + np.array([[right], [up]])
        inside = (x >= 0) & (x < size) & (y >= 0) & (y < size)
        moved = here[np.where(inside, x * size + y, 0)]
        to[a, :-1] = np.where(inside[:, np.newaxis], moved, n_states - 1).ravel()
        R[a, :-1] = np.repeat(np.where(inside, 0.0, EXIT if right == 1 else ILLEGAL), worlds)
    to[-1, :-1], R[-1, :-1] = n_states - 1, ILLEGAL
    for i, (x, y) in enumerate(places):
        states = here[x * size + y]
        good = _good(rocks)[i]
        to[-1, states] = states - np.where(good, 1 << (rocks - 1 - i), 0)
        R[-1, states] = np.where(good, GOOD_SAMPLE, BAD_SAMPLE)
    return deterministic(to.ravel(), n_states), R


def _observations(size: int, places: IntArray, half_efficiency: float) -> SparseRows:
    """Z: two entries per row for checks, one entry (`good`) otherwise."""
    rocks = len(places)
    n_states, n_actions = size * size * (1 << rocks) + 1, rocks + 5
    x, y = np.divmod(np.arange(size * size), size)
    p_good = np.ones((n_actions, n_states))
    for i, (rock_x, rock_y) in enumerate(places):
        eta = 2.0 ** (-np.hypot(x - rock_x, y - rock_y) / half_efficiency)
        right = (0.5 + 0.5 * eta)[:, np.newaxis]
        p_good[len(MOVES) + i, :-1] = np.where(_good(rocks)[i], right, 1.0 - right).ravel()
    values = np.stack([p_good, 1.0 - p_good], axis=-1).ravel()
    rows, columns = np.divmod(np.arange(values.size), 2)
    return from_entries(p_good.size, 2, rows, columns, values)
