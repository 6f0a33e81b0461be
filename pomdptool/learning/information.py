"""Standard errors of learned rewards, which allow for states that are hidden.

The score of the log-likelihood l is that of the complete data, with what is expected to have
happened in place of what has (Fisher's identity): where n counts how often entry p of a row is
expected to have happened, dl/dp = n / p. The E-step gives it exactly, and differences of scores
give the observed information

    I = - d^2 l / d theta^2

in which what the hidden states take away is missing (Louis 1982; Oakes 1999). theta are the
entries of T, O, the start and the levels of rewards W, less the largest one of each row; priors
are left out. The reward of a row of W with levels k of mean r[k] is R = sum of W[k] r[k], and

    var R = g' I^-1 g + sum of W[k] v[k] / n,   g = dR / d theta,

v[k] the variance within a level. An entry that no step of the data could have needed, n / p < 1,
is taken for known to be zero. At zero itself n / p is finite, so that entries near zero do no harm.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

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
from pomdptool.sparse import FloatArray, IntArray

MAX_PARAMETERS = 1000
"""Parameters of which the information is computed: two passes over the data for each."""

MAX_WORK = 2e10
"""Multiplications of all these passes together, some ten seconds."""

STEP = 1e-3
"""Of differences, relative to a parameter."""

MIN_PARAMETER = 1e-4
"""Smaller free are moved as far as one of this size."""

FLOOR = 1e-12
"""Least size of an entry that is not zero, so that n / p is a number."""

ARRAYS = ("T", "Z", "start", "W")
"""Tables, in the order of `Tables.parts`."""

MAX_UNIDENTIFIED = 1e-3
"""Most part of a gradient that may lie in directions that are not identified."""

SINGULAR = 1e-7
"""Least information of a direction that is identified, relative to each parameter alone."""

MIN_SLOPE = 1.0
"""Least n / p of an entry that is not known to be zero."""


@dataclass(frozen=True, eq=False, slots=True)
class StandardErrors:
    """Standard errors of R, in its shape; NaN where there is none, and then why.

    `reasons` has the same shape, "" where there is an error.
    """

    errors: FloatArray
    reasons: np.ndarray


def standard_errors(
    found: Fit, episodes: Episodes, *, threads: int | None = None, limits: Limits | None = None
) -> StandardErrors:
    """Compute standard errors of the rewards that were learned from these episodes.

    Where there are too many free, too many data, or no time, there are none.
    """
    assert found.rewards is not None
    assert episodes.rewards is not None
    R, limits = found.rewards.R, limits or Limits()
    unit = reward_scale(episodes.rewards)
    episodes = relabel(replace(episodes, rewards=episodes.rewards / unit), found.model)
    bin_edges = reward_bin_edges(episodes)
    assert bin_edges is not None
    if limits.reason is not None:
        return _none(R, _LIMIT[limits.reason])
    sequences = encode(episodes, bin_edges)
    with Threads(threads or cores()) as pool:

        def count(parameters: Parameters) -> ExpectedCounts:
            return expected_counts(parameters, sequences, pool, limits.check)

        try:
            scaled = _errors(found, episodes, sequences, bin_edges, count)
        except LimitReached as stopped:
            return _none(R, _LIMIT[stopped.reason])
    return replace(scaled, errors=unit * scaled.errors)


_LIMIT = {
    "time-limit": "there was no time left to compute it",
    "interrupted": "it was interrupted before it was computed",
}


def _none(R: FloatArray, reason: str) -> StandardErrors:
    return StandardErrors(np.full(R.shape, np.nan), np.full(R.shape, reason, dtype=object))


def _errors(
    found: Fit,
    episodes: Episodes,
    sequences: Sequences,
    bin_edges: FloatArray,
    count: Callable[[Parameters], ExpectedCounts],
) -> StandardErrors:
    assert found.rewards is not None
    R, visits = found.rewards.R, found.rewards.visits.reshape(-1)
    parts = (np.where(x > 0.0, np.maximum(x, FLOOR), 0.0) for x in found.estimate.arrays)
    parameters = _with_arrays(found.estimate, *parts)
    free = _free_entries(parameters, count(parameters), found.settings)
    n, S = len(free.row), parameters.n_states
    work = 2.0 * n * sequences.n_steps * max(S, MIN_STATES) ** 2
    if n > MAX_PARAMETERS or work > MAX_WORK:
        much = f"{n} parameters and {sequences.n_steps} steps"
        return _none(R, f"{much} are too much for the information matrix")
    mean, variance = (
        x[:, np.newaxis, np.newaxis, np.newaxis] for x in bin_means(episodes, bin_edges)
    )
    gradient = _gradient(free, np.broadcast_to(mean, parameters.W.shape), R.size)
    hidden = _variances(_information(free, parameters, count), gradient)
    within = (parameters.W * variance).sum(axis=4).reshape(-1) / np.maximum(visits, MIN_VISITS)
    constant = (gradient == 0.0).all(axis=1) & (within == 0.0)
    reasons = np.full(R.size, "", dtype=object)
    reasons[np.isnan(hidden)] = "the data do not identify the parameters that it depends on"
    reasons[constant] = "the rewards received there did not vary"
    reasons[visits < MIN_VISITS] = "it was never received"
    errors = np.where(reasons == "", np.sqrt(hidden + within), np.nan)
    return StandardErrors(errors.reshape(R.shape), reasons.reshape(R.shape))


@dataclass(frozen=True, eq=False, slots=True)
class _FreeEntries:
    """Free entries of tables, (n,) each: the table, the row, the column, and the row's largest one.

    That one, `rest`, makes up for the change of the others.
    """

    part: IntArray
    row: IntArray
    column: IntArray
    rest: IntArray

    def score(self, parameters: Parameters, counts: ExpectedCounts) -> FloatArray:
        """Derivative of the log-likelihood by each parameter."""
        slopes = [_slopes(p, n) for p, n in zip(parameters.arrays, counts.arrays, strict=True)]
        found = np.empty(len(self.part))
        for k, slope in enumerate(slopes):
            own = self.part == k
            row = self.row[own]
            found[own] = slope[row, self.column[own]] - slope[row, self.rest[own]]
        return found

    def moved(self, parameters: Parameters, j: int, by: float) -> Parameters:
        """Tables with one parameter moved."""
        parts = list(parameters.arrays)
        k, row = int(self.part[j]), int(self.row[j])
        table = parts[k].copy()
        flat = table.reshape(-1, table.shape[-1])
        flat[row, self.column[j]] += by
        flat[row, self.rest[j]] -= by
        parts[k] = table
        return _with_arrays(parameters, *parts)

    def value(self, parameters: Parameters, j: int) -> float:
        """Value of one parameter."""
        table = parameters.arrays[int(self.part[j])]
        return float(table.reshape(-1, table.shape[-1])[self.row[j], self.column[j]])


def _with_arrays(
    parameters: Parameters, T: FloatArray, Z: FloatArray, start: FloatArray, W: FloatArray
) -> Parameters:
    return replace(parameters, T=T, Z=Z, start=start, W=W)


def _slopes(table: FloatArray, counts: FloatArray) -> FloatArray:
    """Counts divided by probabilities, rows flat; 0 where an entry is 0."""
    slopes = np.divide(counts, table, out=np.zeros(table.shape), where=table > 0.0)
    return slopes.reshape(-1, table.shape[-1])


def _free_entries(
    parameters: Parameters, counts: ExpectedCounts, settings: MStepSettings
) -> _FreeEntries:
    found = []
    for k, (table, n) in enumerate(zip(parameters.arrays, counts.arrays, strict=True)):
        needed = _slopes(table, n) >= MIN_SLOPE
        flat = np.where(needed, table.reshape(needed.shape), 0.0)
        rest = flat.argmax(axis=1)
        needed[np.arange(len(flat)), rest] = False
        row, column = np.nonzero(needed & settings.free[k])
        found.append((np.full(len(row), k), row, column, rest[row]))
    return _FreeEntries(*map(np.concatenate, zip(*found, strict=True)))


def _information(
    free: _FreeEntries, parameters: Parameters, count: Callable[[Parameters], ExpectedCounts]
) -> FloatArray:
    """Observed information: minus the second derivatives, by differences of the score."""

    def score(j: int, by: float) -> FloatArray:
        moved = free.moved(parameters, j, by)
        return free.score(moved, count(moved))

    n = len(free.part)
    here = free.score(parameters, count(parameters))
    found = np.empty((n, n))
    for j in range(n):
        p = free.value(parameters, j)
        h = STEP * max(p, MIN_PARAMETER)
        if p > 2.0 * h:
            found[j] = (score(j, -h) - score(j, h)) / (2.0 * h)
        else:  # to the inside only
            found[j] = (3.0 * here - 4.0 * score(j, h) + score(j, 2.0 * h)) / (2.0 * h)
    return 0.5 * (found + found.T)


def _gradient(free: _FreeEntries, mean: FloatArray, n: int) -> FloatArray:
    """Derivatives of the rewards by the free, shape (n, n_parameters)."""
    found = np.zeros((n, len(free.part)))
    levels = mean.reshape(-1, mean.shape[-1])
    j = np.flatnonzero(free.part == ARRAYS.index("W"))
    row = free.row[j]
    found[row, j] = levels[row, free.column[j]] - levels[row, free.rest[j]]
    return found


def _variances(information: FloatArray, gradient: FloatArray) -> FloatArray:
    """Variances g' I^-1 g; NaN where g leaves what the data identify."""
    scale = np.sqrt(np.maximum(np.abs(np.diag(information)), np.finfo(float).tiny))
    values, vectors = np.linalg.eigh(information / scale / scale[:, np.newaxis])
    u = (gradient / scale) @ vectors
    known = values > SINGULAR
    found = (u[:, known] ** 2 / values[known]).sum(axis=1)
    lost = (u[:, ~known] ** 2).sum(axis=1) > MAX_UNIDENTIFIED**2 * (u**2).sum(axis=1)
    return np.where(lost, np.nan, found)
