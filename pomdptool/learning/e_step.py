"""The E-step: what is expected to have happened, given the data and a model's tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pomdptool.episodes import CUT, NONE, TERMINATED, TRUNCATED
from pomdptool.errors import DataError
from pomdptool.kernels.hmm import em, forward_backward
from pomdptool.kernels.jit import request_compilation
from pomdptool.learning.encoding import Sequences
from pomdptool.learning.parameters import Parameters
from pomdptool.sparse import FloatArray, IntArray, check_dense_size

X = TypeVar("X")
Y = TypeVar("Y")

ALPHA_BYTES = 1 << 29
"""Bytes of alpha that one thread remembers; longer episodes are done in blocks, forward twice."""

CALL_WORK = 1 << 25
"""Multiplications of one call of the kernel, some hundredths of a second: then it pauses."""

MIN_STATES = 4
"""Fewer states are padded with impossible ones: the kernel for four is the fastest."""


@dataclass(frozen=True, eq=False, slots=True)
class ExpectedCounts:
    """Expected counts, in the shapes of the tables, and the log-likelihood of the data.

    C symbols: see `pomdptool.learning.encoding`.

    Attributes
    ----------
    T, Z, start, W
        Times that s -> s' happened under a; that o was seen in s' after a (shape (1, S, O) where it
        is shared); that an episode began in s; that rewards were of level k.
    loglik
        Minus infinity where an episode is impossible; then the counts say nothing.
    steps
        Shape (C, S, S): times that s -> s' happened with each symbol.
    """

    T: FloatArray
    Z: FloatArray
    start: FloatArray
    W: FloatArray
    loglik: float
    steps: FloatArray

    @property
    def arrays(self) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Counts of T, Z, start and W."""
        return self.T, self.Z, self.start, self.W


class Threads:
    """Some threads for chunks of episodes, each with its own room."""

    def __init__(self, count: int) -> None:
        self.pool = ThreadPoolExecutor(count) if count > 1 else None
        self.idle: dict[tuple[int, ...], SimpleQueue[em.Work]] = {}

    def __enter__(self) -> Threads:
        return self

    def __exit__(self, *error: object) -> None:
        if self.pool is not None:
            self.pool.shutdown()

    def map(self, function: Callable[[X], Y], items: Iterable[X]) -> Iterable[Y]:
        """Results in order, as they come in."""
        return map(function, items) if self.pool is None else self.pool.map(function, items)

    @contextmanager
    def work_arrays(self, longest: int, symbols: int, states: int) -> Iterator[em.Work]:
        """Lend the room for one chunk."""
        idle = self.idle.setdefault((longest, symbols, states), SimpleQueue())
        try:
            work = idle.get_nowait()
        except Empty:
            work = _work_arrays(longest, symbols, states)
        try:
            yield work
        finally:
            idle.put(work)


def _work_arrays(longest: int, symbols: int, states: int) -> em.Work:
    length = max(1, min(longest, ALPHA_BYTES // (8 * states)))
    blocks = max(1, -(-longest // length))
    waiting = symbols if states >= forward_backward.BUFFERED_STATES else 0
    return em.Work(
        np.empty((length + 1, states)),
        np.empty(length),
        np.empty((blocks, states)),
        np.empty((2, states)),
        np.zeros((waiting, states, forward_backward.BUFFER_SIZE)),
        np.zeros((waiting, forward_backward.BUFFER_SIZE, states)),
        np.zeros(waiting, dtype=np.int64),
        np.zeros(4, dtype=np.int64),
        np.zeros(1),
    )


def kernel_tables(parameters: Parameters, sequences: Sequences) -> em.Tables:
    """M of each symbol, and the weights of states at each kind of start.

    Raises
    ------
    DataError
        Where an observation comes before any action, and observations depend on the action.
    ModelError
        Where M would be too large.
    """
    S, n = parameters.n_states, max(parameters.n_states, MIN_STATES)
    a, o = sequences.actions, sequences.observations
    check_dense_size((len(a), n, n), "table of symbols")
    M = np.zeros((len(a), n, n))
    M[:, :S, :S] = parameters.T[a]
    seen = o != NONE
    from_table = np.zeros_like(a) if parameters.shared else a
    M[seen, :S, :S] *= parameters.Z[from_table[seen], :, o[seen]][:, np.newaxis]
    paid, at = _reward_entries(parameters, sequences)
    M[paid, :S, :S] *= parameters.W.transpose(0, 3, 4, 1, 2)[at]
    if parameters.terminal is not None:
        constrain(M[:, :S, :S], parameters.terminal, sequences.ends)
    starts = np.zeros((len(sequences.starts), n))
    starts[:, :S] = parameters.start
    early = sequences.starts != NONE
    if early.any() and not parameters.shared:
        raise DataError(
            "an observation before the first action needs observations that no action changes: "
            "ask for a shared observation model"
        )
    starts[early, :S] *= parameters.Z[0][:, sequences.starts[early]].T
    return em.Tables(M, np.ascontiguousarray(M.transpose(0, 2, 1)), starts)


def constrain(M: FloatArray, terminal: NDArray[np.bool_], ends: IntArray) -> None:
    """Set to 0 what the ends of symbols exclude; M[c, s, s'], (C, S, S), `ends` of each c."""
    known = np.flatnonzero(ends != CUT)
    M[np.ix_(known, terminal)] = 0.0
    for end, excluded in ((TERMINATED, ~terminal), (TRUNCATED, terminal)):
        columns = np.flatnonzero(excluded)
        M[np.flatnonzero(ends == end)[:, np.newaxis], :, columns] = 0.0


def _reward_entries(
    parameters: Parameters, sequences: Sequences
) -> tuple[IntArray, tuple[IntArray, IntArray, IntArray]]:
    """Symbols with a level of reward, and their a, o and k in W.

    Where rewards depend on an observation that is missing, they tell nothing.
    """
    W, o = parameters.W, sequences.observations
    told = (sequences.reward_bins != NONE) & (W.shape[4] > 1) & ((o != NONE) | (W.shape[3] == 1))
    paid = np.flatnonzero(told)
    of_table = o[paid] if W.shape[3] > 1 else np.zeros_like(paid)
    return paid, (sequences.actions[paid], of_table, sequences.reward_bins[paid])


def expected_counts(
    parameters: Parameters,
    sequences: Sequences,
    threads: Threads,
    check: Callable[[], None] | None = None,
) -> ExpectedCounts:
    """Compute expected counts and the log-likelihood (Devijver's scaled forward and backward pass).

    `check` is called several times a second, by each thread, and may raise `LimitReached`.

    Raises
    ------
    DataError, ModelError
        As `kernel_tables` does.
    """
    arrays = kernel_tables(parameters, sequences)
    C, n = arrays.M.shape[:2]
    request_compilation(sequences.n_steps * n * n)
    span = max(1, CALL_WORK // (n * n))
    loglik = np.full(len(sequences.steps.kinds), -np.inf)

    def zero_counts() -> em.Counts:
        return em.Counts(np.zeros((C, n, n)), np.zeros_like(arrays.starts), loglik)

    def count(chunk: tuple[int, int]) -> tuple[bool, em.Counts]:
        counts = zero_counts()
        with threads.work_arrays(sequences.longest, C, n) as work:
            work.waiting[:] = 0
            work.place[:] = chunk[0], em.BEGIN, 0, 0
            status = em.MORE
            while status == em.MORE:
                if check is not None:
                    check()
                status = em.count_episodes(chunk[1], span, sequences.steps, arrays, work, counts)
        return status == em.DONE, counts

    chunks = zip(sequences.chunks[:-1].tolist(), sequences.chunks[1:].tolist(), strict=True)
    total = zero_counts()
    possible = True
    for good, counts in threads.map(count, chunks):
        possible = possible and good
        _add(total, counts)
    value = float(loglik @ sequences.steps.weights) if possible else -np.inf
    return _by_parameter(total, value, arrays, parameters, sequences)


def _add(total: em.Counts, part: em.Counts) -> None:
    total.products[...] += part.products
    total.starts[...] += part.starts


def _by_parameter(
    counts: em.Counts,
    loglik: float,
    arrays: em.Tables,
    parameters: Parameters,
    sequences: Sequences,
) -> ExpectedCounts:
    """Bring sums over symbols into the shapes of the tables."""
    S, a, o = parameters.n_states, sequences.actions, sequences.observations
    steps = (counts.products * arrays.M)[:, :S, :S]
    T, Z = np.zeros(parameters.T.shape), np.zeros(parameters.Z.shape)
    np.add.at(T, a, steps)
    seen = o != NONE
    of_table = np.zeros_like(a) if parameters.shared else a
    np.add.at(Z.transpose(0, 2, 1), (of_table[seen], o[seen]), steps[seen].sum(axis=1))
    early = sequences.starts != NONE
    np.add.at(Z[0].T, sequences.starts[early], counts.starts[early, :S])
    W = np.zeros(parameters.W.shape)
    paid, at = _reward_entries(parameters, sequences)
    own = steps[paid]
    for axis in (1, 2):
        own = own.sum(axis=axis, keepdims=True) if W.shape[axis] == 1 else own
    np.add.at(W.transpose(0, 3, 4, 1, 2), at, own)
    return ExpectedCounts(T, Z, counts.starts[:, :S].sum(axis=0), W, loglik, steps)
