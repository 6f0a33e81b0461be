"""The M-step: the tables that make what is expected to have happened the most probable.

Rows are maximum a posteriori under Dirichlet priors, written as pseudo-counts k >= 0 that are added
to every entry that is not zero already:

    T[a, s, s'] = (n[a, s, s'] + k) / sum over s' of (n[a, s, s'] + k)

so that the log-prior of a row is k times the sum of its logarithms. A row that the data say nothing
of stays as it is, and so does every zero. Part of the way to the maximum raises the posterior as
well, for what is maximised is concave: that is damping.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pomdptool.errors import DataError
from pomdptool.learning.e_step import ExpectedCounts
from pomdptool.learning.parameters import Parameters
from pomdptool.sparse import FloatArray, IntArray

MIN_COUNT = 1e-250
"""Expected counts of a row below this are none."""

PSEUDO_COUNT = 0.01
"""Of each entry, by default: less than data say, and no probability becomes zero."""

FIXABLE = ("T", "O", "start")
"""What `fix` may name."""


@dataclass(frozen=True, slots=True)
class MStepSettings:
    """Pseudo-counts of each table's entries, what is not learned, and the damping D.

    New tables are (1 - D) times what maximises and D times the old ones.
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
        return (
            self.prior_transition,
            self.prior_observation,
            self.prior_start,
            self.prior_reward,
        )

    @property
    def free(self) -> tuple[bool, bool, bool, bool]:
        """Whether T, Z, start and W are learned."""
        return "T" not in self.fix, "O" not in self.fix, "start" not in self.fix, True

    def check(self) -> None:
        """Refuse what makes no sense.

        Raises
        ------
        DataError
            With a negative pseudo-count, a damping outside [0, 1), or an unknown part to fix.
        """
        if not all(0.0 <= k < np.inf for k in self.pseudo_counts):
            raise DataError("pseudo-counts of a prior must not be negative")
        if not 0.0 <= self.damping < 1.0:
            raise DataError(f"the damping must lie in [0, 1), not {self.damping}")
        unknown = sorted(self.fix - set(FIXABLE))
        if unknown:
            raise DataError(f"{unknown[0]!r} cannot be fixed: only {', '.join(FIXABLE)}")


def maximise(counts: ExpectedCounts, old: Parameters, settings: MStepSettings) -> Parameters:
    """Tables that maximise the expected log-posterior, damped."""
    parts = zip(counts.arrays, settings.pseudo_counts, old.arrays, settings.free, strict=True)
    T, Z, start, W = (
        _map_rows(n, k, table, settings.damping) if free else table for n, k, table, free in parts
    )
    return Parameters(T, Z, start, W, old.terminal)


def _map_rows(
    counts: FloatArray, pseudo_counts: float, old: FloatArray, damping: float
) -> FloatArray:
    action_counts = counts.sum(axis=-1, keepdims=True) > MIN_COUNT
    weights = counts + pseudo_counts * (old > 0.0)
    new = weights / np.where(action_counts, weights.sum(axis=-1, keepdims=True), 1.0)
    if damping:
        new = (1.0 - damping) * new + damping * old
    return np.where(action_counts, new, old)


def log_prior(parameters: Parameters, settings: MStepSettings) -> float:
    """Log-density of the priors, but for a constant."""
    total = 0.0
    for table, k, free in zip(
        parameters.arrays, settings.pseudo_counts, settings.free, strict=True
    ):
        if free and k > 0.0:
            total += k * float(np.log(table[table > 0.0]).sum())
    return total


def n_parameters(
    parameters: Parameters,
    action_counts: IntArray,
    settings: MStepSettings,
    termination_counts: IntArray | None = None,
) -> int:
    """Free parameters: entries that are not zero, less one a row; rows never tried do not count.

    `tried` has shape (A,): how often each action occurs; `terminating` likewise, how often it led
    to a terminal state. What is done in a terminal state is never tried.
    """
    used = action_counts > 0
    T = parameters.T[used]
    Z = parameters.Z if parameters.shared else parameters.Z[used]
    W = parameters.W if len(parameters.W) == 1 else parameters.W[used]
    unused = [0, 0, 0, 0]
    if parameters.terminal is not None and termination_counts is not None:
        there = parameters.terminal
        unused[1] = (
            0 if parameters.shared else _free_entries(Z[termination_counts[used] == 0][:, there])
        )
        unused[3] = 0 if W.shape[1] == 1 else _free_entries(W[:, there])
    counts = (_free_entries(table) for table in (T, Z, parameters.start, W))
    each = zip(counts, unused, settings.free, strict=True)
    return sum(count - less for count, less, free in each if free)


def _free_entries(table: FloatArray) -> int:
    rows = int(np.prod(table.shape[:-1]))
    return max(0, int(np.count_nonzero(table)) - rows)
