"""How much memory learning takes, and that there is as much, before it begins."""

from __future__ import annotations

from pomdptool.errors import ModelError
from pomdptool.learning.e_step import MIN_STATES
from pomdptool.memory import available
from pomdptool.sparse import DENSE_LIMIT

ARRAYS_PER_RUN = 20
"""Tables that a run holds while it climbs: of three points, their counts, and a guess."""

MODEL_BYTES = 48
"""Bytes of an entry of T or O while a model is made; it has rows of its own for each action."""

CONCURRENT_BYTES = 1 << 30
"""Most bytes of runs that climb side by side; larger ones climb one after another."""

MATRICES_PER_SYMBOL = 12
"""Tables S x S of each symbol that a run holds: M, its transpose, products, and expected counts."""


def check_memory(
    shape: tuple[int, int, int], n_symbols: int, levels: int, *, shared: bool, restarts: int
) -> int:
    """Refuse what cannot be held, and return the bytes of one run; `shape` is (A, S, O).

    Raises
    ------
    ModelError
        It says how large what is asked for would be.
    """
    A, S, n_observations = shape
    T, O, W = A * S * S, A * S * n_observations, A * S * levels  # noqa: E741 - the format's name
    Z = S * n_observations if shared else O
    symbols = n_symbols * max(S, MIN_STATES) ** 2
    largest = max((T, "T"), (O, "O"), (W, "rewards"), (symbols, "steps that differ"))
    what = f"{S} states, {A} actions, {n_observations} observations and {n_symbols} different steps"
    if 8 * largest[0] > DENSE_LIMIT:
        raise ModelError(
            f"{what}: the table of {largest[1]} would take {8 * largest[0] / 2**30:.1f} GiB, and "
            f"at most {DENSE_LIMIT / 2**30:.0f} GiB are learned"
        )
    run = 8 * (ARRAYS_PER_RUN * (T + Z + W) + MATRICES_PER_SYMBOL * symbols)
    needed = max(run, MODEL_BYTES * (T + O)) + 8 * restarts * (T + Z + W)
    free = available()
    if free is not None and needed > free:
        raise ModelError(
            f"{what}: learning with {restarts} starts would take {needed / 2**30:.1f} GiB, and "
            f"{free / 2**30:.1f} GiB are free"
        )
    return run
