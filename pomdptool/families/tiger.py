"""Tiger: it is behind one of several doors; listen, then open another one.

Listening reports the tiger's door with probability `accuracy`, each of the other n - 1 doors with
probability (1 - accuracy) / (n - 1). Opening a door resets the problem: the tiger moves to a
uniformly random door, and the observation carries no information.

Source: Kaelbling, Littman, Cassandra, "Planning and acting in partially observable stochastic
domains", Artificial Intelligence 101 (1998) 99-134, for two doors.
"""

from __future__ import annotations

import numpy as np

from pomdptool.errors import ModelError
from pomdptool.families.rows import check_size
from pomdptool.model import Model, make_model
from pomdptool.sparse import FloatArray, SparseRows, from_entries


def tiger(
    doors: int = 2,
    accuracy: float = 0.85,
    *,
    listening: float = -1.0,
    treasure: float = 10.0,
    eaten: float = -100.0,
    discount: float = 0.95,
) -> Model:
    """Build the tiger problem with any number of doors.

    Parameters
    ----------
    doors
        Number of doors, states and observations; two are named left and right, more 1, 2, ...
    accuracy
        Probability that listening is correct.
    listening, treasure, eaten
        Rewards of listening, of opening a door without the tiger, and of opening the tiger's.

    Raises
    ------
    ModelError
        If there are fewer than two doors, `accuracy` is not a probability, or the model is too
        large.
    """
    if doors < 2:
        raise ModelError(f"the tiger needs at least two doors, not {doors}")
    if not 0.0 <= accuracy <= 1.0:
        raise ModelError(f"the accuracy must lie between 0 and 1, not {accuracy}")
    check_size((doors + 1) * doors**2, f"a tiger problem with {doors} doors", "numbers")
    sides = ["left", "right"] if doors == 2 else [str(door + 1) for door in range(doors)]
    sounds = np.full((doors, doors), (1.0 - accuracy) / (doors - 1))
    np.fill_diagonal(sounds, accuracy)
    R = np.full((doors + 1, doors), treasure)
    R[0] = listening
    R[1:][np.eye(doors, dtype=bool)] = eaten
    return make_model(
        _with_doors(np.eye(doors)),
        _with_doors(sounds),
        R,
        discount=discount,
        states=[f"tiger-{side}" for side in sides],
        actions=["listen", *(f"open-{side}" for side in sides)],
        observations=[f"hear-{side}" for side in sides],
        name="tiger",
    )


def _with_doors(listen: FloatArray) -> SparseRows:
    """Stack the matrix of listening and a uniform one for every door."""
    n = len(listen)
    values = np.concatenate([listen.ravel(), np.full(n**3, 1.0 / n)])
    places = np.arange(len(values))
    return from_entries((n + 1) * n, n, places // n, places % n, values)
