"""Memory requirements of learning, checked before it begins."""

from __future__ import annotations

from pomdptool.errors import ModelError
from pomdptool.learning.e_step import MIN_STATES
from pomdptool.memory import available
from pomdptool.sparse import DENSE_LIMIT

ARRAYS_PER_RUN = 20
"""Copies of the parameters held by a run of EM: iterates, counts and the extrapolation."""

MODEL_BYTES = 48
"""Bytes per entry of T and O while a model is made; O then has rows for each action."""

CONCURRENT_BYTES = 1 << 30
"""Maximum memory in bytes of runs in parallel."""

MATRICES_PER_SYMBOL = 12
"""S x S matrices per symbol held by a run: M, its transpose, products and expected counts."""


def check_memory(
    shape: tuple[int, int, int], n_symbols: int, n_bins: int, *, shared: bool, restarts: int
) -> int:
    """Return the bytes that one run of EM needs; `shape` is (A, S, O).

    Raises ModelError, with the size needed, if learning would not fit into memory.
    """
    A, S, n_observations = shape
    T, O, W = A * S * S, A * S * n_observations, A * S * n_bins  # noqa: E741 - the format's name
    Z = S * n_observations if shared else O
    symbols = n_symbols * max(S, MIN_STATES) ** 2
    largest = max((T, "T"), (O, "O"), (W, "rewards"), (symbols, "distinct steps"))
    size = f"{S} states, {A} actions, {n_observations} observations and {n_symbols} distinct steps"
    if 8 * largest[0] > DENSE_LIMIT:
        raise ModelError(
            f"{size}: the table of {largest[1]} would take {8 * largest[0] / 2**30:.1f} GiB; the "
            f"limit is {DENSE_LIMIT / 2**30:.0f} GiB"
        )
    run = 8 * (ARRAYS_PER_RUN * (T + Z + W) + MATRICES_PER_SYMBOL * symbols)
    needed = max(run, MODEL_BYTES * (T + O)) + 8 * restarts * (T + Z + W)
    free = available()
    if free is not None and needed > free:
        raise ModelError(
            f"{size}: learning with {restarts} restarts would take {needed / 2**30:.1f} GiB, but "
            f"only {free / 2**30:.1f} GiB are free"
        )
    return run
