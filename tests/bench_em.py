"""Seconds of one iteration of EM, beside hmmlearn where it is installed.

One core, 8 symbols, a million steps, as one sequence and as 10,000 of 100; with one action and with
three. The best of three, after compilation.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable

import numpy as np

from pomdptool.episodes import Episodes
from pomdptool.learning.expectation import Threads, expected
from pomdptool.learning.maximisation import Settings, maximised
from pomdptool.learning.sequences import sequences_of
from pomdptool.learning.tables import Tables

STEPS = 1_000_000


def best(run: Callable[[], object]) -> float:
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def ours(states: int, actions: int, length: int, threads: int = 1) -> float:
    rng = np.random.default_rng(0)
    names = tuple(map(str, range(8)))
    data = Episodes(
        names[:actions],
        names,
        rng.integers(actions, size=STEPS),
        rng.integers(8, size=STEPS),
        np.arange(0, STEPS + 1, length),
    )
    tables = Tables(
        rng.dirichlet(np.ones(states), size=(actions, states)),
        rng.dirichlet(np.ones(8), size=(actions, states)),
        rng.dirichlet(np.ones(states)),
    )
    sequences = sequences_of(data)
    with Threads(threads) as pool:
        return best(lambda: maximised(expected(tables, sequences, pool), tables, Settings()))


def theirs(states: int, length: int) -> float | None:
    try:
        from hmmlearn.hmm import CategoricalHMM
    except ImportError:
        return None
    symbols = np.random.default_rng(0).integers(8, size=(STEPS, 1))
    lengths = [length] * (STEPS // length)
    model = CategoricalHMM(states, n_iter=1, tol=-np.inf, implementation="scaling")
    return best(lambda: model.fit(symbols, lengths))


def main() -> None:
    print("states  actions  sequence  threads  seconds  hmmlearn")
    for states in (4, 16, 64):
        for length in (STEPS, 100):
            peer = theirs(states, length)
            cases = [(1, 1), (3, 1)] + ([(1, 2)] if length < STEPS else [])
            for actions, threads in cases:
                seconds = ours(states, actions, length, threads)
                said = f"{peer:.3f}" if peer is not None and actions == 1 else "-"
                print(
                    f"{states:>6}  {actions:>7}  {length:>8}  {threads:>7}  {seconds:>7.3f}  "
                    f"{said:>8}",
                    flush=True,
                )
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


if __name__ == "__main__":
    main()
