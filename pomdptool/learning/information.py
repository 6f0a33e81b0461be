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
from pomdptool.learning.e_step import LEAST_STATES, Expected, Threads, expected
from pomdptool.learning.encoding import Sequences, sequences_of
from pomdptool.learning.m_step import Settings
from pomdptool.learning.parameters import Tables
from pomdptool.learning.relabel import in_terms_of
from pomdptool.learning.result import Fit
from pomdptool.learning.rewards import LEAST_VISITS, cuts_of, level_means, unit_of
from pomdptool.limits import LimitReached, Limits
from pomdptool.sparse import FloatArray, IntArray

MOST_PARAMETERS = 1000
"""Parameters of which the information is computed: two passes over the data for each."""

MOST_WORK = 2e10
"""Multiplications of all these passes together, some ten seconds."""

STEP = 1e-3
"""Of differences, relative to a parameter."""

LEAST_PARAMETER = 1e-4
"""Smaller parameters are moved as far as one of this size."""

FLOOR = 1e-12
"""Least size of an entry that is not zero, so that n / p is a number."""

PARTS = ("T", "Z", "start", "W")
"""Tables, in the order of `Tables.parts`."""

UNIDENTIFIED = 1e-3
"""Most part of a gradient that may lie in directions that are not identified."""

SINGULAR = 1e-7
"""Least information of a direction that is identified, relative to each parameter alone."""

NEEDED = 1.0
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

    Where there are too many parameters, too many data, or no time, there are none.
    """
    assert found.rewards is not None
    assert episodes.rewards is not None
    R, limits = found.rewards.R, limits or Limits()
    unit = unit_of(episodes.rewards)
    episodes = in_terms_of(replace(episodes, rewards=episodes.rewards / unit), found.model)
    cuts = cuts_of(episodes)
    assert cuts is not None
    if limits.reason is not None:
        return _none(R, _LIMIT[limits.reason])
    sequences = sequences_of(episodes, cuts)
    with Threads(threads or cores()) as pool:

        def count(tables: Tables) -> Expected:
            return expected(tables, sequences, pool, limits.check)

        try:
            scaled = _errors(found, episodes, sequences, cuts, count)
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
    cuts: FloatArray,
    count: Callable[[Tables], Expected],
) -> StandardErrors:
    assert found.rewards is not None
    R, visits = found.rewards.R, found.rewards.visits.reshape(-1)
    parts = (np.where(x > 0.0, np.maximum(x, FLOOR), 0.0) for x in found.tables.parts)
    tables = _with_parts(found.tables, *parts)
    parameters = _parameters(tables, count(tables), found.settings)
    n, S = len(parameters.row), tables.n_states
    work = 2.0 * n * sequences.n_steps * max(S, LEAST_STATES) ** 2
    if n > MOST_PARAMETERS or work > MOST_WORK:
        much = f"{n} parameters and {sequences.n_steps} steps"
        return _none(R, f"{much} are too much for the information matrix")
    mean, variance = (x[:, np.newaxis, np.newaxis, np.newaxis] for x in level_means(episodes, cuts))
    gradient = _gradient(parameters, np.broadcast_to(mean, tables.W.shape), R.size)
    hidden = _variances(_information(parameters, tables, count), gradient)
    within = (tables.W * variance).sum(axis=4).reshape(-1) / np.maximum(visits, LEAST_VISITS)
    constant = (gradient == 0.0).all(axis=1) & (within == 0.0)
    reasons = np.full(R.size, "", dtype=object)
    reasons[np.isnan(hidden)] = "the data do not identify the parameters that it depends on"
    reasons[constant] = "the rewards received there did not vary"
    reasons[visits < LEAST_VISITS] = "it was never received"
    errors = np.where(reasons == "", np.sqrt(hidden + within), np.nan)
    return StandardErrors(errors.reshape(R.shape), reasons.reshape(R.shape))


@dataclass(frozen=True, eq=False, slots=True)
class _Parameters:
    """Free entries of tables, (n,) each: the table, the row, the column, and the row's largest one.

    That one, `rest`, makes up for the change of the others.
    """

    part: IntArray
    row: IntArray
    column: IntArray
    rest: IntArray

    def score(self, tables: Tables, counts: Expected) -> FloatArray:
        """Derivative of the log-likelihood by each parameter."""
        slopes = [_slopes(p, n) for p, n in zip(tables.parts, counts.parts, strict=True)]
        found = np.empty(len(self.part))
        for k, slope in enumerate(slopes):
            own = self.part == k
            row = self.row[own]
            found[own] = slope[row, self.column[own]] - slope[row, self.rest[own]]
        return found

    def moved(self, tables: Tables, j: int, by: float) -> Tables:
        """Tables with one parameter moved."""
        parts = list(tables.parts)
        k, row = int(self.part[j]), int(self.row[j])
        table = parts[k].copy()
        flat = table.reshape(-1, table.shape[-1])
        flat[row, self.column[j]] += by
        flat[row, self.rest[j]] -= by
        parts[k] = table
        return _with_parts(tables, *parts)

    def value(self, tables: Tables, j: int) -> float:
        """Value of one parameter."""
        table = tables.parts[int(self.part[j])]
        return float(table.reshape(-1, table.shape[-1])[self.row[j], self.column[j]])


def _with_parts(
    tables: Tables, T: FloatArray, Z: FloatArray, start: FloatArray, W: FloatArray
) -> Tables:
    return replace(tables, T=T, Z=Z, start=start, W=W)


def _slopes(table: FloatArray, counts: FloatArray) -> FloatArray:
    """Counts divided by probabilities, rows flat; 0 where an entry is 0."""
    slopes = np.divide(counts, table, out=np.zeros(table.shape), where=table > 0.0)
    return slopes.reshape(-1, table.shape[-1])


def _parameters(tables: Tables, counts: Expected, settings: Settings) -> _Parameters:
    found = []
    for k, (table, n) in enumerate(zip(tables.parts, counts.parts, strict=True)):
        needed = _slopes(table, n) >= NEEDED
        flat = np.where(needed, table.reshape(needed.shape), 0.0)
        rest = flat.argmax(axis=1)
        needed[np.arange(len(flat)), rest] = False
        row, column = np.nonzero(needed & settings.free[k])
        found.append((np.full(len(row), k), row, column, rest[row]))
    return _Parameters(*map(np.concatenate, zip(*found, strict=True)))


def _information(
    parameters: _Parameters, tables: Tables, count: Callable[[Tables], Expected]
) -> FloatArray:
    """Observed information: minus the second derivatives, by differences of the score."""

    def score(j: int, by: float) -> FloatArray:
        moved = parameters.moved(tables, j, by)
        return parameters.score(moved, count(moved))

    n = len(parameters.part)
    here = parameters.score(tables, count(tables))
    found = np.empty((n, n))
    for j in range(n):
        p = parameters.value(tables, j)
        h = STEP * max(p, LEAST_PARAMETER)
        if p > 2.0 * h:
            found[j] = (score(j, -h) - score(j, h)) / (2.0 * h)
        else:  # to the inside only
            found[j] = (3.0 * here - 4.0 * score(j, h) + score(j, 2.0 * h)) / (2.0 * h)
    return 0.5 * (found + found.T)


def _gradient(parameters: _Parameters, mean: FloatArray, n: int) -> FloatArray:
    """Derivatives of the rewards by the parameters, shape (n, n_parameters)."""
    found = np.zeros((n, len(parameters.part)))
    levels = mean.reshape(-1, mean.shape[-1])
    j = np.flatnonzero(parameters.part == PARTS.index("W"))
    row = parameters.row[j]
    found[row, j] = levels[row, parameters.column[j]] - levels[row, parameters.rest[j]]
    return found


def _variances(information: FloatArray, gradient: FloatArray) -> FloatArray:
    """Variances g' I^-1 g; NaN where g leaves what the data identify."""
    scale = np.sqrt(np.maximum(np.abs(np.diag(information)), np.finfo(float).tiny))
    values, vectors = np.linalg.eigh(information / scale / scale[:, np.newaxis])
    u = (gradient / scale) @ vectors
    known = values > SINGULAR
    found = (u[:, known] ** 2 / values[known]).sum(axis=1)
    lost = (u[:, ~known] ** 2).sum(axis=1) > UNIDENTIFIED**2 * (u**2).sum(axis=1)
    return np.where(lost, np.nan, found)
