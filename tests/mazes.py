"""A maze whose cells look alike, for utile distinction."""

from __future__ import annotations

import numpy as np

from pomdptool.model import Model, make_model

PLAN = ("aaaaa", "a a a", "a a a")
"""The maze of McCallum (1993): three ways down, the goal at the end of the one in the middle."""

MOVES = {"north": (-1, 0), "east": (0, 1), "south": (1, 0), "west": (0, -1)}


def maze(*, aliased: bool) -> Model:
    """Make the maze; the observations are the walls around a cell, or the cell itself.

    Whatever is done at the goal leads anywhere else.
    """
    cells = [(y, x) for y, row in enumerate(PLAN) for x, cell in enumerate(row) if cell == "a"]
    number = {cell: s for s, cell in enumerate(cells)}
    S, goal = len(cells), number[2, 2]
    T, R = np.zeros((4, S, S)), np.zeros((4, S))
    names = []
    for (y, x), s in number.items():
        around = [number.get((y + dy, x + dx), s) for dy, dx in MOVES.values()]
        for a, s2 in enumerate(around):
            T[a, s, s2] = 1.0
            R[a, s] = float(s2 == goal)
        names.append(
            "walls-" + "".join(k[0] for k, s2 in zip(MOVES, around, strict=True) if s2 == s)
        )
    elsewhere = (np.arange(S) != goal) / (S - 1)
    T[:, goal], R[:, goal] = elsewhere, 0.0
    names[goal] = "goal"
    if not aliased:
        names = [f"cell-{s}" for s in range(S)]
    observations = sorted(set(names))
    Z = np.array([[float(name == o) for o in observations] for name in names])
    return make_model(
        T, Z, R, discount=0.9, start=elsewhere, actions=list(MOVES), observations=observations
    )
