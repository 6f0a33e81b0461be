"""Likelihoods, filtered and smoothed states, and the likeliest paths of episodes given as symbols.

See `pomdptool.kernels.hmm.em` for the recursions and the arrays.
"""

from __future__ import annotations

import numpy as np

from pomdptool.kernels.hmm.em import copy, forward, scaled, times
from pomdptool.kernels.jit import kernel


@kernel(nogil=True)
def measure_episodes(begin, end, steps, tables, alpha, scale, loglik, stopped):
    """Fill in the log-likelihoods of episodes from `begin` to `end`, by blocks of steps.

    Where one is impossible, minus infinity, and in `stopped` its first impossible symbol, -1 for
    the start; `stopped` is not touched elsewhere.
    """
    length = len(scale)
    for e in range(begin, end):
        at, stop = steps.first[e], steps.first[e + 1]
        copy(tables.starts, steps.kinds[e], alpha, 0)
        total = scaled(alpha, 0)
        if not total > 0.0:
            loglik[e], stopped[e] = -np.inf, -1
            continue
        sum_ = np.log(total)
        for low in range(at, stop, length):
            high = min(stop, low + length)
            gain, done = forward(steps.symbols[low:high], tables.Mt, alpha, scale)
            sum_ += gain
            if done < high - low:
                sum_, stopped[e] = -np.inf, low + done - at
                break
            copy(alpha, high - low, alpha, 0)
        loglik[e] = sum_


@kernel
def filter_episode(symbols, start, Mt, alpha, scale):
    """Fill in alpha, (n + 1, S), and N, (n,).

    Returns the first impossible symbol, -1 for the start, n where all are possible.
    """
    for s in range(len(start)):
        alpha[0, s] = start[s]
    if not scaled(alpha, 0) > 0.0:
        return -1
    return forward(symbols, Mt, alpha, scale)[1]


@kernel(fastmath={"contract"})
def smooth_episode(symbols, M, alpha, scale, beta):
    """Fill in N beta, row by row that it is carried back from, and beta of the start in row 0.

    So that alpha[t] * (M beta[t + 1]) is the posterior of the state before step t.
    """
    n, S = len(symbols), alpha.shape[1]
    room = np.ones((1, S))
    for t in range(n - 1, -1, -1):
        for s in range(S):
            beta[t + 1, s] = room[0, s] * scale[t]
        times(M, symbols[t], beta, t + 1, room, 0)
        for s in range(S):
            room[0, s] = room[0, s] if alpha[t, s] > 0.0 else 0.0
    copy(room, 0, beta, 0)


@kernel
def best_path(symbols, log_start, log_M, came_from, path):
    """Fill in the likeliest path of states, (n + 1,); returns its log-probability (Viterbi 1967).

    `came_from` has shape (n, S). Of equal paths the one of smaller states is taken.
    """
    n, S = len(symbols), len(log_start)
    here, there = log_start.copy(), np.empty(S)
    for t in range(n):
        c = symbols[t]
        for s2 in range(S):
            best, k = -np.inf, 0
            for s in range(S):
                x = here[s] + log_M[c, s, s2]
                if x > best:
                    best, k = x, s
            there[s2], came_from[t, s2] = best, k
        for s in range(S):
            here[s] = there[s]
    last = 0
    for s in range(S):
        if here[s] > here[last]:
            last = s
    path[n] = last
    for t in range(n - 1, -1, -1):
        path[t] = came_from[t, path[t + 1]]
    return here[last]
