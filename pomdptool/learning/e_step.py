"""The E-step: expected counts of transitions, observations, initial states and rewards.

    n[c, s, s'] = sum over t with symbol c of P(s_(t-1) = s, s_t = s' | data, parameters),

from Devijver's scaled forward and backward passes (see `pomdptool.kernels.hmm.em`), summed by
symbol c into the shapes of the parameters.
"""

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
"""Bytes of alpha stored per thread; longer episodes run in blocks, with two forward passes."""

CALL_WORK = 1 << 25
"""Multiplications per kernel call, some hundredths of a second; limits are checked in between."""

MIN_STATES = 4
"""Smaller models are padded with impossible states: the kernel for four states is the fastest."""


@dataclass(frozen=True, eq=False, slots=True)
class ExpectedCounts:
    """Expected counts in the shapes of `Parameters`, and the log-likelihood.

    Attributes
    ----------
    T, Z, start, W
        Expected number of transitions s -> s' under a, of observations o in s' after a, of
        episodes that start in s, and of rewards in bin k.
    loglik
        Log-likelihood of the data; minus infinity, with undefined counts, if an episode has
        probability 0.
    steps
        Shape (C, S, S): expected number of transitions s -> s' with each of the C symbols.
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
    """A pool of threads with reusable work arrays; without threads if `count` is 1."""

    def __init__(self, count: int) -> None:
        self.pool = ThreadPoolExecutor(count) if count > 1 else None
        self.idle: dict[tuple[int, ...], SimpleQueue[em.Work]] = {}

    def __enter__(self) -> Threads:
        return self

    def __exit__(self, *error: object) -> None:
        if self.pool is not None:
            self.pool.shutdown()

    def map(self, function: Callable[[X], Y], items: Iterable[X]) -> Iterable[Y]:
        """Apply a function to each item; results are in order."""
        return map(function, items) if self.pool is None else self.pool.map(function, items)

    @contextmanager
    def work_arrays(self, longest: int, symbols: int, states: int) -> Iterator[em.Work]:
        """Lend the work arrays for one chunk."""
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
    """M of each symbol, and the initial distribution for each first observation.

    Raises DataError if an observation precedes the first action but observations depend on the
    action, and ModelError if M would be too large.
    """
    S, n = parameters.n_states, max(parameters.n_states, MIN_STATES)
    a, o = sequences.actions, sequences.observations
    check_dense_size((len(a), n, n), "table of symbols")
    M = np.zeros((len(a), n, n))
    M[:, :S, :S] = parameters.T[a]
    known = o != NONE
    row = np.zeros_like(a) if parameters.shared else a
    M[known, :S, :S] *= parameters.Z[row[known], :, o[known]][:, np.newaxis]
    rewarded, at = _reward_entries(parameters, sequences)
    M[rewarded, :S, :S] *= parameters.W.transpose(0, 3, 4, 1, 2)[at]
    if parameters.terminal is not None:
        constrain(M[:, :S, :S], parameters.terminal, sequences.ends)
    starts = np.zeros((len(sequences.starts), n))
    starts[:, :S] = parameters.start
    early = sequences.starts != NONE
    if early.any() and not parameters.shared:
        raise DataError(
            "an observation precedes the first action, but observations depend on the action: "
            "use a shared observation model"
        )
    starts[early, :S] *= parameters.Z[0][:, sequences.starts[early]].T
    return em.Tables(M, np.ascontiguousarray(M.transpose(0, 2, 1)), starts)


def constrain(M: FloatArray, terminal: NDArray[np.bool_], ends: IntArray) -> None:
    """Set entries of M[c, s, s'] to 0 that contradict the ends of the symbols; see `ends`."""
    known = np.flatnonzero(ends != CUT)
    M[np.ix_(known, terminal)] = 0.0
    for end, excluded in ((TERMINATED, ~terminal), (TRUNCATED, terminal)):
        columns = np.flatnonzero(excluded)
        M[np.flatnonzero(ends == end)[:, np.newaxis], :, columns] = 0.0


def _reward_entries(
    parameters: Parameters, sequences: Sequences
) -> tuple[IntArray, tuple[IntArray, IntArray, IntArray]]:
    """Symbols with an informative reward, and their indices a, o and k in W.

    A reward that depends on a missing observation is not informative.
    """
    W, o = parameters.W, sequences.observations
    informative = (
        (sequences.reward_bins != NONE) & (W.shape[4] > 1) & ((o != NONE) | (W.shape[3] == 1))
    )
    rewarded = np.flatnonzero(informative)
    row = o[rewarded] if W.shape[3] > 1 else np.zeros_like(rewarded)
    return rewarded, (sequences.actions[rewarded], row, sequences.reward_bins[rewarded])


def expected_counts(
    parameters: Parameters,
    sequences: Sequences,
    threads: Threads,
    check: Callable[[], None] | None = None,
) -> ExpectedCounts:
    """Compute expected counts and the log-likelihood.

    Each thread calls `check` several times a second; it may raise `LimitReached`. Raises DataError
    and ModelError as `kernel_tables`.
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
        total.products[...] += counts.products
        total.starts[...] += counts.starts
    value = float(loglik @ sequences.steps.weights) if possible else -np.inf
    return _by_parameter(total, value, arrays, parameters, sequences)


def _by_parameter(
    counts: em.Counts,
    loglik: float,
    arrays: em.Tables,
    parameters: Parameters,
    sequences: Sequences,
) -> ExpectedCounts:
    """Sum counts by symbol into the shapes of the parameters."""
    S, a, o = parameters.n_states, sequences.actions, sequences.observations
    steps = (counts.products * arrays.M)[:, :S, :S]
    T, Z = np.zeros(parameters.T.shape), np.zeros(parameters.Z.shape)
    np.add.at(T, a, steps)
    known = o != NONE
    row = np.zeros_like(a) if parameters.shared else a
    np.add.at(Z.transpose(0, 2, 1), (row[known], o[known]), steps[known].sum(axis=1))
    early = sequences.starts != NONE
    np.add.at(Z[0].T, sequences.starts[early], counts.starts[early, :S])
    W = np.zeros(parameters.W.shape)
    rewarded, at = _reward_entries(parameters, sequences)
    own = steps[rewarded]
    for axis in (1, 2):
        own = own.sum(axis=axis, keepdims=True) if W.shape[axis] == 1 else own
    np.add.at(W.transpose(0, 3, 4, 1, 2), at, own)
    return ExpectedCounts(T, Z, counts.starts[:, :S].sum(axis=0), W, loglik, steps)
