"""Likelihood, filtering, smoothing and Viterbi paths of episodes given as symbols.

See `forward_backward` for the recursions and `em` for the arrays. Every pass ends with the episode,
or at its first symbol of likelihood 0.
"""

from __future__ import annotations

import numpy as np

from pomdptool.kernels.hmm.forward_backward import copy, forward, scaled, times
from pomdptool.kernels.jit import kernel


@kernel(nogil=True)
def measure_episodes(begin, end, steps, tables, alpha, scale, loglik, stopped):
    """Compute the log-likelihoods of episodes `begin` to `end`, by blocks of steps.

    That of an impossible episode is minus infinity, and `stopped` is set to its first symbol of
    likelihood 0, -1 for the initial distribution; `stopped` of other episodes is left as it is.
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
    """Compute alpha, shape (n + 1, S), and N, shape (n,).

    Returns the first symbol of likelihood 0, -1 for the initial distribution, n if there is none.
    """
    for s in range(len(start)):
        alpha[0, s] = start[s]
    if not scaled(alpha, 0) > 0.0:
        return -1
    return forward(symbols, Mt, alpha, scale)[1]


@kernel(fastmath={"contract"})
def smooth_episode(symbols, M, alpha, scale, beta):
    """Compute N beta of every step in rows 1 .. n, and beta of the initial state in row 0.

    alpha[t] * (M beta[t + 1]) is then the posterior of the state before step t.
    """
    n, S = len(symbols), alpha.shape[1]
    current = np.ones((1, S))
    for t in range(n - 1, -1, -1):
        for s in range(S):
            beta[t + 1, s] = current[0, s] * scale[t]
        times(M, symbols[t], beta, t + 1, current, 0)
        for s in range(S):
            current[0, s] = current[0, s] if alpha[t, s] > 0.0 else 0.0
    copy(current, 0, beta, 0)


@kernel
def best_path(symbols, log_start, log_M, came_from, path):
    """Compute the most likely state path, (n + 1,); returns its log-probability (Viterbi 1967).

    `came_from` has shape (n, S). Ties go to the smaller state.
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
