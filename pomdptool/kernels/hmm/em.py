"""Expected counts of a hidden Markov model with actions: the E-step of Baum and Welch.

A step's action, its observation and, if rewards carry information about states, the bin k of its
reward form one symbol c. Only M[c] = T[a] * Z[a, :, o] * W[a, :, :, o, k] matters to the forward
and backward passes (see `forward_backward`), whose outer products are summed by symbol.

Of a long episode alpha is stored only at the ends of blocks, and recomputed, to the same bits, when
the backward pass reaches a block. Counting ends with the last episode, or at one of likelihood 0.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pomdptool.kernels.hmm.forward_backward import (
    add_waiting,
    backward,
    backward_four,
    copy,
    forward,
    forward_four,
    scaled,
)
from pomdptool.kernels.jit import kernel

DONE, MORE, IMPOSSIBLE = 0, 1, 2
"""Statuses of `count_episodes`."""

EPISODE, PHASE, BLOCK, STEP = 0, 1, 2, 3
"""Indices into `Work.place`: the episode, its phase, the block and the next step."""

BEGIN, FORWARD, AGAIN, BACKWARD = 0, 1, 2, 3
"""Phases of an episode; AGAIN recomputes alpha of a block before the last one."""


class Steps(NamedTuple):
    """Episodes as sequences of symbols.

    symbols (n_steps,); first (n_episodes + 1,): first step of each episode; kinds (n_episodes,):
    row of `Tables.starts` of each; weights (n_episodes,): how often each occurs.
    """

    symbols: np.ndarray
    first: np.ndarray
    kinds: np.ndarray
    weights: np.ndarray


class Tables(NamedTuple):
    """M[c, s, s'] of each symbol, its transpose, and each kind of initial distribution."""

    M: np.ndarray
    Mt: np.ndarray
    starts: np.ndarray


class Work(NamedTuple):
    """Work arrays of one thread.

    alpha (length + 1, S) of a block's steps and the one before, scale (length,): their N; before
    (n_blocks, S): alpha before each block; beta (2, S): beta and N beta; left (n_symbols, S,
    BUFFER_SIZE) and right (n_symbols, BUFFER_SIZE, S): buffered factors of outer products, waiting
    (n_symbols,): their number; place (4,): where counting has paused; loglik (1,): log-likelihood
    of that episode up to there.
    """

    alpha: np.ndarray
    scale: np.ndarray
    before: np.ndarray
    beta: np.ndarray
    left: np.ndarray
    right: np.ndarray
    waiting: np.ndarray
    place: np.ndarray
    loglik: np.ndarray


class Counts(NamedTuple):
    """Expected counts: sums over episodes, each times its weight.

    products (n_symbols, S, S): outer products, to be multiplied by M; starts (n_kinds, S):
    posteriors of the first state; loglik (n_episodes,): log-likelihood of each episode.
    """

    products: np.ndarray
    starts: np.ndarray
    loglik: np.ndarray


@kernel(inner=True)
def begin_episode(e, steps, tables, work):
    """Initialise alpha and beta for episode e; False if its initial distribution vanishes."""
    alpha, before, beta = work.alpha, work.before, work.beta
    copy(tables.starts, steps.kinds[e], alpha, 0)
    total = scaled(alpha, 0)
    if not total > 0.0:
        return False
    work.loglik[0] = np.log(total)
    copy(alpha, 0, before, 0)
    for s in range(alpha.shape[1]):
        beta[0, s] = steps.weights[e]
    return True


@kernel(inner=True)
def end_episode(e, steps, work, counts):
    """Add the posterior of the first state of episode e, and store its log-likelihood."""
    alpha, beta = work.alpha, work.beta
    counts.loglik[e] = work.loglik[0]
    for s in range(alpha.shape[1]):
        if alpha[0, s] > 0.0:
            counts.starts[steps.kinds[e], s] += alpha[0, s] * beta[0, s]


@kernel(inner=True)
def forward_part(begin, end, low, symbols, tables, work):
    """Forward pass from step `begin` to `end`, in the block whose first step is `low`."""
    alpha, scale = work.alpha[begin - low :], work.scale[begin - low :]
    if alpha.shape[1] == 4:
        return forward_four(symbols[begin:end], tables.Mt, alpha, scale)
    return forward(symbols[begin:end], tables.Mt, alpha, scale)


@kernel(inner=True)
def backward_part(begin, end, low, symbols, tables, work, products):
    """Backward pass from step `end` to `begin`, in the block whose first step is `low`."""
    if work.alpha.shape[1] == 4:
        backward_four(symbols[begin:end], tables.M, begin - low, work, products)
    else:
        backward(symbols[begin:end], tables.M, begin - low, work, products)


@kernel(nogil=True)
def count_episodes(end, span, steps, tables, work, counts):
    """Add the expected counts of the episodes before `end`, from where `work` has paused.

    Returns `MORE` after about `span` steps, to be called again; `DONE` when all episodes are
    counted; `IMPOSSIBLE` if one has likelihood 0. Where it pauses depends on the data alone.
    """
    symbols, place, length, spent = steps.symbols, work.place, len(work.scale), 0
    while place[EPISODE] < end:
        if spent >= span:
            return MORE
        e = place[EPISODE]
        first, stop = steps.first[e], steps.first[e + 1]
        if place[PHASE] == BEGIN:
            if not begin_episode(e, steps, tables, work):
                return IMPOSSIBLE
            place[PHASE], place[BLOCK], place[STEP] = FORWARD, 0, first
            spent += 1
        k, t = place[BLOCK], place[STEP]
        low = first + k * length
        high = min(stop, low + length)
        if place[PHASE] == BACKWARD:
            until = max(low, t - span)
            backward_part(until, t, low, symbols, tables, work, counts.products)
            place[STEP], spent = until, spent + t - until
            if until > low:
                continue
            if k > 0:  # recompute alpha of the block before
                copy(work.before, k - 1, work.alpha, 0)
                place[PHASE], place[BLOCK], place[STEP] = AGAIN, k - 1, low - length
                continue
            end_episode(e, steps, work, counts)
            place[PHASE], place[EPISODE] = BEGIN, e + 1
            continue
        until = min(high, t + span)
        gain, done = forward_part(t, until, low, symbols, tables, work)
        if done < until - t:
            return IMPOSSIBLE
        if place[PHASE] == FORWARD:
            work.loglik[0] += gain
        place[STEP], spent = until, spent + until - t
        if until < high:
            continue
        if place[PHASE] == FORWARD and high < stop:
            copy(work.alpha, length, work.before, k + 1)
            copy(work.alpha, length, work.alpha, 0)
            place[BLOCK] = k + 1
        else:
            place[PHASE] = BACKWARD
    add_waiting(work.left, work.right, work.waiting, counts.products)
    return DONE
