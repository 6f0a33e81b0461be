"""The M-step: maximum a posteriori parameters from expected counts n, with Dirichlet priors.

    T[a, s, s'] = (n[a, s, s'] + k) / sum over s' of (n[a, s, s'] + k),    likewise Z, start and W

(W: probabilities of reward bins, see `rewards`) with a pseudo-count k >= 0, added to every nonzero
entry: the log-prior of a row is k times the sum of its logarithms. Zeros and rows without counts do
not change. The objective is concave, so that a damped step, too, raises the log-posterior.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pomdptool.errors import DataError
from pomdptool.learning.e_step import ExpectedCounts
from pomdptool.learning.parameters import Parameters
from pomdptool.sparse import FloatArray, IntArray

MIN_COUNT = 1e-250
"""Rows with a smaller expected count are not updated."""

PSEUDO_COUNT = 0.01
"""Default of each entry: small against the data, but no probability becomes zero."""

FIXABLE = ("T", "O", "start")
"""Parameters that `fix` accepts."""


@dataclass(frozen=True, slots=True)
class MStepSettings:
    """Dirichlet pseudo-counts, parameters that are fixed, and the damping D.

    New parameters are (1 - D) times the maximum plus D times the old ones.
    """

    prior_transition: float = PSEUDO_COUNT
    prior_observation: float = PSEUDO_COUNT
    prior_start: float = PSEUDO_COUNT
    fix: frozenset[str] = frozenset()
    damping: float = 0.0
    prior_reward: float = PSEUDO_COUNT

    @property
    def pseudo_counts(self) -> tuple[float, float, float, float]:
        """Pseudo-counts of T, Z, start and W."""
        return self.prior_transition, self.prior_observation, self.prior_start, self.prior_reward

    @property
    def free(self) -> tuple[bool, bool, bool, bool]:
        """Whether T, Z, start and W are learned."""
        return "T" not in self.fix, "O" not in self.fix, "start" not in self.fix, True

    def check(self) -> None:
        """Raise DataError for negative pseudo-counts, damping outside [0, 1) or unknown names."""
        if not all(0.0 <= k < np.inf for k in self.pseudo_counts):
            raise DataError("pseudo-counts of a prior must not be negative")
        if not 0.0 <= self.damping < 1.0:
            raise DataError(f"the damping must lie in [0, 1), not {self.damping}")
        unknown = sorted(self.fix - set(FIXABLE))
        if unknown:
            raise DataError(f"{unknown[0]!r} cannot be fixed: only {', '.join(FIXABLE)}")


def maximise(counts: ExpectedCounts, old: Parameters, settings: MStepSettings) -> Parameters:
    """Parameters that maximise the expected log-posterior, damped."""
    parts = zip(counts.arrays, settings.pseudo_counts, old.arrays, settings.free, strict=True)
    T, Z, start, W = (
        _map_rows(n, k, table, settings.damping) if free else table for n, k, table, free in parts
    )
    return Parameters(T, Z, start, W, old.terminal)


def _map_rows(counts: FloatArray, pseudo: float, old: FloatArray, damping: float) -> FloatArray:
    visited = counts.sum(axis=-1, keepdims=True) > MIN_COUNT
    weights = counts + pseudo * (old > 0.0)
    new = weights / np.where(visited, weights.sum(axis=-1, keepdims=True), 1.0)
    if damping:
        new = (1.0 - damping) * new + damping * old
    return np.where(visited, new, old)


def log_prior(parameters: Parameters, settings: MStepSettings) -> float:
    """Log-density of the priors, up to a constant."""
    total = 0.0
    for p, k, free in zip(parameters.arrays, settings.pseudo_counts, settings.free, strict=True):
        if free and k > 0.0:
            total += k * float(np.log(p[p > 0.0]).sum())
    return total


def n_parameters(
    parameters: Parameters,
    action_counts: IntArray,
    settings: MStepSettings,
    termination_counts: IntArray | None = None,
) -> int:
    """Number of free parameters: nonzero entries less one per row, without rows that lack data.

    `action_counts` and `termination_counts`, shape (A,), count the steps with each action and those
    that reached a terminal state. Actions in terminal states have no data.
    """
    used, shared = action_counts > 0, parameters.shared
    T = parameters.T[used]
    Z = parameters.Z if shared else parameters.Z[used]
    W = parameters.W if len(parameters.W) == 1 else parameters.W[used]
    unused = [0, 0, 0, 0]
    if parameters.terminal is not None and termination_counts is not None:
        end = parameters.terminal
        unused[1] = 0 if shared else _free_entries(Z[termination_counts[used] == 0][:, end])
        unused[3] = 0 if W.shape[1] == 1 else _free_entries(W[:, end])
    counts = (_free_entries(table) for table in (T, Z, parameters.start, W))
    each = zip(counts, unused, settings.free, strict=True)
    return sum(count - less for count, less, free in each if free)


def _free_entries(table: FloatArray) -> int:
    rows = int(np.prod(table.shape[:-1]))
    return max(0, int(np.count_nonzero(table)) - rows)
