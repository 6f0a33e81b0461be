"""Expected counts of a hidden Markov model with actions: the E-step of Baum and Welch.

A step's action and observation, and the level of its reward k where rewards tell states apart, are
one symbol c, and only M[c] = T[a] * Z[a, :, o] * W[a, :, :, o, k] matters:

    alpha_t[s'] = N_t * sum over s of alpha_(t-1)[s] M[c_t, s, s']     (sums to 1: N_t scales it)
    beta_(t-1)[s] = N_t * sum over s' of M[c_t, s, s'] beta_t[s']
    log-likelihood = - sum over t of log N_t

so that alpha is the filtered posterior and alpha_t * beta_t the smoothed one (Devijver 1985). The
expected number of transitions under c is M[c] times the sum of the outer products of alpha_(t-1)
and N_t beta_t; of many states products wait until there are eight of a symbol, for what costs is to
move the sum.

What is below `TINY` before it is scaled counts as nothing, in both directions, so that beta, which
is at most 1 / alpha, stays finite. Of a long episode alpha is kept at the ends of blocks only, and
computed again, to the same bits, when its block's turn has come.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pomdptool.kernels.jit import kernel

TINY = 1e-280
"""Probabilities of one step and state below this are 0."""

UNLIKELY = 1e-20
"""Likelihoods of steps are multiplied, and their logarithms taken at once, unless one is below."""

MANY = 24
"""States from which on products wait."""

WAITING = 8
"""Products of a symbol that are added at once."""

DONE, MORE, IMPOSSIBLE = 0, 1, 2
"""What `count_episodes` returns."""

EPISODE, PHASE, BLOCK, STEP = 0, 1, 2, 3
"""Where `Work.place` holds the episode, the phase, the block and the next step."""

BEGIN, FORWARD, AGAIN, BACKWARD = 0, 1, 2, 3
"""Phases of an episode; a block before the last one is done forward again on the way back."""


class Steps(NamedTuple):
    """Episodes as symbols.

    Of each step (n_steps,) the symbol; where each episode begins (n_episodes + 1,); of each episode
    its row of `Tables.starts` and how often it occurs.
    """

    symbols: np.ndarray
    first: np.ndarray
    kinds: np.ndarray
    weights: np.ndarray


class Tables(NamedTuple):
    """Of each symbol M[c, s, s'] and its transpose; of each kind of start the weights of states."""

    M: np.ndarray
    Mt: np.ndarray
    starts: np.ndarray


class Work(NamedTuple):
    """Room for one thread.

    alpha of a block's steps and the one before (length + 1, S), their N (length,), alpha before
    each block (n_blocks, S), a row for beta and one for N beta (2, S); and the products that wait,
    (n_symbols, S, WAITING) and (n_symbols, WAITING, S), with their number (n_symbols,). Where
    counting has paused (4,), and the log-likelihood of that episode so far (1,).
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
    """Sums over episodes, each times its weight.

    Outer products (n_symbols, S, S), to be multiplied by M; the posterior of the first state, by
    kind of start (n_kinds, S); the log-likelihood of each episode of the whole lot (n_episodes,).
    """

    products: np.ndarray
    starts: np.ndarray
    loglik: np.ndarray


@kernel(inner=True, fastmath={"reassoc", "contract"})
def times(M, c, v, t, out, u):
    """Row u of `out` becomes the matrix M[c] times row t of v, four rows of M at a time."""
    S = M.shape[1]
    i = 0
    while i + 4 <= S:
        a, b, d, e = 0.0, 0.0, 0.0, 0.0
        for j in range(S):
            x = v[t, j]
            a += M[c, i, j] * x
            b += M[c, i + 1, j] * x
            d += M[c, i + 2, j] * x
            e += M[c, i + 3, j] * x
        out[u, i], out[u, i + 1], out[u, i + 2], out[u, i + 3] = a, b, d, e
        i += 4
    while i < S:
        a = 0.0
        for j in range(S):
            a += M[c, i, j] * v[t, j]
        out[u, i] = a
        i += 1


@kernel(inner=True)
def copy(source, t, target, u):
    """Copy row t of one table to row u of another."""
    for s in range(source.shape[1]):
        target[u, s] = source[t, s]


@kernel(inner=True, fastmath={"contract"})
def scaled(v, t):
    """Scale row t to sum to 1; returns what it summed to, 0 where it is nothing."""
    S = v.shape[1]
    total = 0.0
    for s in range(S):
        x = v[t, s] if v[t, s] >= TINY else 0.0
        v[t, s] = x
        total += x
    if total > 0.0:
        N = 1.0 / total
        for s in range(S):
            v[t, s] *= N
    return total


@kernel(inner=True)
def forward(symbols, Mt, alpha, scale):
    """Rows 1, 2, ... of alpha, and N, from row 0; returns the log-likelihood and the steps done.

    They are fewer than the symbols where the next one is impossible.
    """
    loglik, likelihood = 0.0, 1.0
    for t in range(len(symbols)):
        times(Mt, symbols[t], alpha, t, alpha, t + 1)
        total = scaled(alpha, t + 1)
        if not total > 0.0:
            return loglik + np.log(likelihood), t
        scale[t] = 1.0 / total
        if total < UNLIKELY:
            loglik += np.log(total)
        else:
            likelihood *= total
            if likelihood < TINY:
                loglik += np.log(likelihood)
                likelihood = 1.0
    return loglik + np.log(likelihood), len(symbols)


@kernel(inner=True, fastmath={"reassoc", "contract"})
def forward_four(symbols, Mt, alpha, scale):
    """Do what `forward` does, for four states, in registers."""
    loglik, likelihood = 0.0, 1.0
    p, q, r, s = alpha[0, 0], alpha[0, 1], alpha[0, 2], alpha[0, 3]
    for t in range(len(symbols)):
        c = symbols[t]
        p, q, r, s = (
            (Mt[c, 0, 0] * p + Mt[c, 0, 1] * q) + (Mt[c, 0, 2] * r + Mt[c, 0, 3] * s),
            (Mt[c, 1, 0] * p + Mt[c, 1, 1] * q) + (Mt[c, 1, 2] * r + Mt[c, 1, 3] * s),
            (Mt[c, 2, 0] * p + Mt[c, 2, 1] * q) + (Mt[c, 2, 2] * r + Mt[c, 2, 3] * s),
            (Mt[c, 3, 0] * p + Mt[c, 3, 1] * q) + (Mt[c, 3, 2] * r + Mt[c, 3, 3] * s),
        )
        p, q = p if p >= TINY else 0.0, q if q >= TINY else 0.0
        r, s = r if r >= TINY else 0.0, s if s >= TINY else 0.0
        total = (p + q) + (r + s)
        if not total > 0.0:
            return loglik + np.log(likelihood), t
        N = 1.0 / total
        p, q, r, s = p * N, q * N, r * N, s * N
        alpha[t + 1, 0], alpha[t + 1, 1], alpha[t + 1, 2], alpha[t + 1, 3] = p, q, r, s
        scale[t] = N
        if total < UNLIKELY:
            loglik += np.log(total)
        else:
            likelihood *= total
            if likelihood < TINY:
                loglik += np.log(likelihood)
                likelihood = 1.0
    return loglik + np.log(likelihood), len(symbols)


@kernel(inner=True, fastmath={"contract"})
def add_products(c, left, right, products):
    """Add the products that wait for symbol c."""
    S = products.shape[1]
    for i in range(S):
        p, q, x, y = left[c, i, 0], left[c, i, 1], left[c, i, 2], left[c, i, 3]
        r, s, z, w = left[c, i, 4], left[c, i, 5], left[c, i, 6], left[c, i, 7]
        for j in range(S):
            products[c, i, j] += (
                (p * right[c, 0, j] + q * right[c, 1, j])
                + (x * right[c, 2, j] + y * right[c, 3, j])
            ) + (
                (r * right[c, 4, j] + s * right[c, 5, j])
                + (z * right[c, 6, j] + w * right[c, 7, j])
            )


@kernel(inner=True, fastmath={"contract"})
def add_waiting(left, right, waiting, products):
    """Add what still waits."""
    for c in range(len(waiting)):
        if waiting[c] > 0:
            for k in range(waiting[c], WAITING):
                for s in range(left.shape[1]):
                    left[c, s, k] = 0.0
            add_products(c, left, right, products)
            waiting[c] = 0


@kernel(inner=True, fastmath={"contract"})
def backward(symbols, M, row, work, products):
    """From beta after the last symbol to beta before the first one; adds what is counted.

    The row of alpha before the first symbol is `row`. Beta is times the episode's weight, and so
    are the products.
    """
    alpha, scale, beta = work.alpha[row:], work.scale[row:], work.beta
    left, right, waiting = work.left, work.right, work.waiting
    S = alpha.shape[1]
    for t in range(len(symbols) - 1, -1, -1):
        c = symbols[t]
        for s in range(S):
            beta[1, s] = beta[0, s] * scale[t] if alpha[t + 1, s] > 0.0 else 0.0
        times(M, c, beta, 1, beta, 0)
        if S < MANY:
            for i in range(S):
                for j in range(S):
                    products[c, i, j] += alpha[t, i] * beta[1, j]
        else:
            k = waiting[c]
            for s in range(S):
                left[c, s, k] = alpha[t, s]
                right[c, k, s] = beta[1, s]
            waiting[c] = (k + 1) % WAITING
            if k + 1 == WAITING:
                add_products(c, left, right, products)


@kernel(inner=True, fastmath={"contract"})
def backward_four(symbols, M, row, work, products):
    """Do what `backward` does, for four states, in registers."""
    alpha, scale, beta = work.alpha[row:], work.scale[row:], work.beta
    p, q, r, s = beta[0, 0], beta[0, 1], beta[0, 2], beta[0, 3]
    for t in range(len(symbols) - 1, -1, -1):
        c, N = symbols[t], scale[t]
        p, q, r, s = p * N, q * N, r * N, s * N
        for i in range(4):
            a = alpha[t, i]
            products[c, i, 0] += a * p
            products[c, i, 1] += a * q
            products[c, i, 2] += a * r
            products[c, i, 3] += a * s
            x = (M[c, i, 0] * p + M[c, i, 1] * q) + (M[c, i, 2] * r + M[c, i, 3] * s)
            beta[0, i] = x if a > 0.0 else 0.0
        p, q, r, s = beta[0, 0], beta[0, 1], beta[0, 2], beta[0, 3]


@kernel(inner=True)
def begin_episode(e, steps, tables, work):
    """Get ready for episode e; returns whether its start is possible."""
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
    """Count the first state of episode e, and note its log-likelihood."""
    alpha, beta = work.alpha, work.beta
    counts.loglik[e] = work.loglik[0]
    for s in range(alpha.shape[1]):
        if alpha[0, s] > 0.0:
            counts.starts[steps.kinds[e], s] += alpha[0, s] * beta[0, s]


@kernel(nogil=True)
def count_episodes(end, span, steps, tables, work, counts):
    """Count what is expected in some episodes before `end`, from the place that `work` is at.

    After about `span` steps it returns `MORE`, and goes on where it is called again; `DONE` when
    all is counted; `IMPOSSIBLE` where the data are. Where it pauses depends on the data alone.
    """
    symbols, place, length, spent = steps.symbols, work.place, len(work.scale), 0
    alpha, scale, four = work.alpha, work.scale, work.alpha.shape[1] == 4
    while place[EPISODE] < end:
        if spent >= span:
            return MORE
        e = place[EPISODE]
        at, stop = steps.first[e], steps.first[e + 1]
        if place[PHASE] == BEGIN:
            if not begin_episode(e, steps, tables, work):
                return IMPOSSIBLE
            place[PHASE], place[BLOCK], place[STEP] = FORWARD, 0, at
            spent += 1
        k, t = place[BLOCK], place[STEP]
        low = at + k * length
        high = min(stop, low + length)
        if place[PHASE] == BACKWARD:
            until = max(low, t - span)
            if four:
                backward_four(symbols[until:t], tables.M, until - low, work, counts.products)
            else:
                backward(symbols[until:t], tables.M, until - low, work, counts.products)
            place[STEP], spent = until, spent + t - until
            if until > low:
                continue
            if k > 0:  # the block before, forward again
                copy(work.before, k - 1, alpha, 0)
                place[PHASE], place[BLOCK], place[STEP] = AGAIN, k - 1, low - length
                continue
            end_episode(e, steps, work, counts)
            place[PHASE], place[EPISODE] = BEGIN, e + 1
            continue
        until = min(high, t + span)
        if four:
            gain, done = forward_four(
                symbols[t:until], tables.Mt, alpha[t - low :], scale[t - low :]
            )
        else:
            gain, done = forward(symbols[t:until], tables.Mt, alpha[t - low :], scale[t - low :])
        if done < until - t:
            return IMPOSSIBLE
        if place[PHASE] == FORWARD:
            work.loglik[0] += gain
        place[STEP], spent = until, spent + until - t
        if until < high:
            continue
        if place[PHASE] == FORWARD and high < stop:
            copy(alpha, length, work.before, k + 1)
            copy(alpha, length, alpha, 0)
            place[BLOCK] = k + 1
        else:
            place[PHASE] = BACKWARD
    add_waiting(work.left, work.right, work.waiting, counts.products)
    return DONE
