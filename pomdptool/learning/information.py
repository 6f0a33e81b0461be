"""Standard errors of learned rewards from the observed information matrix.

By Fisher's identity, the score of the log-likelihood l is the expected score of the complete data:
dl/dp = n / p for a probability p with expected count n, which the E-step computes exactly. Finite
differences of scores yield the observed information

    I = - d^2 l / d theta^2,

which accounts for the uncertainty about the hidden states (Louis 1982; Oakes 1999). theta are the
entries of T, O, the initial belief and the probabilities W of reward bins, without the largest
entry of each row; priors are ignored. The reward of a row of W is R = sum of W[k] r[k] over bins k
with mean r[k] and variance v[k], and

    var R = g' I^-1 g + sum of W[k] v[k] / n,   g = dR / d theta.

Entries with n / p < 1, which no step of the data requires, are treated as fixed at zero. n / p is
finite at zero, so that entries near zero cause no numerical problems.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from pomdptool.deprecation import renamed
from pomdptool.episodes import Episodes
from pomdptool.kernels.jit import cores
from pomdptool.learning.e_step import MIN_STATES, ExpectedCounts, Threads, expected_counts
from pomdptool.learning.encoding import Sequences, encode
from pomdptool.learning.m_step import MStepSettings
from pomdptool.learning.parameters import Parameters
from pomdptool.learning.relabel import relabel
from pomdptool.learning.result import Fit
from pomdptool.learning.rewards import MIN_VISITS, bin_means, reward_bin_edges, reward_scale
from pomdptool.limits import LimitReached, Limits
from pomdptool.readable import Readable
from pomdptool.sparse import FloatArray, IntArray

MAX_PARAMETERS = 1000
"""Maximum number of parameters: each takes two passes over the data."""

MAX_WORK = 2e10
"""Maximum number of multiplications, some ten seconds."""

STEP = 1e-3
"""Step of the finite differences, relative to a parameter."""

MIN_PARAMETER = 1e-4
"""Parameters below this take the step of this value."""

FLOOR = 1e-12
"""Minimum of nonzero entries, which keeps n / p finite."""

ARRAYS = ("T", "Z", "start", "W")
"""Names in the order of `Parameters.arrays`."""

MAX_UNIDENTIFIED = 1e-3
"""Maximum fraction of a gradient in directions that are not identified."""

SINGULAR = 1e-7
"""Eigenvalues of the scaled information below this count as zero: not identified."""

MIN_SLOPE = 1.0
"""Minimum n / p of a free entry."""


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class StandardErrors(Readable):
    """Standard errors of R, in its shape; NaN where unknown, with the reason in `reasons`."""

    errors: FloatArray
    reasons: np.ndarray


@renamed(found="result")
def standard_errors(
    result: Fit, episodes: Episodes, *, threads: int | None = None, limits: Limits | None = None
) -> StandardErrors:
    """Compute standard errors of the rewards of `result`, learned from these episodes.

    They are NaN if the model or the data are too large, or if a limit is reached.
    """
    assert result.rewards is not None
    assert episodes.rewards is not None
    R, limits = result.rewards.R, limits or Limits()
    unit = reward_scale(episodes.rewards)
    episodes = relabel(replace(episodes, rewards=episodes.rewards / unit), result.model)
    bin_edges = reward_bin_edges(episodes)
    assert bin_edges is not None
    if limits.reason is not None:
        return _none(R, _LIMIT[limits.reason])
    sequences = encode(episodes, bin_edges)
    with Threads(threads or cores()) as pool:

        def count(parameters: Parameters) -> ExpectedCounts:
            return expected_counts(parameters, sequences, pool, limits.check)

        try:
            scaled = _errors(result, episodes, sequences, bin_edges, count)
        except LimitReached as stopped:
            return _none(R, _LIMIT[stopped.reason])
    return replace(scaled, errors=unit * scaled.errors)


_LIMIT = {
    "time-limit": "the time limit was reached",
    "interrupted": "the computation was interrupted",
}


def _none(R: FloatArray, reason: str) -> StandardErrors:
    return StandardErrors(np.full(R.shape, np.nan), np.full(R.shape, reason, dtype=object))


def _errors(
    result: Fit,
    episodes: Episodes,
    sequences: Sequences,
    bin_edges: FloatArray,
    count: Callable[[Parameters], ExpectedCounts],
) -> StandardErrors:
    assert result.rewards is not None
    R, visits = result.rewards.R, result.rewards.visits.reshape(-1)
    parts = (np.where(x > 0.0, np.maximum(x, FLOOR), 0.0) for x in result.estimate.arrays)
    parameters = _with_arrays(result.estimate, *parts)
    free = _free_entries(parameters, count(parameters), result.settings)
    n, S = len(free.row), parameters.n_states
    work = 2.0 * n * sequences.n_steps * max(S, MIN_STATES) ** 2
    if n > MAX_PARAMETERS or work > MAX_WORK:
        much = f"{n} parameters and {sequences.n_steps} steps"
        return _none(R, f"{much} are too many for the information matrix")
    mean, variance = (
        x[:, np.newaxis, np.newaxis, np.newaxis] for x in bin_means(episodes, bin_edges)
    )
    gradient = _gradient(free, np.broadcast_to(mean, parameters.W.shape), R.size)
    hidden = _variances(_information(free, parameters, count), gradient)
    within = (parameters.W * variance).sum(axis=4).reshape(-1) / np.maximum(visits, MIN_VISITS)
    constant = (gradient == 0.0).all(axis=1) & (within == 0.0)
    reasons = np.full(R.size, "", dtype=object)
    reasons[np.isnan(hidden)] = "the data do not identify the parameters that it depends on"
    reasons[constant] = "the observed rewards do not vary"
    reasons[visits < MIN_VISITS] = "no reward was observed"
    errors = np.where(reasons == "", np.sqrt(hidden + within), np.nan)
    return StandardErrors(errors.reshape(R.shape), reasons.reshape(R.shape))


@dataclass(frozen=True, eq=False, slots=True)
class _FreeEntries:
    """Free entries, shape (n,) each: index of the array, row, column, and column of the row's rest.

    `rest`, the largest entry of a row, is 1 minus the others.
    """

    part: IntArray
    row: IntArray
    column: IntArray
    rest: IntArray

    def score(self, parameters: Parameters, counts: ExpectedCounts) -> FloatArray:
        """Derivative of the log-likelihood with respect to each free entry."""
        slopes = [_slopes(p, n) for p, n in zip(parameters.arrays, counts.arrays, strict=True)]
        score = np.empty(len(self.part))
        for k, slope in enumerate(slopes):
            own = self.part == k
            row = self.row[own]
            score[own] = slope[row, self.column[own]] - slope[row, self.rest[own]]
        return score

    def moved(self, parameters: Parameters, j: int, by: float) -> Parameters:
        """Parameters with one free entry changed."""
        parts = list(parameters.arrays)
        k, row = int(self.part[j]), int(self.row[j])
        table = parts[k].copy()
        flat = table.reshape(-1, table.shape[-1])
        flat[row, self.column[j]] += by
        flat[row, self.rest[j]] -= by
        parts[k] = table
        return _with_arrays(parameters, *parts)

    def value(self, parameters: Parameters, j: int) -> float:
        """Value of one free entry."""
        table = parameters.arrays[int(self.part[j])]
        return float(table.reshape(-1, table.shape[-1])[self.row[j], self.column[j]])


def _with_arrays(
    parameters: Parameters, T: FloatArray, Z: FloatArray, start: FloatArray, W: FloatArray
) -> Parameters:
    return replace(parameters, T=T, Z=Z, start=start, W=W)


def _slopes(table: FloatArray, counts: FloatArray) -> FloatArray:
    """Counts divided by probabilities, one row per distribution; 0 for zero probabilities."""
    slopes = np.divide(counts, table, out=np.zeros(table.shape), where=table > 0.0)
    return slopes.reshape(-1, table.shape[-1])


def _free_entries(
    parameters: Parameters, counts: ExpectedCounts, settings: MStepSettings
) -> _FreeEntries:
    entries = []
    for k, (table, n) in enumerate(zip(parameters.arrays, counts.arrays, strict=True)):
        needed = _slopes(table, n) >= MIN_SLOPE
        flat = np.where(needed, table.reshape(needed.shape), 0.0)
        rest = flat.argmax(axis=1)
        needed[np.arange(len(flat)), rest] = False
        row, column = np.nonzero(needed & settings.free[k])
        entries.append((np.full(len(row), k), row, column, rest[row]))
    return _FreeEntries(*map(np.concatenate, zip(*entries, strict=True)))


def _information(
    free: _FreeEntries, parameters: Parameters, count: Callable[[Parameters], ExpectedCounts]
) -> FloatArray:
    """Observed information: negative second derivatives, by finite differences of the score."""

    def score(j: int, by: float) -> FloatArray:
        moved = free.moved(parameters, j, by)
        return free.score(moved, count(moved))

    n = len(free.part)
    here = free.score(parameters, count(parameters))
    information = np.empty((n, n))
    for j in range(n):
        p = free.value(parameters, j)
        h = STEP * max(p, MIN_PARAMETER)
        if p > 2.0 * h:
            information[j] = (score(j, -h) - score(j, h)) / (2.0 * h)
        else:  # one-sided at the boundary
            information[j] = (3.0 * here - 4.0 * score(j, h) + score(j, 2.0 * h)) / (2.0 * h)
    return 0.5 * (information + information.T)


def _gradient(free: _FreeEntries, mean: FloatArray, n: int) -> FloatArray:
    """Derivatives of the n rewards with respect to the free entries."""
    gradient = np.zeros((n, len(free.part)))
    means = mean.reshape(-1, mean.shape[-1])
    j = np.flatnonzero(free.part == ARRAYS.index("W"))
    row = free.row[j]
    gradient[row, j] = means[row, free.column[j]] - means[row, free.rest[j]]
    return gradient


def _variances(information: FloatArray, gradient: FloatArray) -> FloatArray:
    """Variances g' I^-1 g; NaN where g has a component that the data do not identify."""
    scale = np.sqrt(np.maximum(np.abs(np.diag(information)), np.finfo(float).tiny))
    values, vectors = np.linalg.eigh(information / scale / scale[:, np.newaxis])
    u = (gradient / scale) @ vectors
    known = values > SINGULAR
    variances = (u[:, known] ** 2 / values[known]).sum(axis=1)
    lost = (u[:, ~known] ** 2).sum(axis=1) > MAX_UNIDENTIFIED**2 * (u**2).sum(axis=1)
    return np.where(lost, np.nan, variances)
