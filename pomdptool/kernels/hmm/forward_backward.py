"""The forward and backward passes of a hidden Markov model with actions, scaled.

With the symbol c of each step and M[c, s, s'] the joint probability of s' and the symbol given s,

    alpha_t[s'] = N_t * sum over s of alpha_(t-1)[s] M[c_t, s, s']     (sums to 1: N_t scales it)
    beta_(t-1)[s] = N_t * sum over s' of M[c_t, s, s'] beta_t[s']
    log-likelihood = - sum over t of log N_t

alpha is the filtered posterior, alpha_t * beta_t the smoothed one (Devijver 1985). The expected
number of transitions under c is M[c] times the sum of the outer products of alpha_(t-1) and
N_t beta_t. With many states, where the cost lies in moving that sum through memory, outer products
are buffered and added `BUFFER_SIZE` at a time.

Unscaled values below `TINY` are set to 0 in both passes, so that beta, which is at most 1 / alpha,
stays finite. A pass ends with the last symbol, or at one of likelihood 0.
"""

from __future__ import annotations

import numpy as np

from pomdptool.kernels.jit import kernel

TINY = 1e-280
"""Probabilities of one step and state below this count as 0."""

UNLIKELY = 1e-20
"""Likelihoods of steps above this are multiplied before the logarithm of the product is taken."""

BUFFERED_STATES = 24
"""Number of states from which on outer products are buffered."""

BUFFER_SIZE = 8
"""Outer products of a symbol that are added at once."""


@kernel(inner=True, fastmath={"reassoc", "contract"})
def times(M, c, v, t, out, u):
    """Matrix-vector product: row u of `out` is M[c] times row t of v, four rows of M at a time."""
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
    """Scale row t to sum to 1; returns the sum before, 0 if the row vanishes."""
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
def accumulate(loglik, likelihood, total):
    """Multiply a step's likelihood in; the log-likelihood, and the factor not yet part of it."""
    if total < UNLIKELY:
        return loglik + np.log(total), likelihood
    likelihood *= total
    if likelihood < TINY:
        return loglik + np.log(likelihood), 1.0
    return loglik, likelihood


@kernel(inner=True)
def forward(symbols, Mt, alpha, scale):
    """Forward pass: alpha in rows 1, 2, ... from row 0, and N; the log-likelihood and steps done.

    The steps are fewer than the symbols if the next symbol has likelihood 0.
    """
    loglik, likelihood = 0.0, 1.0
    for t in range(len(symbols)):
        times(Mt, symbols[t], alpha, t, alpha, t + 1)
        total = scaled(alpha, t + 1)
        if not total > 0.0:
            return loglik + np.log(likelihood), t
        scale[t] = 1.0 / total
        loglik, likelihood = accumulate(loglik, likelihood, total)
    return loglik + np.log(likelihood), len(symbols)


@kernel(inner=True, fastmath={"reassoc", "contract"})
def forward_four(symbols, Mt, alpha, scale):
    """Forward pass for four states, which stay in registers."""
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
        loglik, likelihood = accumulate(loglik, likelihood, total)
    return loglik + np.log(likelihood), len(symbols)


@kernel(inner=True, fastmath={"contract"})
def add_products(c, left, right, products):
    """Add the buffered outer products of symbol c."""
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
    """Add all outer products that are still buffered."""
    for c in range(len(waiting)):
        if waiting[c] > 0:
            for k in range(waiting[c], BUFFER_SIZE):
                for s in range(left.shape[1]):
                    left[c, s, k] = 0.0
            add_products(c, left, right, products)
            waiting[c] = 0


@kernel(inner=True, fastmath={"contract"})
def backward(symbols, M, row, work, products):
    """Backward pass: beta from after the last symbol to before the first; adds outer products.

    Row `row` of alpha precedes the first symbol. Beta, and so each outer product, is multiplied by
    the episode's weight.
    """
    alpha, scale, beta = work.alpha[row:], work.scale[row:], work.beta
    left, right, waiting = work.left, work.right, work.waiting
    S = alpha.shape[1]
    for t in range(len(symbols) - 1, -1, -1):
        c = symbols[t]
        for s in range(S):
            beta[1, s] = beta[0, s] * scale[t] if alpha[t + 1, s] > 0.0 else 0.0
        times(M, c, beta, 1, beta, 0)
        if S < BUFFERED_STATES:
            for i in range(S):
                for j in range(S):
                    products[c, i, j] += alpha[t, i] * beta[1, j]
        else:
            k = waiting[c]
            for s in range(S):
                left[c, s, k] = alpha[t, s]
                right[c, k, s] = beta[1, s]
            waiting[c] = (k + 1) % BUFFER_SIZE
            if k + 1 == BUFFER_SIZE:
                add_products(c, left, right, products)


@kernel(inner=True, fastmath={"contract"})
def backward_four(symbols, M, row, work, products):
    """Backward pass for four states, which stay in registers."""
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
