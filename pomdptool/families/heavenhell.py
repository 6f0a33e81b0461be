"""Heaven and hell: they lie at the ends of a T, and only a priest knows which is where.

The map, with arms of length n (here 2; S: initial position, P: priest):

    west-2  west-1  stem-2  east-1  east-2
                    stem-1
                    stem-0 S
                    path-0  path-1  path-2 P

Moves are deterministic and blocked by walls. The position is observed; at the priest also the side
of heaven. Every action at an arm's end earns +1 in heaven and -1 in hell and leads back to stem-0,
with heaven redrawn on either side. There are 8n + 4 states and 4n + 3 observations.

Source: Bonet, Geffner, "Solving large POMDPs using real time dynamic programming", AAAI Fall
Symposium on POMDPs, 1998, and S. Thrun; with n = 2 (20 states, 11 observations, discount 0.99):
Braziunas, Boutilier, "Stochastic local search for POMDP controllers", AAAI-04.
"""

from __future__ import annotations

import numpy as np

from pomdptool.errors import ModelError
from pomdptool.families.rows import check_size, deterministic, merged_rows
from pomdptool.model import Model, make_model
from pomdptool.sparse import IntArray, SparseRows, repeated

ACTIONS = ("north", "south", "east", "west")
SIDES = ("west", "east")


def heavenhell(length: int = 2, *, discount: float = 0.99) -> Model:
    """Build the heaven-and-hell problem with arms, stem and path of equal length.

    Raises
    ------
    ModelError
        If `length` is less than 1 or the model would be too large.
    """
    if length < 1:
        raise ModelError(f"heaven and hell need arms of at least one cell, not {length}")
    check_size(4 * (8 * length + 4), f"heaven and hell with arms of length {length}")
    places, moves = _corridors(length)
    n, priest = len(places), len(places) - 1
    ends = np.array([places.index(f"{side}-{length}") for side in SIDES])
    states = [f"heaven-{side}_{place}" for side in SIDES for place in places]
    start = np.zeros(2 * n)
    start[[0, n]] = 0.5
    R = np.zeros(2 * n)
    R[[ends[0], n + ends[1]]] = 1.0
    R[[ends[1], n + ends[0]]] = -1.0
    observed = np.tile(np.arange(n), 2)
    observed[n + priest] = n
    return make_model(
        _transitions(moves, ends),
        repeated(deterministic(observed, n + 1), len(ACTIONS)),
        R[np.newaxis],
        discount=discount,
        start=start,
        states=states,
        actions=ACTIONS,
        observations=[*places[:priest], *(f"priest-{side}" for side in SIDES)],
        name="heavenhell",
    )


def _corridors(length: int) -> tuple[list[str], IntArray]:
    """Names of the places, stem-0 first and the priest's last, and moves[a, place] -> place."""
    stem = [f"stem-{i}" for i in range(length + 1)]
    west = [f"west-{i}" for i in range(1, length + 1)]
    east = [f"east-{i}" for i in range(1, length + 1)]
    path = [f"path-{i}" for i in range(length + 1)]
    number = {place: i for i, place in enumerate([*stem, *west, *east, *path])}
    moves = np.tile(np.arange(len(number)), (len(ACTIONS), 1))
    from_south_to_north = [path[0], *stem]
    for line, forth, back in (
        (from_south_to_north, "north", "south"),
        ([*reversed(west), stem[-1], *east], "east", "west"),
        (path, "east", "west"),
    ):
        cells = [number[place] for place in line]
        moves[ACTIONS.index(forth), cells[:-1]] = cells[1:]
        moves[ACTIONS.index(back), cells[1:]] = cells[:-1]
    return list(number), moves


def _transitions(moves: IntArray, ends: IntArray) -> SparseRows:
    """T: moves within a world, and from an arm's end to the initial place of either world."""
    n_actions, n = moves.shape
    world, place = np.divmod(np.arange(2 * n), n)
    a, s = np.divmod(np.arange(n_actions * 2 * n), 2 * n)
    at_end = np.isin(place, ends)[s]
    stays = np.where(at_end, 0, world[s] * n + moves[a, place[s]])
    swaps = np.where(at_end, n, stays)
    rows = np.tile(np.arange(len(s)), 2)
    half = np.full(len(rows), 0.5)
    return merged_rows(len(s), 2 * n, rows, np.concatenate([stays, swaps]), half)
