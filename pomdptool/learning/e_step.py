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
from pomdptool.learning.parameters import Tables
from pomdptool.sparse import FloatArray, IntArray, check_dense_size

X = TypeVar("X")
Y = TypeVar("Y")

REMEMBERED = 1 << 29
"""Bytes of alpha that one thread remembers; longer episodes are done in blocks, forward twice."""

SPAN_WORK = 1 << 25
"""Multiplications of one call of the kernel, some hundredths of a second: then it pauses."""

LEAST_STATES = 4
"""Fewer states are padded with impossible ones: the kernel for four is the fastest."""


@dataclass(frozen=True, eq=False, slots=True)
class Expected:
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
    def parts(self) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Counts of T, Z, start and W."""
        return self.T, self.Z, self.start, self.W


class Threads:
    """Some threads for chunks of episodes, each with its own room."""

    def __init__(self, count: int) -> None:
        self.pool = ThreadPoolExecutor(count) if count > 1 else None
        self.rooms: dict[tuple[int, ...], SimpleQueue[em.Work]] = {}

    def __enter__(self) -> Threads:
        return self

    def __exit__(self, *error: object) -> None:
        if self.pool is not None:
            self.pool.shutdown()

    def map(self, function: Callable[[X], Y], items: Iterable[X]) -> Iterable[Y]:
        """Results in order, as they come in."""
        return map(function, items) if self.pool is None else self.pool.map(function, items)

    @contextmanager
    def room(self, longest: int, symbols: int, states: int) -> Iterator[em.Work]:
        """Lend the room for one chunk."""
        rooms = self.rooms.setdefault((longest, symbols, states), SimpleQueue())
        try:
            work = rooms.get_nowait()
        except Empty:
            work = _room(longest, symbols, states)
        try:
            yield work
        finally:
            rooms.put(work)


def _room(longest: int, symbols: int, states: int) -> em.Work:
    length = max(1, min(longest, REMEMBERED // (8 * states)))
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


def kernel_tables(tables: Tables, sequences: Sequences) -> em.Tables:
    """M of each symbol, and the weights of states at each kind of start.

    Raises
    ------
    DataError
        Where an observation comes before any action, and observations depend on the action.
    ModelError
        Where M would be too large.
    """
    S, n = tables.n_states, max(tables.n_states, LEAST_STATES)
    a, o = sequences.actions, sequences.observations
    check_dense_size((len(a), n, n), "table of symbols")
    M = np.zeros((len(a), n, n))
    M[:, :S, :S] = tables.T[a]
    seen = o != NONE
    from_table = np.zeros_like(a) if tables.shared else a
    M[seen, :S, :S] *= tables.Z[from_table[seen], :, o[seen]][:, np.newaxis]
    paid, at = _entries_of_rewards(tables, sequences)
    M[paid, :S, :S] *= tables.W.transpose(0, 3, 4, 1, 2)[at]
    if tables.terminal is not None:
        constrain(M[:, :S, :S], tables.terminal, sequences.ends)
    starts = np.zeros((len(sequences.starts), n))
    starts[:, :S] = tables.start
    early = sequences.starts != NONE
    if early.any() and not tables.shared:
        raise DataError(
            "an observation before the first action needs observations that no action changes: "
            "ask for a shared observation model"
        )
    starts[early, :S] *= tables.Z[0][:, sequences.starts[early]].T
    return em.Tables(M, np.ascontiguousarray(M.transpose(0, 2, 1)), starts)


def constrain(M: FloatArray, terminal: NDArray[np.bool_], ends: IntArray) -> None:
    """Set to 0 what the ends of symbols exclude; M[c, s, s'], (C, S, S), `ends` of each c."""
    known = np.flatnonzero(ends != CUT)
    M[np.ix_(known, terminal)] = 0.0
    for end, excluded in ((TERMINATED, ~terminal), (TRUNCATED, terminal)):
        columns = np.flatnonzero(excluded)
        M[np.flatnonzero(ends == end)[:, np.newaxis], :, columns] = 0.0


def _entries_of_rewards(
    tables: Tables, sequences: Sequences
) -> tuple[IntArray, tuple[IntArray, IntArray, IntArray]]:
    """Symbols with a level of reward, and their a, o and k in W.

    Where rewards depend on an observation that is missing, they tell nothing.
    """
    W, o = tables.W, sequences.observations
    told = (sequences.levels != NONE) & (W.shape[4] > 1) & ((o != NONE) | (W.shape[3] == 1))
    paid = np.flatnonzero(told)
    of_table = o[paid] if W.shape[3] > 1 else np.zeros_like(paid)
    return paid, (sequences.actions[paid], of_table, sequences.levels[paid])


def expected(
    tables: Tables,
    sequences: Sequences,
    threads: Threads,
    check: Callable[[], None] | None = None,
) -> Expected:
    """Compute expected counts and the log-likelihood (Devijver's scaled forward and backward pass).

    `check` is called several times a second, by each thread, and may raise `LimitReached`.

    Raises
    ------
    DataError, ModelError
        As `kernel_tables` does.
    """
    arrays = kernel_tables(tables, sequences)
    C, n = arrays.M.shape[:2]
    request_compilation(sequences.n_steps * n * n)
    span = max(1, SPAN_WORK // (n * n))
    loglik = np.full(len(sequences.steps.kinds), -np.inf)

    def nothing() -> em.Counts:
        return em.Counts(np.zeros((C, n, n)), np.zeros_like(arrays.starts), loglik)

    def count(chunk: tuple[int, int]) -> tuple[bool, em.Counts]:
        counts = nothing()
        with threads.room(sequences.longest, C, n) as work:
            work.waiting[:] = 0
            work.place[:] = chunk[0], em.BEGIN, 0, 0
            status = em.MORE
            while status == em.MORE:
                if check is not None:
                    check()
                status = em.count_episodes(chunk[1], span, sequences.steps, arrays, work, counts)
        return status == em.DONE, counts

    chunks = zip(sequences.chunks[:-1].tolist(), sequences.chunks[1:].tolist(), strict=True)
    total = nothing()
    possible = True
    for good, counts in threads.map(count, chunks):
        possible = possible and good
        _add(total, counts)
    value = float(loglik @ sequences.steps.weights) if possible else -np.inf
    return _in_tables(total, value, arrays, tables, sequences)


def _add(total: em.Counts, part: em.Counts) -> None:
    total.products[...] += part.products
    total.starts[...] += part.starts


def _in_tables(
    counts: em.Counts, loglik: float, arrays: em.Tables, tables: Tables, sequences: Sequences
) -> Expected:
    """Bring sums over symbols into the shapes of the tables."""
    S, a, o = tables.n_states, sequences.actions, sequences.observations
    steps = (counts.products * arrays.M)[:, :S, :S]
    T, Z = np.zeros(tables.T.shape), np.zeros(tables.Z.shape)
    np.add.at(T, a, steps)
    seen = o != NONE
    of_table = np.zeros_like(a) if tables.shared else a
    np.add.at(Z.transpose(0, 2, 1), (of_table[seen], o[seen]), steps[seen].sum(axis=1))
    early = sequences.starts != NONE
    np.add.at(Z[0].T, sequences.starts[early], counts.starts[early, :S])
    W = np.zeros(tables.W.shape)
    paid, at = _entries_of_rewards(tables, sequences)
    own = steps[paid]
    for axis in (1, 2):
        own = own.sum(axis=axis, keepdims=True) if W.shape[axis] == 1 else own
    np.add.at(W.transpose(0, 3, 4, 1, 2), at, own)
    return Expected(T, Z, counts.starts[:, :S].sum(axis=0), W, loglik, steps)
